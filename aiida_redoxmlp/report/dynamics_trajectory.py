"""One trajectory of molecular dynamics: its jobs, and what they join to."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
from aiida import orm
from aiida.common.links import LinkType
from numpy.typing import NDArray

from aiida_redoxmlp.calculations.trajectories import describe_trajectory, join_chunks
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.data.states_along import states_along_nodes
from aiida_redoxmlp.dynamics.settings import DynamicsSettings, Segment
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory
from aiida_redoxmlp.report.process_graph import CalledProcess, ProcessGraph, input_of, output_of

__all__ = ("Chunk", "TrajectoryGraph", "TrajectoryPart")

_CHUNK = re.compile(r"^chunk_\d+")


@dataclass(frozen=True, eq=False)
class Chunk:
    """One pw.x job of a trajectory.

    Attributes:
        name: label of the call, such as ``chunk_2``.
        part: number of the part it belongs to, from 0.
        repeats: whether its first step is the last one of the chunk before.
        first_step: number of its first step in the part.
        last_step: number of its last step, or None for a job that brought nothing (yet).
        node: the calculation.
        trajectory: what it gave.
    """

    name: str
    part: int
    repeats: bool
    first_step: int
    last_step: int | None
    node: orm.CalcJobNode
    trajectory: orm.TrajectoryData | None

    @property
    def n_new_steps(self) -> int:
        """Steps that were not there before."""
        return 0 if self.last_step is None else self.last_step - self.first_step + (0 if self.repeats else 1)


@dataclass(frozen=True, eq=False)
class TrajectoryPart:
    """A trajectory up to where its composition changes, joined from its chunks.

    Attributes:
        number: from 0.
        trajectory: every ionic step.
        frames: the labelled steps, or None if there is none.
        oxidation_states: the same steps.
        described: what happened, the fields of
            :func:`~aiida_redoxmlp.calculations.trajectories.describe_trajectory`; empty without states.
        described_uuid: uuid of the node with it.
    """

    number: int
    trajectory: orm.TrajectoryData
    frames: DatasetData | None
    oxidation_states: OxidationStatesData | None
    described: dict[str, Any]
    described_uuid: str | None = None

    @property
    def name(self) -> str:
        """Name in the work chain's outputs, such as ``part_0``."""
        return f"part_{self.number}"

    @cached_property
    def along(self) -> StatesAlongTrajectory | None:
        """The states step by step."""
        if self.frames is None or self.oxidation_states is None:
            return None
        return states_along_nodes(self.oxidation_states, self.frames.frames, self.trajectory)

    @property
    def steps(self) -> NDArray[np.int64]:
        """Number of every step."""
        return np.asarray(self.trajectory.get_array("steps"), dtype=np.int64)

    def series(self, name: str) -> NDArray[np.float64]:
        """Return one of the arrays with a value a step."""
        return np.asarray(self.trajectory.get_array(name), dtype=np.float64)


class TrajectoryGraph(ProcessGraph):
    """Read access to a TrajectoryWorkChain.

    Attributes:
        name: name for people, such as ``run 0``.
    """

    stages: ClassVar[tuple[str, ...]] = ("md",)

    def __init__(self, root: orm.ProcessNode, name: str) -> None:
        super().__init__(root)
        self.name = name

    def stage_of(self, link_label: str) -> str:
        """Return ``md`` for the jobs."""
        return "md" if _CHUNK.match(link_label) else ""

    @cached_property
    def settings(self) -> DynamicsSettings:
        """What was asked for."""
        return DynamicsSettings.model_validate(input_of(self.root, "dynamics").get_dict())

    @cached_property
    def wanted(self) -> list[int]:
        """Pattern that was asked for at the start."""
        first = self.settings.segments[0].pattern
        node = input_of(self.root, "pattern")
        return list(first) if first is not None else [] if node is None else list(node.get_list())

    def segments_of(self, part: int) -> list[tuple[int, Segment]]:
        """Return the segments of a part, each with the number of the step from which it goes on."""
        found: list[tuple[int, Segment]] = []
        number, step = 0, 0
        for segment in self.settings.segments:
            if segment.changes_composition:
                number, step = number + 1, 0
            if number == part:
                found.append((max(step - 1, 0), segment))
            step += segment.n_steps
        return found

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """Every job, in order; those that brought nothing are among them."""
        chunks: list[Chunk] = []
        part = 0
        before: Chunk | None = None
        taken = {
            getattr(input_of(process.node, "trajectory"), "pk", None)
            for process in self.processes
            if process.node.process_label == "go_on"
        }
        for process in self.processes:
            if process.node.process_label == "change_composition":
                part, before = part + 1, None
            elif process.depth == 0 and process.is_dft:
                chunk = _chunk(process, part, before, taken)
                chunks.append(chunk)
                before = before if chunk.last_step is None else chunk
        return tuple(chunks)

    def chunks_of(self, part: int) -> list[Chunk]:
        """Return the chunks that a part is joined from."""
        return [chunk for chunk in self.chunks if chunk.part == part and chunk.last_step is not None]

    @cached_property
    def parts(self) -> tuple[TrajectoryPart, ...]:
        """What the work chain handed over; before that, what its jobs so far join to."""
        return tuple(self._handed_over()) or tuple(self._joined_so_far())

    def _handed_over(self) -> Iterator[TrajectoryPart]:
        links = self.root.base.links.get_outgoing(link_type=LinkType.RETURN, link_label_filter="trajectories__part_%")
        found = {int(link.link_label.rpartition("_")[2]): cast("orm.TrajectoryData", link.node) for link in links.all()}
        for number, trajectory in sorted(found.items()):
            described = output_of(self.root, f"events__part_{number}")
            yield TrajectoryPart(
                number,
                trajectory,
                cast("DatasetData | None", output_of(trajectory.creator, "frames")),
                cast("OxidationStatesData | None", output_of(trajectory.creator, "oxidation_states")),
                {} if described is None else described.get_dict(),
                None if described is None else described.uuid,
            )

    def _joined_so_far(self) -> Iterator[TrajectoryPart]:
        """Join as the work chain will, without storing anything."""
        for number in sorted({chunk.part for chunk in self.chunks}):
            chunks = self.chunks_of(number)
            if not chunks:
                continue
            nodes: dict[str, orm.Data] = {}
            for place, chunk in enumerate(chunks):
                outputs = {"trajectory": "output_trajectory", "frames": "frames", "states": "oxidation_states"}
                for short, name in outputs.items():
                    if (node := output_of(chunk.node, name)) is not None:
                        nodes[f"chunk_{place}_{short}"] = node
            plan = {
                "timestep": self.settings.timestep,
                "group": f"{self.root.uuid}-part_{number}",
                "chunks": [
                    {"name": f"chunk_{place}", "first_step": chunk.first_step, "repeats": chunk.repeats}
                    for place, chunk in enumerate(chunks)
                ],
            }
            joined = inspect.unwrap(cast("Any", join_chunks))(orm.Dict(plan), **nodes)
            states, frames = joined.get("oxidation_states"), joined.get("frames")
            described: dict[str, Any] = {}
            if frames is not None:
                describe = inspect.unwrap(cast("Any", describe_trajectory))
                described = describe(states, frames, joined["trajectory"]).get_dict()
            yield TrajectoryPart(number, joined["trajectory"], frames, states, described)


def _chunk(process: CalledProcess, part: int, before: Chunk | None, taken: set[int | None]) -> Chunk:
    """Return a job as a chunk; what the work chain did not go on from brought nothing."""
    trajectory = output_of(process.node, "output_trajectory")
    first = 0 if before is None else cast("int", before.last_step)
    brought = trajectory is not None and trajectory.pk in taken
    return Chunk(
        name=process.link_label,
        part=part,
        repeats=before is not None,
        first_step=first,
        last_step=first + int(trajectory.get_array("steps")[-1]) if brought else None,
        node=cast("orm.CalcJobNode", process.node),
        trajectory=trajectory if brought else None,
    )
