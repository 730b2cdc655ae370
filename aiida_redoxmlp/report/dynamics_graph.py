"""What hangs below a work chain of molecular dynamics."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, ClassVar, cast

from aiida import orm

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.report.dynamics_trajectory import TrajectoryGraph
from aiida_redoxmlp.report.process_graph import ProcessGraph, input_of, output_of

__all__ = ("DynamicsGraph",)

_CALL = re.compile(r"^(run|chunk)_\d+")


class DynamicsGraph(ProcessGraph):
    """Read access to everything that a DynamicsWorkChain or a single TrajectoryWorkChain made."""

    stages: ClassVar[tuple[str, ...]] = ("md",)

    def stage_of(self, link_label: str) -> str:
        """Return ``md`` for trajectories and their jobs, and an empty string for the steps between them."""
        return "md" if _CALL.match(link_label) else ""

    @property
    def is_single(self) -> bool:
        """Whether the work chain is one trajectory itself."""
        return self.root.process_label == "TrajectoryWorkChain"

    @property
    def prefix(self) -> str:
        """What the trajectory's own inputs are called before their names."""
        return "" if self.is_single else "trajectory__"

    @cached_property
    def trajectories(self) -> tuple[TrajectoryGraph, ...]:
        """Every trajectory that was begun, in order."""
        if self.is_single:
            return (TrajectoryGraph(self.root, "the trajectory"),)
        return tuple(
            TrajectoryGraph(process.node, process.link_label.replace("_", " "))
            for process in self.processes
            if process.depth == 0 and process.node.process_label == "TrajectoryWorkChain"
        )

    @property
    def n_wanted(self) -> int:
        """Number of trajectories that were asked for."""
        patterns, seeds = input_of(self.root, "patterns"), input_of(self.root, "random_seeds")
        if patterns is None or seeds is None:
            return len(self.trajectories)
        return len(patterns.get_list()) * len(seeds.get_list())

    @cached_property
    def table(self) -> RedoxTable:
        """The table that states are read with."""
        return RedoxChemistry.model_validate(self.redox).table()

    @property
    def dataset(self) -> DatasetData | None:
        """The frames that are independent of each other, once they are chosen."""
        return cast("DatasetData | None", output_of(self.root, "dataset"))

    @cached_property
    def subsampling(self) -> dict[str, Any]:
        """How these frames were chosen; empty until they are."""
        node: orm.Dict | None = output_of(self.root, "subsampling_summary")
        return {} if node is None else cast("dict[str, Any]", node.get_dict())
