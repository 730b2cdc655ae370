"""The lower convex hull of energies over one composition variable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ("hull_energies", "lower_hull")

_SAME_LINE = 1e-9
"""Energies in eV closer than this to a line between two others are on it, and no corner."""


def lower_hull(contents: NDArray[np.float64], energies: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the corners of the lower convex hull, as indices in ascending content.

    A point on the line between two corners is no corner. (A. M. Andrew, Inf. Process. Lett. 9, 216 (1979).)

    Args:
        contents: ascending and all different, shape (n_compositions,).
        energies: shape (n_compositions,).
    """
    corners: list[int] = []
    for index in range(len(contents)):
        while len(corners) > 1 and not _turns_up(contents, energies, corners[-2], corners[-1], index):
            corners.pop()
        corners.append(index)
    return np.array(corners, dtype=np.int64)


def hull_energies(contents: NDArray[np.float64], energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lower convex hull's energy at every content, shape (n_compositions,); arguments as for the corners."""
    corners = lower_hull(contents, energies)
    return np.interp(contents, contents[corners], energies[corners])


def _turns_up(x: NDArray[np.float64], energies: NDArray[np.float64], left: int, middle: int, right: int) -> bool:
    """Tell whether the middle point is below the line from the left to the right one."""
    share = (x[middle] - x[left]) / (x[right] - x[left])
    line = (1 - share) * energies[left] + share * energies[right]
    return bool(energies[middle] < line - _SAME_LINE)
