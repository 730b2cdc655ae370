"""Learning curves of trainings while they run: one line a committee member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from aiida import orm
from rich.table import Table

from aiida_redoxmlp.cli.progress_files import ProgressReader, jobs_below, state_of
from aiida_redoxmlp.runners.training_progress import MemberProgress, TrainingProgress

__all__ = ("learning_table",)

_TRAINING = "aiida.calculations:redoxmlp.train"
_HEADINGS = ("training", "seed", "state", "epoch", "loss", "force MAE / meV/Å", "s an epoch", "at most left")


def learning_table(process: orm.ProcessNode) -> Table | None:
    """Return a line for every committee member that ``process`` or what it called trains or has trained.

    Returns:
        The table, or None where nothing is trained (yet).
    """
    table = Table(title="committee members", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in _HEADINGS[:3] else "right", no_wrap=heading == "epoch")
    with ExitStack() as connections:
        reader = ProgressReader(connections)
        for name, jobs in jobs_below(process, _TRAINING):
            for row in _rows(jobs, [TrainingProgress(reader.read(job)) for job in jobs]):
                table.add_row(name, *row)
    return table if table.row_count else None


def _rows(jobs: Sequence[orm.CalcJobNode], progress: Sequence[TrainingProgress]) -> Iterator[tuple[str, ...]]:
    """Yield a line a member: where the last job stands, and of what an earlier job trained its last epoch."""
    job, now = jobs[-1], progress[-1]
    before = [one for earlier in progress[:-1] for one in earlier.members if one.entries]
    latest = {one.member: one for one in before}
    waiting = not now.members and not job.is_terminated
    members = now.members or tuple(latest.values())
    if not members:
        yield ("", state_of(job), "", "", "", "", "")
        return
    for member in members:
        shown = member if member.entries else latest.get(member.member, member)
        state = "waits" if waiting and member.state != "done" else member.state
        if job.is_terminated and state != "done":
            state = state_of(job)
        yield (
            "" if member.seed is None else str(member.seed),
            state,
            f"{shown.epoch}/{member.max_epochs}",
            _number(shown, "loss_validation", ".3g"),
            _number(shown, "force_mae_ev_per_angstrom", ".1f", 1000),
            "" if shown.epoch_s is None else f"{shown.epoch_s:.3g}",
            _left(member, shown, state),
        )


def _number(member: MemberProgress, key: str, form: str, factor: float = 1.0) -> str:
    value: Any = member.entries[-1].get(key) if member.entries else None
    return "" if value is None else f"{factor * value:{form}}"


def _left(member: MemberProgress, shown: MemberProgress, state: str) -> str:
    """What is left at most, in words: training may end before its last epoch."""
    if state not in ("waits", "trains") or shown.epoch_s is None:
        return ""
    seconds = shown.epoch_s * (member.max_epochs - shown.epoch)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
