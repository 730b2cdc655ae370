"""An active-learning loop in sentences: how far it came, why it ended, how right the potential is."""

from __future__ import annotations

from collections.abc import Iterator

from aiida_redoxmlp.active_learning.label_book import LabelCounts
from aiida_redoxmlp.active_learning.records import FreshErrors
from aiida_redoxmlp.report.dynamics_wording import counted
from aiida_redoxmlp.report.loop_schema import LoopIteration, LoopSummary
from aiida_redoxmlp.report.wording import listing, share

__all__ = ("BUDGET_NAMES", "label_totals", "last_fresh_errors", "loop_certainty", "loop_headline", "progress_of")

BUDGET_NAMES = {"labels": "labels", "core_hours": "core-hours", "iterations": "iterations", "days": "days"}
"""Limits of the budget as people say them."""

_ENDINGS = {
    "converged": "converged",
    "budget": "ended without convergence, as its budget is spent,",
    "failed": "failed",
    "paused": "is paused",
    "running": "still runs,",
}


def label_totals(summary: LoopSummary) -> LabelCounts:
    """Return the labels of all iterations that are over, by outcome."""
    counts = [record.labels.model_dump() for record in summary.ended]
    return LabelCounts(**{name: sum(one[name] for one in counts) for name in LabelCounts.model_fields})


def last_fresh_errors(summary: LoopSummary) -> FreshErrors | None:
    """Return the errors on the last fresh labels that were judged."""
    found = [one.errors_before for one in summary.ended if one.errors_before is not None and one.errors_before.n_labels]
    return found[-1] if found else None


def loop_headline(summary: LoopSummary) -> str:
    """Return the outcome in a sentence."""
    n_ended = len(summary.ended)
    if not n_ended:
        ending = "still runs" if summary.status == "running" else _ENDINGS[summary.status].rstrip(",")
        return f"The loop {ending}; no iteration has ended."
    asked = counted(label_totals(summary).asked, "label")
    after = f"after {counted(n_ended, 'iteration')} with {asked}"
    return f"The loop of {summary.material} {_ENDINGS[summary.status]} {after}."


def loop_certainty(summary: LoopSummary) -> list[str]:
    """Return sentences on the decision, the last errors, redox errors and what runs."""
    found = [summary.reason] if summary.reason and summary.status != "failed" else []
    return [*found, *_errors(summary), *_redox_errors(summary), *_coverage(summary), *_running(summary)]


def progress_of(iteration: LoopIteration) -> str:
    """Return where an iteration that is not over stands: ``select``, ``label, 3 of 8 labels ended``."""
    stage = listing(iteration.running_stages) if iteration.running_stages else "between stages"
    if "label" in iteration.running_stages:
        return f"{stage}, {iteration.n_labels_ended} of {iteration.n_labels_started} submitted labels ended"
    return stage


def _errors(summary: LoopSummary) -> Iterator[str]:
    errors = last_fresh_errors(summary)
    if errors is None or errors.force_mae_ev_per_angstrom is None:
        return
    energy = errors.energy_mae_ev_per_atom
    told = [f"{1000 * errors.force_mae_ev_per_angstrom:.0f} meV/Å in forces"]
    told += [] if energy is None else [f"{1000 * energy:.2g} meV/atom in energies"]
    yield (
        f"On the last {counted(errors.n_labels, 'clear fresh label')}, which it had not seen, the potential that asked "
        f"for them was wrong by {listing(told)}; these are the hardest structures that exploration met."
    )


def _redox_errors(summary: LoopSummary) -> Iterator[str]:
    totals = label_totals(summary)
    if not totals.clear:
        return
    if not totals.redox_errors:
        yield f"In all {totals.clear} clear labels DFT found the pattern that the potential believed in."
        return
    part = share(totals.redox_errors / totals.clear)
    yield (
        f"In {totals.redox_errors} of {totals.clear} clear labels ({part}) DFT found another pattern than the "
        "potential believed in; they are in the dataset with the pattern of DFT."
    )


def _coverage(summary: LoopSummary) -> Iterator[str]:
    known = [one for one in summary.coverage if one.n_possible]
    if known and any(one.n_labels for one in known):
        n_covered, n_possible = sum(one.n_covered for one in known), sum(one.n_possible or 0 for one in known)
        of_states = f" at {len(known)} states of charge" if len(known) > 1 else ""
        yield f"Of {counted(n_possible, 'possible pattern')}{of_states} {n_covered} have a label."


def _running(summary: LoopSummary) -> Iterator[str]:
    for iteration in summary.iterations:
        if iteration.record is None and summary.phase == "running":
            yield f"Iteration {iteration.number} runs: {progress_of(iteration)}."
