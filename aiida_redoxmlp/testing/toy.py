"""Frames with exact labels, small enough to train on in seconds."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("toy_frames",)

_CUTOFF = 4.0
_BOND_LENGTHS = {2: 2.2, 3: 2.0}


def toy_frames(
    n_frames: int, *, seed: int = 0, group: str = "toy", exchange: float = 0.0, stress: bool = False
) -> tuple[Frame, ...]:
    """Return labelled frames of a small rock-salt-like Mn2O2 cell with one Mn2+ and one Mn3+.

    The labels are exact: Mn–O pairs are harmonic around a bond length that depends on the state of Mn (2.2 Å for
    Mn2+, 2.0 Å for Mn3+), damped smoothly to zero at 4 Å. Energies in eV, forces in eV/Å. The total charge is +1.
    The moments are high-spin. The two Mn are parallel in two frames, antiparallel in the next two, and so on.

    Args:
        n_frames: how many.
        seed: decides the displacements.
        group: name of the trajectory.
        exchange: energy in eV that parallel moments add for every Mn–Mn pair, damped like the bonds; the states
            of a pattern then have one energy for each order of the moments.
        stress: label the stress as well, in eV/Å³.
    """
    random = np.random.default_rng(seed)
    frames = []
    for step in range(n_frames):
        pair = (2, 3) if step % 2 == 0 else (3, 2)
        scaled = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0.5, 0]], dtype=float)
        cell = np.diag([4.2, 4.2, 4.0]) + 0.05 * random.normal(size=(3, 3))
        positions = scaled @ cell + 0.08 * random.normal(size=(4, 3))
        configuration = Configuration(np.array([25, 25, 8, 8]), positions, cell, np.array([*pair, -2, -2]))
        signs = (1, 1 if step // 2 % 2 == 0 else -1)
        energy, forces, virial = _labels(configuration, np.array([*signs, 0, 0]), exchange)
        frames.append(
            Frame(
                configuration=configuration,
                energy=energy,
                forces=forces,
                stress=virial / abs(np.linalg.det(cell)) if stress else None,
                redox_sites=(0, 1),
                eigenvalues=tuple(_levels(state, sign) for state, sign in zip(pair, signs, strict=True)),
                confidences=np.array([0.99, 0.99]),
                margin=10.0,
                naive_closed=True,
                ambiguous=False,
                total_charge=1,
                group=group,
                step=step,
            )
        )
    return tuple(frames)


def _levels(state: int, sign: int) -> NDArray[np.float64]:
    """Occupation eigenvalues of high-spin Mn, shape (2, 5): the majority channel full but for state 3's one level."""
    majority = np.array([0.98 if state == 2 else 0.5, 0.98, 0.98, 0.98, 0.98])
    return np.stack([majority, np.full(5, 0.05)][::sign])


def _labels(
    configuration: Configuration, signs: NDArray[np.int64], exchange: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Energy (eV), forces (eV/Å) and strain derivative (eV).

    The energy is (r - r0)² over Mn–O pairs and J s s' over Mn–Mn, times (1 - (r/rc)²)³.
    """
    atoms = Atoms(configuration.numbers, configuration.positions, cell=configuration.cell, pbc=True)
    centre, neighbour, distance, vector = neighbor_list("ijdD", atoms, _CUTOFF)
    manganese = configuration.numbers == 25
    bond = manganese[centre] & ~manganese[neighbour]
    rest = np.array([_BOND_LENGTHS.get(int(state), 0.0) for state in configuration.oxidation_states])[centre]
    value = np.where(bond, (distance - rest) ** 2, 0.5 * exchange * signs[centre] * signs[neighbour])
    slope_of_value = np.where(bond, 2 * (distance - rest), 0.0)
    value[~manganese[centre]] = slope_of_value[~manganese[centre]] = 0.0
    damping = (1 - (distance / _CUTOFF) ** 2) ** 3
    slope = -6 * distance / _CUTOFF**2 * (1 - (distance / _CUTOFF) ** 2) ** 2
    energy = float((value * damping).sum()) - 1000.0
    along = ((slope_of_value * damping + value * slope) / distance)[:, None] * vector
    forces = np.zeros((len(configuration), 3))
    np.add.at(forces, centre, along)
    np.add.at(forces, neighbour, -along)
    return energy, forces, along.T @ vector
