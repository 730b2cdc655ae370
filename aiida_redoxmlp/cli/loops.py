"""How far an active-learning loop has come: one line an iteration, also while it runs."""

from __future__ import annotations

from aiida import orm
from rich.table import Table

from aiida_redoxmlp.active_learning.label_book import LabelCounts
from aiida_redoxmlp.active_learning.records import BandCounts, FreshErrors, IterationRecord, LoopState
from aiida_redoxmlp.active_learning.stopping import Budget
from aiida_redoxmlp.calculations.active_learning import outcome_of
from aiida_redoxmlp.report.loop_graph import LoopGraph

__all__ = ("loop_table",)

_LOOP = "ActiveLearningWorkChain"
_HEADINGS = (
    "iteration",
    "selection",
    "candidates",
    "uncertain",
    "asked",
    "landed",
    "redox errors",
    "ambiguous",
    "failed",
    "force MAE / meV/Å",
    "recovery",
    "frames",
    "spent",
)


def loop_table(process: orm.ProcessNode) -> Table | None:
    """Return a line for every iteration of an active-learning loop, the one that runs last.

    Returns:
        The table, or None where ``process`` is no such loop.
    """
    if process.process_label != _LOOP:
        return None
    graph = LoopGraph(process)
    state = graph.state
    table = Table(title="iterations", title_justify="left", caption=_spent(state, graph.budget), caption_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in ("selection", "spent") else "right")
    for record in state.iterations:
        table.add_row(*_row(record))
    if not process.is_terminated:
        table.add_row(*_running(graph, len(state.iterations)))
    return table


def _row(record: IterationRecord) -> tuple[str, ...]:
    recovery = None if record.errors_before is None else record.errors_before.pattern_recovery
    return (
        str(record.number),
        record.strategy,
        *_candidates(record.band),
        *_labels(record.labels),
        " → ".join(_force_error(one) for one in (record.errors_before, record.errors_after)),
        "" if recovery is None else f"{100 * recovery:.0f} %",
        str(record.n_frames),
        f"{record.used.core_hours:.3g} core-hours",
    )


def _running(graph: LoopGraph, number: int) -> tuple[str, ...]:
    """Return the line of the iteration that runs: its candidates, and what the labels that are back have come to."""
    selection = graph.selections.get(number)
    labels = graph.calls.get(number, {}).get("label", [])
    outcomes = [outcome_of(label) for label in labels if label.is_terminated]
    return (
        str(number),
        "runs",
        *(("", "") if selection is None else _candidates(BandCounts.model_validate(selection.report["counts"]))),
        *(_labels(LabelCounts.of(outcomes, asked=len(labels))) if labels else ("",) * 5),
        "",
        "",
        "",
        f"{len(outcomes)} of {len(labels)} labels are back" if labels else "",
    )


def _candidates(band: BandCounts) -> tuple[str, str]:
    fraction = band.uncertain_fraction
    return str(band.n_candidates), "" if fraction is None else f"{100 * fraction:.1f} %"


def _labels(labels: LabelCounts) -> tuple[str, ...]:
    return (
        str(labels.asked),
        str(labels.landed),
        str(labels.redox_errors),
        str(labels.ambiguous),
        f"{labels.failed} ({labels.set_aside} set aside)" if labels.set_aside else str(labels.failed),
    )


def _force_error(errors: FreshErrors | None) -> str:
    value = None if errors is None else errors.force_mae_ev_per_angstrom
    return "–" if value is None else f"{1000 * value:.0f}"


def _spent(state: LoopState, budget: Budget | None) -> str:
    used = state.used
    spent = {
        "labels": used.labels,
        "core_hours": used.core_hours,
        "iterations": len(state.iterations),
        "days": used.days,
    }
    told = [
        f"{spent[name]:.4g} of {limit:g} {name.replace('_', '-')}"
        for name, limit in ({} if budget is None else budget.model_dump(exclude_none=True)).items()
    ]
    return f"Spent: {', '.join(told)}. {state.reason}".strip()
