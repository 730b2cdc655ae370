"""The progress files of jobs that run or have run, and the jobs that went on from one another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from shlex import quote
from typing import cast

from aiida import orm
from aiida.common.exceptions import AiidaException
from aiida.transports import Transport

from aiida_redoxmlp.provenance.process_tree import walk
from aiida_redoxmlp.runners.jobs import PROGRESS_FILE

__all__ = ("ProgressReader", "jobs_below", "state_of")


class ProgressReader:
    """Reads progress files over one connection a computer.

    The file of a running job is read on its computer, that of an ended one from its retrieved files.
    """

    def __init__(self, connections: ExitStack) -> None:
        """Take what closes the connections."""
        self._connections = connections
        self._open: dict[str, Transport] = {}

    def read(self, job: orm.CalcJobNode) -> str:
        """Return the text of a job's progress file, empty where it cannot be reached."""
        if "retrieved" in job.outputs:
            retrieved = job.outputs.retrieved.base.repository
            there = PROGRESS_FILE in retrieved.list_object_names()
            return cast("str", retrieved.get_object_content(PROGRESS_FILE, "r")) if there else ""
        folder = job.get_remote_workdir()
        if folder is None or job.is_terminated:
            return ""
        try:
            _, text, _ = self._transport(job).exec_command_wait(f"cat {quote(f'{folder}/{PROGRESS_FILE}')}")
        except (AiidaException, OSError):
            return ""
        return cast("str", text)

    def _transport(self, job: orm.CalcJobNode) -> Transport:
        authentication = job.get_authinfo()
        where = authentication.computer.uuid
        if where not in self._open:
            self._open[where] = self._connections.enter_context(authentication.get_transport())
        return self._open[where]


def jobs_below(process: orm.ProcessNode, process_type: str) -> Iterator[tuple[str, list[orm.CalcJobNode]]]:
    """Yield a name and the jobs, of which each went on from the one before, for everything that took such jobs.

    Args:
        process: a job or a work chain.
        process_type: type of the jobs, as AiiDA stores it.
    """
    found: dict[str, tuple[str, list[orm.CalcJobNode]]] = {}
    path: list[str] = []
    for depth, label, node in [(0, "", process), *((depth + 1, label, node) for depth, label, node in walk(process))]:
        path[depth:] = [label]
        if node.process_type != process_type:
            continue
        restarted = label.startswith("iteration_")
        owner = node.caller.uuid if restarted and node.caller is not None else node.uuid
        name = " ".join(dict.fromkeys(filter(None, path[:-1] if restarted else path)))
        found.setdefault(owner, (name, []))[1].append(cast("orm.CalcJobNode", node))
    yield from found.values()


def state_of(job: orm.CalcJobNode) -> str:
    """Return ``waits``, ``done`` or ``stopped``, for a job of whose progress nothing else is known."""
    if not job.is_terminated:
        return "waits"
    return "done" if job.is_finished_ok else "stopped"
