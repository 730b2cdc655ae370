"""What hangs below a campaign in the provenance graph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

from aiida import orm

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.report.dynamics_trajectory import TrajectoryGraph
from aiida_redoxmlp.report.hubbard_graph import HubbardGraph
from aiida_redoxmlp.report.process_graph import ProcessGraph, input_of, output_of

__all__ = ("CampaignGraph", "Label")

_STAGES = ("hubbard", "relax", "md", "train", "evaluate", "search", "check")
_STAGE_OF_JOB = {
    "hubbard": "hubbard",
    "train": "train",
    "baseline": "train",
    "evaluate_aware": "evaluate",
    "evaluate_baseline": "evaluate",
    "search": "search",
}
_LABEL = re.compile(r"^(?P<stage>relax|md|check)_(?P<number>\d+)$")


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
    def trajectory(self) -> TrajectoryGraph | None:
        """The trajectory, where the label is one."""
        return TrajectoryGraph(self.node, self.name) if self.node.process_label == "TrajectoryWorkChain" else None

    @cached_property
    def verdict(self) -> dict[str, Any] | None:
        """What DFT found, once a finished label says so; of a trajectory in its first step."""
        states: OxidationStatesData | None = output_of(self.node, "oxidation_states__part_0")
        if states is not None:
            found = list(states.pattern(0).states)
            return {
                "found": found,
                "landed": found == list(self.wanted),
                "ambiguous": bool(states.get_array("ambiguous")[0]),
                "confidence": float(states.get_array("confidences")[0].min()),
            }
        verdict = output_of(self.node, "verdict")
        return None if verdict is None else cast("dict[str, Any]", verdict.get_dict())

    @property
    def is_kept(self) -> bool:
        """Whether its frames are in the dataset; of a trajectory also those of one that ended early."""
        return bool(self.node.is_finished_ok) or (self.trajectory is not None and self.frames is not None)

    @cached_property
    def runs(self) -> tuple[tuple[str, tuple[Frame, ...]], ...]:
        """Labelled steps in order, and the uuid of the node they are of: every pw.x run, or part of a trajectory."""
        found: list[tuple[str, DatasetData | None]]
        if self.trajectory is not None:
            found = [(self.node.uuid, part.frames) for part in self.trajectory.parts]
        else:
            found = [(calculation.uuid, output_of(calculation, "frames")) for calculation in self.calculations]
        return tuple(
            (uuid, tuple(sorted(dataset.frames, key=lambda frame: frame.step)))
            for uuid, dataset in found
            if dataset is not None
        )

    @cached_property
    def energy(self) -> float | None:
        """Energy of the last ionic step of a finished label, in eV."""
        if self.verdict is None or not self.calculations:
            return None
        dataset = output_of(self.calculations[-1], "frames")
        return None if dataset is None else max(dataset.frames, key=lambda frame: frame.step).energy

    @cached_property
    def frames(self) -> DatasetData | None:
        """The frames that the label handed over."""
        return cast("DatasetData | None", output_of(self.node, "frames"))


class CampaignGraph(ProcessGraph):
    """Read access to everything a campaign made."""

    stages: ClassVar[tuple[str, ...]] = _STAGES

    @property
    def campaign(self) -> orm.ProcessNode:
        """The campaign's node."""
        return self.root

    def stage_of(self, link_label: str) -> str:
        """Return the stage of what the campaign called ``link_label``, or an empty string."""
        match = _LABEL.match(link_label)
        return match["stage"] if match else _STAGE_OF_JOB.get(link_label, "")

    def begins_stage(self, depth: int, link_label: str, owner: str) -> bool:
        """Checks are called by the search, and are a stage of their own."""
        return depth == 0 or (depth == 1 and owner == "search" and _LABEL.match(link_label) is not None)

    @cached_property
    def hubbard(self) -> HubbardGraph | None:
        """The work chain that computes U and V, if the campaign called one."""
        for process in self.processes:
            if process.depth == 0 and process.link_label == "hubbard":
                return HubbardGraph(process.node)
        return None

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """Every label, by stage and number."""
        found = []
        for index, process in enumerate(self.processes):
            match = _LABEL.match(process.link_label)
            if process.owner == process.link_label and match is not None:
                calculations = [cast("orm.CalcJobNode", below.node) for below in self._below(index) if below.is_dft]
                found.append(Label(match["stage"], int(match["number"]), process.node, tuple(calculations)))
        return tuple(sorted(found, key=lambda label: (_STAGES.index(label.stage), label.number)))

    def stage_labels(self, stage: str) -> tuple[Label, ...]:
        """The labels of one stage, by number."""
        return tuple(label for label in self.labels if label.stage == stage)

    def job(self, name: str) -> orm.CalcJobNode | orm.WorkChainNode | None:
        """Return the job the campaign called ``name``, or the work chain of such jobs, such as ``train``, or None."""
        for process in self.processes:
            if (
                process.depth == 0
                and process.link_label == name
                and isinstance(process.node, orm.CalcJobNode | orm.WorkChainNode)
            ):
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
