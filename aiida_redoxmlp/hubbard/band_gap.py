"""Whether an electronic ground state is an insulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ("band_gap",)


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
