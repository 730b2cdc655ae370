"""Oxidation states along a trajectory, from the nodes of a calculation."""

from __future__ import annotations

import numpy as np
from aiida import orm

from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory

__all__ = ("states_along_nodes",)


def states_along_nodes(
    states: OxidationStatesData, frames: tuple[Frame, ...], trajectory: orm.TrajectoryData
) -> StatesAlongTrajectory:
    """Return what a run's nodes say of its electrons.

    Args:
        states: of the labelled steps.
        frames: the same steps.
        trajectory: all steps, among them those without a label.
    """
    steps = states.get_array("step_indices")
    rows = np.searchsorted(trajectory.get_array("steps"), steps)
    width = max(one.shape[1] for one in frames[0].eigenvalues)
    eigenvalues = np.full((len(frames), len(states.sites), 2, width), np.nan)
    for row, frame in enumerate(frames):
        for column, values in enumerate(frame.eigenvalues):
            eigenvalues[row, column, :, : values.shape[1]] = values
    return StatesAlongTrajectory(
        steps=steps,
        sites=states.sites,
        symbols=tuple(states.base.attributes.get("elements")),
        states=states.states,
        naive_states=states.get_array("naive_states"),
        moment_signs=states.get_array("moment_signs"),
        confidences=states.get_array("confidences"),
        margins=states.get_array("margins"),
        closed=states.get_array("closed"),
        ambiguous=states.get_array("ambiguous"),
        scf_converged=np.ones(len(steps), dtype=bool),
        eigenvalues=eigenvalues,
        energies=np.array([frame.energy for frame in frames]),
        times=1000 * trajectory.get_array("times")[rows],
        temperatures=trajectory.get_array("temperatures")[rows],
        conserved=trajectory.get_array("conserved_quantities")[rows],
    )
