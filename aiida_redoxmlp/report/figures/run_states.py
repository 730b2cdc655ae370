"""Oxidation states along a trajectory of molecular dynamics: colour strips, the levels that decide, temperature."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory
from aiida_redoxmlp.report.dynamics_graph import DynamicsGraph
from aiida_redoxmlp.report.dynamics_stretches import Intervention, interventions
from aiida_redoxmlp.report.figures.style import species_colours
from aiida_redoxmlp.report.trajectory_levels import TrajectoryPicture, picture_of
from aiida_redoxmlp.report.trajectory_plot import plot_trajectory

__all__ = ("RunStates", "collect", "draw_matplotlib")


@dataclass(frozen=True, eq=False)
class RunStates:
    """One part of a trajectory.

    Attributes:
        name: name for people, such as ``run 0``.
        anchor: name in file names, such as ``run_0_part_0``.
        along: the states step by step.
        table: the table they were read with.
        picture: what there is to draw.
        interventions: where velocities or electrons began anew.
    """

    name: str
    anchor: str
    along: StatesAlongTrajectory
    table: RedoxTable
    picture: TrajectoryPicture
    interventions: tuple[Intervention, ...]

    @property
    def colours(self) -> dict[str, str]:
        """Colour of every species label that occurs."""
        return species_colours(self.picture.species, set(self.along.symbols))


def collect(graph: DynamicsGraph) -> list[RunStates]:
    """Prepare every part of every trajectory that has a labelled step."""
    found = []
    for trajectory in graph.trajectories:
        for part in trajectory.parts:
            if part.along is None:
                continue
            several = len(trajectory.parts) > 1
            found.append(
                RunStates(
                    name=f"part {part.number} of {trajectory.name}" if several else trajectory.name,
                    anchor=f"{trajectory.name.removeprefix('the ').replace(' ', '_')}_{part.name}",
                    along=part.along,
                    table=graph.table,
                    picture=picture_of(part.along, graph.table),
                    interventions=interventions(trajectory, part.number),
                )
            )
    return found


def draw_matplotlib(data: RunStates) -> Figure:
    """Draw a part as a picture."""
    return plot_trajectory(data.along, data.table, title=data.name)
