"""The electrostatic energy of the ions, which pw.x prints and which follows from cell and positions alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

__all__ = ("ewald_energy",)

_REACH = 4.2
"""Where erfc and the Gaussian are cut off; what is left out is below 1e-7 of the whole."""
_DISTANCES_AT_ONCE = 10**6


def ewald_energy(
    cell: NDArray[np.float64], positions: NDArray[np.float64], charges: Sequence[float] | NDArray[np.float64]
) -> float:
    """Return the energy of point charges in a neutralising background, in Ry.

    P. P. Ewald, Ann. Phys. 369, 253 (1921).

    Args:
        cell: rows in bohr, shape (3, 3).
        positions: bohr, shape (n_atoms, 3).
        charges: of each ion, shape (n_atoms,).
    """
    charge = np.asarray(charges, dtype=np.float64)
    volume = abs(float(np.linalg.det(cell)))
    # Both sums reach about as far, each in its own space.
    eta = np.sqrt(np.pi) / volume ** (1 / 3)
    waves = _lattice(2 * np.pi * np.linalg.inv(cell).T, 2 * eta * _REACH)
    squares = (waves**2).sum(axis=1)
    waves, squares = waves[squares > 0], squares[squares > 0]
    structure = np.abs(np.exp(1j * waves @ positions.T) @ charge) ** 2
    reciprocal = 4 * np.pi / volume * float((structure * np.exp(-squares / (4 * eta**2)) / squares).sum())
    self_energy = 2 * eta / np.sqrt(np.pi) * float((charge**2).sum())
    background = np.pi * float(charge.sum()) ** 2 / (volume * eta**2)
    return float(reciprocal + _direct(cell, positions, charge, eta) - self_energy - background)


def _direct(
    cell: NDArray[np.float64], positions: NDArray[np.float64], charge: NDArray[np.float64], eta: float
) -> float:
    inverse = np.linalg.inv(cell)
    separations = positions[:, None] - positions
    separations = separations - np.round(separations @ inverse) @ cell
    reach = _REACH / eta + float(np.linalg.norm(cell, axis=1).sum()) / 2
    shifts = _lattice(cell, reach)
    pairs = np.outer(charge, charge)
    total = 0.0
    for block in np.array_split(shifts, 1 + len(shifts) * pairs.size // _DISTANCES_AT_ONCE):
        distances = np.linalg.norm(separations + block[:, None, None], axis=3)
        near = (distances > 1e-8) & (distances < _REACH / eta)
        strengths = np.broadcast_to(pairs, distances.shape)[near]
        total += float((strengths * erfc(eta * distances[near]) / distances[near]).sum())
    return total


def _lattice(vectors: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Return all lattice points up to a distance, shape (n, 3)."""
    heights = 1 / np.linalg.norm(np.linalg.inv(vectors), axis=0)
    ranges = [range(-most, most + 1) for most in np.ceil(reach / heights).astype(int).tolist()]
    points = np.array(list(product(*ranges))) @ vectors
    return np.asarray(points[np.linalg.norm(points, axis=1) <= reach])
