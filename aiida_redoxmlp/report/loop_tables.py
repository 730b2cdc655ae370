"""The tables of an active-learning loop."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.active_learning.records import FreshErrors, IterationRecord
from aiida_redoxmlp.report.loop_schema import LoopIteration, LoopSummary
from aiida_redoxmlp.report.loop_wording import BUDGET_NAMES, progress_of
from aiida_redoxmlp.report.tables import (
    NONE,
    Column,
    Row,
    Table,
    node_table,
    number,
    stage_table,
    tree_table,
    version_table,
)
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import pattern_label

__all__ = ("loop_tables",)

_NODES = {
    "work_chain": "the work chain",
    "loop": "the record of the loop",
    "dataset_before": "what was labelled before",
    "dataset": "every frame that is labelled",
    "model": "the last committee",
}


def loop_tables(summary: LoopSummary, spans: Sequence[ProcessSpan]) -> list[Table]:
    """Return the tables that have rows."""
    made = [_iterations(summary), _candidates(summary), _redox_errors(summary), _coverage(summary), _budget(summary)]
    made += [_rules(summary), _ground_states(summary), stage_table(summary.stages, "stage"), tree_table(spans)]
    made += [node_table(_NODES, summary.uuids.model_dump()), version_table(summary.versions)]
    return [table for table in made if table.rows]


def _iterations(summary: LoopSummary) -> Table:
    return Table(
        "iterations",
        "Iterations",
        "Errors on fresh labels are those of the potential that asked for them, before it was trained on them; errors "
        "on held-out frames are those of the potential that was trained after the iteration.",
        (
            Column("iteration"),
            Column("asked", numeric=True),
            Column("landed", numeric=True),
            Column("redox errors", numeric=True),
            Column("ambiguous", numeric=True),
            Column("failed", numeric=True),
            Column("dataset", numeric=True),
            Column("fresh: forces / meV/Å", numeric=True),
            Column("energy / meV/atom", numeric=True),
            Column("recovery / %", numeric=True),
            Column("held out: forces / meV/Å", numeric=True),
            Column("energy / meV/atom", numeric=True),
        ),
        tuple(Row(_iteration_cells(one)) for one in summary.iterations),
    )


def _iteration_cells(iteration: LoopIteration) -> tuple[str, ...]:
    record = iteration.record
    if record is None:
        return (f"{iteration.number} ({progress_of(iteration)})", *[NONE] * 11)
    labels = record.labels
    return (
        str(iteration.number),
        *(str(one) for one in (labels.asked, labels.landed, labels.redox_errors, labels.ambiguous, labels.failed)),
        str(record.n_frames),
        *_error_cells(record.errors_before),
        _scaled(None if record.errors_before is None else record.errors_before.pattern_recovery, 100, ".0f"),
        *_error_cells(record.errors_after),
    )


def _error_cells(errors: FreshErrors | None) -> tuple[str, str]:
    if errors is None:
        return NONE, NONE
    return (
        _scaled(errors.force_mae_ev_per_angstrom, 1000, ".0f"),
        _scaled(errors.energy_mae_ev_per_atom, 1000, ".2g"),
    )


def _scaled(value: float | None, factor: float, form: str) -> str:
    return number(None if value is None else factor * value, form)


def _candidates(summary: LoopSummary) -> Table:
    return Table(
        "candidates",
        "Where the candidates lie",
        "Known: force spread below the floor of the band and electrons without doubt. Too far: force spread above the "
        "ceiling. The factors are what spreads are multiplied by after the iteration to be as large as errors.",
        (
            Column("iteration"),
            Column("strategy"),
            Column("explored", numeric=True),
            Column("candidates", numeric=True),
            Column("known", numeric=True),
            Column("forces in doubt", numeric=True),
            Column("electrons in doubt", numeric=True),
            Column("too far", numeric=True),
            Column("asked before", numeric=True),
            Column("factor of forces", numeric=True),
            Column("of energies", numeric=True),
            Column("of gaps", numeric=True),
        ),
        tuple(Row(_candidate_cells(one, one.record)) for one in summary.iterations if one.record is not None),
    )


def _candidate_cells(iteration: LoopIteration, record: IterationRecord) -> tuple[str, ...]:
    band, factors = record.band, record.factors
    known = (band.n_known, band.n_uncertain_forces, band.n_uncertain_electrons, band.n_too_far, band.n_asked_before)
    measured = (factors.forces, factors.energies, factors.electrons)
    return (
        str(iteration.number),
        record.strategy.replace("_", " "),
        NONE if iteration.selection is None else str(iteration.selection.n_explored),
        str(band.n_candidates),
        *(str(one) for one in known),
        *(f"{one:.2f}" for one in measured),
    )


def _redox_errors(summary: LoopSummary) -> Table:
    return Table(
        "redox-errors",
        "Redox errors",
        "Labels of which DFT clearly found another pattern than the potential believed in; they are in the dataset "
        "with the pattern that DFT found. Patterns are listed by ascending atom.",
        (Column("label"), Column("iteration", numeric=True), Column("wanted"), Column("found"), Column("origin")),
        tuple(
            Row((one.name, str(one.iteration), pattern_label(one.wanted), pattern_label(one.found), one.origin or NONE))
            for one in summary.redox_errors
        ),
    )


def _coverage(summary: LoopSummary) -> Table:
    return Table(
        "coverage",
        "Labels by state of charge and pattern",
        "Possible patterns close the charge of the cell; symmetry is not regarded. Ambiguous and failed labels are of "
        "no pattern.",
        (
            Column("state of charge"),
            Column("mean state", numeric=True),
            Column("pattern"),
            Column("before the loop", numeric=True),
            Column("added", numeric=True),
            Column("believed in", numeric=True),
            Column("of added: redox errors", numeric=True),
            Column("patterns with a label", numeric=True),
        ),
        tuple(
            Row(
                (
                    one.formula,
                    number(one.mean_state, ".2f"),
                    pattern_label(pattern.states),
                    *(str(n) for n in (pattern.n_before, pattern.n_added, pattern.n_believed, pattern.n_redox_errors)),
                    NONE if one.n_possible is None else f"{one.n_covered} of {one.n_possible}",
                )
            )
            for one in summary.coverage
            for pattern in one.patterns
        ),
    )


def _budget(summary: LoopSummary) -> Table:
    return Table(
        "spent",
        "Budget",
        "Spent by the iterations that are over.",
        (Column("limit"), Column("spent", numeric=True), Column("of", numeric=True), Column("share", numeric=True)),
        tuple(
            Row(
                (
                    BUDGET_NAMES[one.name],
                    f"{one.used:.4g}",
                    "no limit" if one.limit is None else f"{one.limit:g}",
                    NONE if one.limit is None else f"{100 * one.used / one.limit:.0f} %",
                )
            )
            for one in summary.budget
        ),
    )


def _rules(summary: LoopSummary) -> Table:
    shown = [] if summary.rules is None else summary.rule_sentences
    return Table(
        "rules",
        "What the stopping rules say of the last iteration",
        "",
        (Column("rule"),),
        tuple(Row((sentence[:1].upper() + sentence[1:],)) for sentence in shown),
    )


def _ground_states(summary: LoopSummary) -> Table:
    names = sorted({name for record in summary.ended for name in record.ground_states})
    return Table(
        "ground-states",
        "Ground states over the iterations",
        "Lowest pattern of each structure by the potential that explored.",
        (Column("iteration"), *(Column(name) for name in names)),
        tuple(
            Row((str(record.number), *(record.ground_states.get(name, NONE) for name in names)))
            for record in summary.ended
            if names
        ),
    )
