"""What a work chain called, whether it ended well, failed or still runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from aiida import orm
from aiida.common.links import LinkType

from aiida_redoxmlp.provenance.process_tree import walk

__all__ = ("CalledProcess", "ProcessGraph", "exit_message_of", "input_of", "output_of", "phase_of")

_PW_TYPES = ("aiida.calculations:redoxmlp.pw", "aiida.calculations:quantumespresso.pw")
_HP_TYPES = ("aiida.calculations:redoxmlp.hp", "aiida.calculations:quantumespresso.hp")
_DATA_OUT = (LinkType.CREATE, LinkType.RETURN)
_DATA_IN = (LinkType.INPUT_CALC, LinkType.INPUT_WORK)


def output_of(process: orm.ProcessNode | None, name: str) -> Any:
    """Return an output of a process, or None where there is none yet; ``__`` separates namespaces."""
    if process is None:
        return None
    link = process.base.links.get_outgoing(link_type=_DATA_OUT, link_label_filter=name).first()
    return None if link is None else link.node


def input_of(process: orm.ProcessNode | None, name: str) -> Any:
    """Return an input of a process, or None where there is none; ``__`` separates namespaces."""
    if process is None:
        return None
    link = process.base.links.get_incoming(link_type=_DATA_IN, link_label_filter=name).first()
    return None if link is None else link.node


def phase_of(process: orm.ProcessNode) -> str:
    """Return ``done``, ``failed`` or ``running``; what was killed or excepted has failed."""
    if not process.is_terminated:
        return "running"
    return "done" if process.is_finished_ok else "failed"


def exit_message_of(process: orm.ProcessNode) -> str | None:
    """Return why a process failed, as far as it says so."""
    if process.is_killed:
        return process.exit_message or process.process_status or "it was killed"
    if process.is_excepted:
        return (
            process.exit_message or str(process.exception).strip().rpartition("\n")[2]
        )  # of a traceback what it is about
    return process.exit_message


@dataclass(frozen=True, eq=False)
class CalledProcess:
    """A process somewhere below a work chain.

    Attributes:
        depth: 0 for what the work chain called itself.
        link_label: label of the call, such as ``relax_0``.
        owner: label of the call of a stage that it belongs to, mostly one of depth 0.
        stage: stage of the work chain, or an empty string for the steps between them.
        node: the process.
    """

    depth: int
    link_label: str
    owner: str
    stage: str
    node: orm.ProcessNode

    @property
    def from_cache(self) -> bool:
        """Whether AiiDA took the process from its cache."""
        return self.node.base.caching.is_created_from_cache

    @property
    def is_dft(self) -> bool:
        """Whether this is a pw.x calculation."""
        return isinstance(self.node, orm.CalcJobNode) and self.node.process_type in _PW_TYPES

    @property
    def is_hp(self) -> bool:
        """Whether this is an hp.x calculation."""
        return isinstance(self.node, orm.CalcJobNode) and self.node.process_type in _HP_TYPES


class ProcessGraph:
    """Read access to a work chain and everything below it.

    Attributes:
        root: the work chain's node.
        stages: its stages, in the order in which they run.
    """

    stages: ClassVar[tuple[str, ...]] = ()

    def __init__(self, root: orm.ProcessNode) -> None:
        self.root = root

    def stage_of(self, link_label: str) -> str:
        """Return the stage of what the work chain called ``link_label``, or an empty string."""
        raise NotImplementedError

    @cached_property
    def processes(self) -> tuple[CalledProcess, ...]:
        """Every process below the work chain, depth first, in order of creation."""
        found = []
        owners: list[str] = []
        for depth, link_label, node in walk(self.root):
            above = owners[depth - 1] if depth else ""
            owner = link_label if self.begins_stage(depth, link_label, above) else above
            owners[depth:] = [owner]
            found.append(CalledProcess(depth, link_label, owner, self.stage_of(owner), node))
        return tuple(found)

    def begins_stage(self, depth: int, link_label: str, owner: str) -> bool:  # noqa: ARG002 - for graphs that nest
        """Whether a call is not part of the stage of who called it.

        Args:
            depth: 0 for what the work chain called itself.
            link_label: label of the call.
            owner: owner of the caller.
        """
        return depth == 0

    @cached_property
    def redox(self) -> dict[str, Any]:
        """Fields of the chemistry; empty where there is none."""
        node = input_of(self.root, "redox")
        return {} if node is None else node.get_dict()

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbol of every atom of the structure that was put in."""
        structure = input_of(self.root, "structure")
        return () if structure is None else tuple(structure.get_ase().get_chemical_symbols())

    @property
    def formula(self) -> str:
        """Chemical formula of the cell; empty without a structure."""
        structure = input_of(self.root, "structure")
        return "" if structure is None else str(structure.get_formula(mode="hill"))

    def _below(self, index: int) -> Iterator[CalledProcess]:
        """Yield what the process at ``index`` called, directly or not."""
        for process in self.processes[index + 1 :]:
            if process.depth <= self.processes[index].depth:
                return
            yield process
