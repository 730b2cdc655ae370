"""Structures as points in descriptor space, and the ones farthest from all that is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("FarthestPoints", "structure_vectors")


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


class FarthestPoints:
    """Chooses points one after the other, each far from those known and those chosen before.

    Distances are Euclidean, with every column in units of its standard deviation over all points. Without known
    points the first choice is the one farthest from the mean of all. Source: T. F. Gonzalez,
    Theor. Comput. Sci. 38, 293 (1985).

    Attributes:
        distances: from every point to the nearest that is known or chosen, shape (n_points,).
    """

    def __init__(self, points: NDArray[np.float64], known: NDArray[np.float64] | None = None) -> None:
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
        self._points = points / scale
        origin = there / scale if len(there) else self._points.mean(axis=0, keepdims=True)
        self.distances: NDArray[np.float64] = np.full(len(points), np.inf)
        for one in origin if len(points) else ():
            self._approach(one)

    def take(self, index: int) -> None:
        """Choose a point."""
        self._approach(self._points[index])

    def _approach(self, point: NDArray[np.float64]) -> None:
        np.minimum(self.distances, np.linalg.norm(self._points - point, axis=1), out=self.distances)
