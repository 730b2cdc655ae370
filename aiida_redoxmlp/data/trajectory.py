"""AiiDA's trajectories from the ionic steps of molecular dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
from aiida import orm

from aiida_redoxmlp.redox.occupations import IonicStep

__all__ = ("SERIES", "trajectory_from_steps")

SERIES = (
    "potential_energies",
    "kinetic_energies",
    "conserved_quantities",
    "temperatures",
    "total_magnetizations",
    "scf_iterations",
    "scf_converged",
)
"""What a trajectory holds of every step beside cell and positions: eV, K, μB."""


def trajectory_from_steps(steps: Sequence[IonicStep]) -> orm.TrajectoryData:
    """Return an unstored trajectory, with times in ps.

    Beside AiiDA's own arrays it has those of :data:`SERIES`, shape (n_steps,), and ``final_forces`` in eV/Å, shape
    (n_atoms, 3), from which a run goes on. Steps at the end from which it cannot go on are left out: those without
    forces, as where an SCF cycle gave up, and those after a step that could not be read.

    Args:
        steps: of one run, at least one.
    """
    kept = list(steps)
    while len(kept) > 1 and (kept[-1].forces is None or kept[-1].index != kept[-2].index + 1):
        kept.pop()
    trajectory = orm.TrajectoryData()
    trajectory.set_trajectory(
        list(kept[0].symbols),
        np.array([step.positions for step in kept]),
        cells=np.array([step.cell for step in kept]),
        pbc=[True, True, True],
        stepids=np.array([step.index for step in kept], dtype=np.int64),
        times=np.array([nan if step.time is None else step.time / 1000 for step in kept]),
    )
    series: dict[str, list[float | None]] = {
        "potential_energies": [step.energy for step in kept],
        "kinetic_energies": [step.kinetic_energy for step in kept],
        "conserved_quantities": [step.conserved_quantity for step in kept],
        "temperatures": [step.temperature for step in kept],
        "total_magnetizations": [step.total_magnetization for step in kept],
    }
    for name, values in series.items():
        trajectory.set_array(name, np.array([nan if value is None else value for value in values]))
    trajectory.set_array("scf_iterations", np.array([step.scf_iterations for step in kept], dtype=np.int64))
    trajectory.set_array("scf_converged", np.array([step.scf_converged for step in kept], dtype=bool))
    if kept[-1].forces is not None:
        trajectory.set_array("final_forces", kept[-1].forces)
    return trajectory
