"""Errors of predictions: means over everything, over species, over patterns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ("by_label", "mean_absolute", "root_mean_square", "stress_components")

_VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))


def mean_absolute(errors: ArrayLike) -> float:
    """Return the mean of the absolute values of all elements."""
    return float(np.abs(np.asarray(errors, dtype=np.float64)).mean())


def root_mean_square(errors: ArrayLike) -> float:
    """Return the root of the mean square of all elements."""
    return float(np.sqrt((np.asarray(errors, dtype=np.float64) ** 2).mean()))


def by_label(labels: Sequence[str] | NDArray[np.str_], errors: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Sort rows of errors by their label.

    Args:
        labels: one a row, shape (n,).
        errors: shape (n, …).

    Returns:
        For each label that occurs, in alphabetical order, its rows.
    """
    column = np.asarray(labels)
    return {label: errors[column == label] for label in sorted(set(column.tolist()))}


def stress_components(stress: ArrayLike) -> NDArray[np.float64]:
    """Return the six components xx, yy, zz, yz, xz, xy of symmetric tensors, shape (…, 3, 3) to (…, 6)."""
    components: NDArray[np.float64] = np.asarray(stress, dtype=np.float64)[..., _VOIGT[0], _VOIGT[1]]
    return components
