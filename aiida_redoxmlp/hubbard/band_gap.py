"""Whether an electronic ground state is an insulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ("band_gap", "why_not_insulator")

_WHOLE_MAGNETIZATION = 0.1  # μB by which an insulator's magnetisation may miss an integer under smearing


def band_gap(energies: NDArray[np.float64], occupations: NDArray[np.float64]) -> float:
    """Return the gap between the highest occupied and the lowest empty level over all spins and k-points, in eV.

    A negative gap is an overlap of bands: a metal.

    Args:
        energies: eV, shape (n_spins, n_kpoints, n_bands) or (n_kpoints, n_bands).
        occupations: same shape; a full level is the largest of them, a level counts as occupied above half of that.

    Raises:
        ValueError: if no level is empty, because too few bands were computed.
    """
    occupied = occupations > 0.5 * float(occupations.max())
    if bool(occupied.all()):
        raise ValueError("every level is occupied")
    return float(energies[~occupied].min() - energies[occupied].max())


def why_not_insulator(gap: float, magnetization: float, minimum_gap: float) -> str | None:
    """Return why occupations cannot be fixed, or None for an insulator.

    Args:
        gap: eV.
        magnetization: total, in μB.
        minimum_gap: eV.
    """
    if gap < minimum_gap:
        return f"the gap is {gap:.2f} eV, below {minimum_gap:g} eV"
    if abs(magnetization - round(magnetization)) > _WHOLE_MAGNETIZATION:
        return f"the magnetisation, {magnetization:.2f} μB, is not a whole number"
    return None
