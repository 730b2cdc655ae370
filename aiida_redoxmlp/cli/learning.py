"""Learning curves of trainings while they run: one line a committee member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from shlex import quote
from typing import Any, cast

from aiida import orm
from aiida.common.exceptions import AiidaException
from aiida.transports import Transport
from rich.table import Table

from aiida_redoxmlp.provenance.process_tree import walk
from aiida_redoxmlp.runners.jobs import PROGRESS_FILE
from aiida_redoxmlp.runners.training_progress import MemberProgress, TrainingProgress

__all__ = ("learning_table",)

_TRAINING = "aiida.calculations:redoxmlp.train"
_HEADINGS = ("training", "seed", "state", "epoch", "loss", "force MAE / meV/Å", "s an epoch", "at most left")


def learning_table(process: orm.ProcessNode) -> Table | None:
    """Return a line for every committee member that ``process`` or what it called trains or has trained.

    The progress file of a running job is read on its computer, that of an ended one from its retrieved files.

    Returns:
        The table, or None where nothing is trained (yet).
    """
    table = Table(title="committee members", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in _HEADINGS[:3] else "right", no_wrap=heading == "epoch")
    with ExitStack() as connections:
        reader = _Reader(connections)
        for name, jobs in _trainings(process):
            for row in _rows(jobs, [reader.read(job) for job in jobs]):
                table.add_row(name, *row)
    return table if table.row_count else None


class _Reader:
    """Reads progress files over one connection a computer."""

    def __init__(self, connections: ExitStack) -> None:
        self._connections = connections
        self._open: dict[str, Transport] = {}

    def read(self, job: orm.CalcJobNode) -> TrainingProgress:
        """Return what a job's progress file tells; nothing where it cannot be reached."""
        if "retrieved" in job.outputs:
            retrieved = job.outputs.retrieved.base.repository
            there = PROGRESS_FILE in retrieved.list_object_names()
            return TrainingProgress(retrieved.get_object_content(PROGRESS_FILE, "r") if there else "")
        folder = job.get_remote_workdir()
        if folder is None or job.is_terminated:
            return TrainingProgress("")
        try:
            _, text, _ = self._transport(job).exec_command_wait(f"cat {quote(f'{folder}/{PROGRESS_FILE}')}")
        except (AiidaException, OSError):
            return TrainingProgress("")
        return TrainingProgress(cast("str", text))

    def _transport(self, job: orm.CalcJobNode) -> Transport:
        authentication = job.get_authinfo()
        where = authentication.computer.uuid
        if where not in self._open:
            self._open[where] = self._connections.enter_context(authentication.get_transport())
        return self._open[where]


def _trainings(process: orm.ProcessNode) -> Iterator[tuple[str, list[orm.CalcJobNode]]]:
    """Yield the name of every training and its jobs, of which each went on from the one before."""
    found: dict[str, tuple[str, list[orm.CalcJobNode]]] = {}
    path: list[str] = []
    for depth, label, node in [(0, "", process), *((depth + 1, label, node) for depth, label, node in walk(process))]:
        path[depth:] = [label]
        if node.process_type != _TRAINING:
            continue
        restarted = label.startswith("iteration_")
        owner = node.caller.uuid if restarted and node.caller is not None else node.uuid
        name = " ".join(filter(None, path[:-1] if restarted else path))
        found.setdefault(owner, (name, []))[1].append(cast("orm.CalcJobNode", node))
    yield from found.values()


def _rows(jobs: Sequence[orm.CalcJobNode], progress: Sequence[TrainingProgress]) -> Iterator[tuple[str, ...]]:
    """Yield a line a member: where the last job stands, and of what an earlier job trained its last epoch."""
    job, now = jobs[-1], progress[-1]
    before = [one for earlier in progress[:-1] for one in earlier.members if one.entries]
    latest = {one.member: one for one in before}
    waiting = not now.members and not job.is_terminated
    members = now.members or tuple(latest.values())
    if not members:
        yield ("", _state_of(job), "", "", "", "", "")
        return
    for member in members:
        shown = member if member.entries else latest.get(member.member, member)
        state = "waits" if waiting and member.state != "done" else member.state
        if job.is_terminated and state != "done":
            state = _state_of(job)
        yield (
            "" if member.seed is None else str(member.seed),
            state,
            f"{shown.epoch}/{member.max_epochs}",
            _number(shown, "loss_validation", ".3g"),
            _number(shown, "force_mae_ev_per_angstrom", ".1f", 1000),
            "" if shown.epoch_s is None else f"{shown.epoch_s:.3g}",
            _left(member, shown, state),
        )


def _state_of(job: orm.CalcJobNode) -> str:
    if not job.is_terminated:
        return "waits"
    return "done" if job.is_finished_ok else "stopped"


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
