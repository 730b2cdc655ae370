"""What hangs below a campaign in the provenance graph, whether it ended well, failed or still runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from aiida import orm
from aiida.common.links import LinkType

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.provenance.process_tree import walk

__all__ = ("STAGES", "CalledProcess", "CampaignGraph", "Label", "input_of", "output_of", "phase_of")

STAGES = ("relax", "md", "train", "evaluate", "search", "check")
"""The campaign's stages, in the order in which they run."""

_STAGE_OF_JOB = {
    "train": "train",
    "baseline": "train",
    "evaluate_aware": "evaluate",
    "evaluate_baseline": "evaluate",
    "search": "search",
}
_LABEL = re.compile(r"^(?P<stage>relax|md|check)_(?P<number>\d+)$")
_PW_TYPES = ("aiida.calculations:redoxmlp.pw", "aiida.calculations:quantumespresso.pw")
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


@dataclass(frozen=True, eq=False)
class CalledProcess:
    """A process somewhere below the campaign.

    Attributes:
        depth: 0 for what the campaign called itself.
        link_label: label of the call, such as ``relax_0``.
        stage: one of :data:`STAGES`, or an empty string for the steps between them.
        node: the process.
    """

    depth: int
    link_label: str
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


@dataclass(frozen=True, eq=False)
class Label:
    """One DFT label the campaign asked for.

    Attributes:
        stage: ``relax``, ``md`` or ``check``.
        number: its number within the stage, from 0.
        node: the label's work chain.
        calculations: its pw.x calculations, in order of creation.
    """

    stage: str
    number: int
    node: orm.ProcessNode
    calculations: tuple[orm.CalcJobNode, ...]

    @property
    def name(self) -> str:
        """Name for people: ``relax 0``."""
        return f"{self.stage} {self.number}"

    @cached_property
    def wanted(self) -> tuple[int, ...]:
        """The states that were asked for."""
        pattern = input_of(self.node, "pattern")
        return () if pattern is None else tuple(pattern.get_list())

    @cached_property
    def verdict(self) -> dict[str, Any] | None:
        """What DFT found, once a finished label says so."""
        verdict = output_of(self.node, "verdict")
        return None if verdict is None else cast("dict[str, Any]", verdict.get_dict())

    @cached_property
    def energy(self) -> float | None:
        """Energy of the last ionic step of a finished label, in eV."""
        if self.verdict is None or not self.calculations:
            return None
        dataset = output_of(self.calculations[-1], "frames")
        return None if dataset is None else max(dataset.frames, key=lambda frame: frame.step).energy

    @cached_property
    def frames(self) -> DatasetData | None:
        """The frames of every finished attempt."""
        return cast("DatasetData | None", output_of(self.node, "frames"))


class CampaignGraph:
    """Read access to everything a campaign made.

    Attributes:
        campaign: the campaign's node.
    """

    def __init__(self, campaign: orm.ProcessNode) -> None:
        self.campaign = campaign

    @cached_property
    def processes(self) -> tuple[CalledProcess, ...]:
        """Every process below the campaign, depth first, in order of creation."""
        found = []
        stage = ""
        for depth, link_label, node in walk(self.campaign):
            if depth == 0:
                match = _LABEL.match(link_label)
                stage = match["stage"] if match else _STAGE_OF_JOB.get(link_label, "")
            found.append(CalledProcess(depth, link_label, stage, node))
        return tuple(found)

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """Every label, by stage and number."""
        found = []
        for index, process in enumerate(self.processes):
            match = _LABEL.match(process.link_label)
            if process.depth == 0 and match is not None:
                calculations = [cast("orm.CalcJobNode", below.node) for below in self._below(index) if below.is_dft]
                found.append(Label(match["stage"], int(match["number"]), process.node, tuple(calculations)))
        return tuple(sorted(found, key=lambda label: (STAGES.index(label.stage), label.number)))

    def stage_labels(self, stage: str) -> tuple[Label, ...]:
        """The labels of one stage, by number."""
        return tuple(label for label in self.labels if label.stage == stage)

    def job(self, name: str) -> orm.CalcJobNode | None:
        """Return the job the campaign called ``name``, such as ``train``, or None."""
        for process in self.processes:
            if process.depth == 0 and process.link_label == name and isinstance(process.node, orm.CalcJobNode):
                return process.node
        return None

    def report_of(self, name: str) -> dict[str, Any]:
        """Return the report of the job called ``name``; empty where there is none (yet)."""
        report = output_of(self.job(name), "report")
        return {} if report is None else report.get_dict()

    @cached_property
    def dataset(self) -> DatasetData | None:
        """The campaign's dataset."""
        return cast("DatasetData | None", output_of(self.campaign, "dataset"))

    @cached_property
    def listing(self) -> dict[str, Any]:
        """The charge-balanced patterns with ``sites`` and ``oxidation_states``; empty until listed."""
        for process in self.processes:
            if process.depth == 0 and process.node.process_label == "list_patterns":
                result = output_of(process.node, "result")
                return {} if result is None else result.get_dict()
        return {}

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbol of every atom of the parent structure."""
        structure = input_of(self.campaign, "structure")
        return () if structure is None else tuple(structure.get_ase().get_chemical_symbols())

    def _below(self, index: int) -> Iterator[CalledProcess]:
        """Yield what the process at ``index`` called, directly or not."""
        for process in self.processes[index + 1 :]:
            if process.depth <= self.processes[index].depth:
                return
            yield process
