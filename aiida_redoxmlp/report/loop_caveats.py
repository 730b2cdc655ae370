"""What a reader of an active-learning loop has to be warned of."""

from __future__ import annotations

from collections.abc import Iterator

from aiida_redoxmlp.active_learning.records import IterationRecord
from aiida_redoxmlp.report.caveats import OVERCONFIDENT
from aiida_redoxmlp.report.dynamics_wording import counted
from aiida_redoxmlp.report.loop_schema import LoopSummary
from aiida_redoxmlp.report.loop_wording import label_totals
from aiida_redoxmlp.report.wording import lowered
from aiida_redoxmlp.report.work_chain import about_the_end

__all__ = ("loop_caveats",)


def loop_caveats(summary: LoopSummary) -> list[str]:
    """Return one sentence a caveat, the gravest first."""
    return [
        *about_the_end(
            summary,
            running="The loop still runs; the report shows what there is so far.",
            subject="The loop",
        ),
        *_about_the_ending(summary),
        *_about_labels(summary),
        *_about_coverage(summary),
        *(warning for record in summary.ended for warning in _about_iteration(record, summary)),
    ]


def _about_the_ending(summary: LoopSummary) -> Iterator[str]:
    if summary.status == "budget":
        yield f"The loop did not converge. {summary.reason}".strip()
    elif summary.status == "paused":
        yield f"The loop is paused: {lowered(summary.reason.rstrip('.'))}."


def _about_labels(summary: LoopSummary) -> Iterator[str]:
    totals = label_totals(summary)
    if totals.ambiguous:
        verb, kept = ("is", "it was") if totals.ambiguous == 1 else ("are", "they were")
        yield (
            f"{totals.ambiguous} of {totals.asked} labels {verb} ambiguous (the charges close only with doubt); "
            f"{kept} kept and marked, and training leaves them out."
        )
    if summary.n_waiting:
        yield f"{counted(summary.n_waiting, 'label')} of {totals.asked} failed and may be asked for again."
    yield from summary.set_aside


def _about_coverage(summary: LoopSummary) -> Iterator[str]:
    if summary.ended:
        for one in summary.coverage:
            if not one.n_labels:
                yield f"There is no label at the state of charge {one.formula}."


def _about_iteration(record: IterationRecord, summary: LoopSummary) -> Iterator[str]:
    known = set(summary.set_aside)
    for warning in record.warnings:
        if warning not in known:
            yield f"Iteration {record.number}: {lowered(warning)}"
    is_last = record is summary.ended[-1]
    if is_last and record.factors.n_labels and record.factors.forces > OVERCONFIDENT:
        yield (
            f"The committee is too sure of itself: on the last fresh labels its errors of forces are "
            f"{record.factors.forces:.1f} times its spread, and spreads are multiplied by that."
        )
