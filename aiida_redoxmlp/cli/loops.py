"""How far an active-learning loop has come: one line an iteration, also while it runs."""

from __future__ import annotations

from collections.abc import Iterator

from aiida import orm
from rich.table import Table

from aiida_redoxmlp.active_learning.records import FreshErrors, IterationRecord, LoopState
from aiida_redoxmlp.active_learning.stopping import Budget
from aiida_redoxmlp.provenance.process_tree import walk

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
    state = _latest(process)
    budget = Budget.model_validate(process.inputs.budget.get_dict())
    table = Table(title="iterations", title_justify="left", caption=_spent(state, budget), caption_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in ("selection", "spent") else "right")
    for record in state.iterations:
        table.add_row(*_row(record))
    if not process.is_terminated:
        table.add_row(*_running(process, len(state.iterations)))
    return table


def _latest(process: orm.ProcessNode) -> LoopState:
    """Return the record of a loop as it stands: of its end, its last iteration, or the loop that it goes on from."""
    if "loop" in process.outputs:
        return LoopState.model_validate(process.outputs.loop.get_dict())
    closed = [called for _, _, called in walk(process) if called.process_label == "close_iteration"]
    if closed and "loop" in closed[-1].outputs:
        return LoopState.model_validate(closed[-1].outputs.loop.get_dict())
    given = process.inputs.loop.get_dict() if "loop" in process.inputs else {}
    return LoopState.model_validate(given)


def _row(record: IterationRecord) -> tuple[str, ...]:
    labels, band = record.labels, record.band
    fraction = band.uncertain_fraction
    recovery = None if record.errors_before is None else record.errors_before.pattern_recovery
    return (
        str(record.number),
        record.strategy,
        str(band.n_candidates),
        "" if fraction is None else f"{100 * fraction:.1f} %",
        str(labels.asked),
        str(labels.landed),
        str(labels.redox_errors),
        str(labels.ambiguous),
        f"{labels.failed} ({labels.set_aside} set aside)" if labels.set_aside else str(labels.failed),
        " → ".join(_force_error(one) for one in (record.errors_before, record.errors_after)),
        "" if recovery is None else f"{100 * recovery:.0f} %",
        str(record.n_frames),
        f"{record.used.core_hours:.3g} core-hours",
    )


def _running(process: orm.ProcessNode, number: int) -> tuple[str, ...]:
    """Return the line of the iteration that runs: what its labels have come to."""
    labels = list(_labels_of(process, number))
    done = sum(label.is_terminated for label in labels)
    failed = sum(label.is_terminated and not label.is_finished_ok for label in labels)
    cells = dict.fromkeys(_HEADINGS, "")
    cells |= {"iteration": str(number), "selection": "runs", "asked": str(len(labels)), "failed": str(failed)}
    cells["spent"] = f"{done} labels are back" if labels else ""
    return tuple(cells.values())


def _labels_of(process: orm.ProcessNode, number: int) -> Iterator[orm.ProcessNode]:
    for depth, name, called in walk(process):
        if depth == 0 and name.startswith("label_") and name.endswith(f"_{number}"):
            yield called


def _force_error(errors: FreshErrors | None) -> str:
    value = None if errors is None else errors.force_mae_ev_per_angstrom
    return "–" if value is None else f"{1000 * value:.0f}"


def _spent(state: LoopState, budget: Budget) -> str:
    used = state.used
    spent = {
        "labels": used.labels,
        "core_hours": used.core_hours,
        "iterations": len(state.iterations),
        "days": used.days,
    }
    told = [
        f"{spent[name]:.4g} of {limit:g} {name.replace('_', '-')}"
        for name, limit in budget.model_dump(exclude_none=True).items()
    ]
    return f"Spent: {', '.join(told)}. {state.reason}".strip()
