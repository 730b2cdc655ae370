"""Structures as points in descriptor space, and the ones that stand for the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("Representatives", "structure_vectors")

_MOST_COUNTED = 2000


def structure_vectors(potential: CommitteePotential, configurations: Sequence[Configuration]) -> NDArray[np.float64]:
    """Return a point for every structure: for each element the mean and the spread of its atoms' descriptors.

    Cells of other sizes and compositions are comparable; an element that a structure lacks is zero.

    Returns:
        Numbers without unit, shape (n_structures, n_elements × 2 × n_features). Elements are those of all structures
        given, so compare only points of one call.
    """
    elements = sorted({int(number) for one in configurations for number in one.numbers})
    rows = potential.descriptors(configurations)
    width = rows[0].shape[1] if rows else 0
    vectors = np.zeros((len(configurations), len(elements), 2, width))
    for vector, row, configuration in zip(vectors, rows, configurations, strict=True):
        for place, element in enumerate(elements):
            own = row[configuration.numbers == element]
            if len(own):
                vector[place] = own.mean(axis=0), own.std(axis=0)
    return vectors.reshape(len(configurations), len(elements) * 2 * width)


class Representatives:
    """Chooses points one after the other such that all points are near one that is known or chosen.

    The gain of a point is the fall of the sum of the points' distances to the nearest known or chosen one if it were
    chosen. An outlier that stands for nothing but itself gains little. Distances are Euclidean, with every
    column in units of its standard deviation over all points. Without known points the mean of all counts as known.
    Of very many points every so many-th counts in the sum. Source: greedy k-medians; G. L. Nemhauser, L. A. Wolsey and
    M. L. Fisher, Math. Program. 14, 265 (1978).

    Attributes:
        distances: from every point that counts to the nearest that is known or chosen, shape (n_counted,).
    """

    def __init__(
        self,
        points: NDArray[np.float64],
        known: NDArray[np.float64] | None = None,
    ) -> None:
        """Take points of shape (n_points, n_columns), and what is known in the same columns."""
        there = np.zeros((0, points.shape[1])) if known is None else known
        if there.shape[1:] != points.shape[1:]:
            raise InputError(
                f"Points have {points.shape[1]} columns and known points {there.shape[1]}; make both in one call of "
                "structure_vectors."
            )
        every = np.concatenate([points, there])
        width = every.std(axis=0) if len(every) else np.ones(points.shape[1])
        scale = np.where(width > 1e-12, width, 1.0)
        counted = slice(None, None, -(-len(points) // _MOST_COUNTED) or 1)
        scaled, origin = points / scale, (there if len(there) else points.mean(axis=0, keepdims=True)) / scale
        self._between = cdist(scaled, scaled[counted])
        self.distances: NDArray[np.float64] = cdist(scaled[counted], origin).min(axis=1)

    def gains(self, places: Sequence[int]) -> NDArray[np.float64]:
        """Return the gain of the points at some places, shape (n_places,)."""
        gains: NDArray[np.float64] = np.maximum(self.distances - self._between[list(places)], 0).sum(axis=1)
        return gains

    def take(self, index: int) -> None:
        """Choose a point."""
        np.minimum(self.distances, self._between[index], out=self.distances)
