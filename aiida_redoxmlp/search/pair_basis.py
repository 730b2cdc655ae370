"""Point and pair correlations of configurations, one a class of points or pairs that symmetry makes equivalent."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("PairBasis",)

_NUMBERS_AT_ONCE = 1 << 22


class PairBasis:
    """Functions in which an energy of points and pairs is linear and invariant under the space's symmetry.

    A site with m species has m - 1 functions, orthonormal and orthogonal to a constant, as in a cluster expansion: ±1
    where there are two species. A correlation is the sum of one of these, or of products of two on different sites,
    over an orbit of the space's permutations. Source: J. M. Sanchez, F. Ducastelle and D. Gratias, Physica A 128, 334
    (1984).

    Args:
        space: the space.
        most_pairs: orbits of pairs that are used, the shortest pairs first.

    Attributes:
        distances: distance in Å of each orbit of pairs, shape (n_pair_orbits,), ascending.
        n_points: number of orbits of points.
    """

    def __init__(self, space: ConfigurationSpace, *, most_pairs: int = 4000) -> None:
        sizes = space.rules.sizes
        width = int(sizes.max()) - 1
        self._values = np.zeros((len(sizes), width + 1, width))
        for site, size in enumerate(sizes.tolist()):
            self._values[site, :size, : size - 1] = _contrasts(size)
        used = np.arange(width) < sizes[:, None] - 1
        self._kept = np.flatnonzero(used)
        self._sites, functions = np.nonzero(used)
        number = np.full(used.shape, -1, dtype=np.int64)
        number[used] = np.arange(len(self._sites))
        columns = number[space.permutations[:, self._sites], functions]
        points, self._point_orbit = np.unique(columns.min(axis=0), return_inverse=True)
        self.n_points = len(points)
        lists = [space.allowed.index(some) for some in space.allowed]
        self._kinds = np.array(lists, dtype=np.int64)[self._sites] * width + functions
        self._set_pairs(columns, _distances(space), most_pairs)

    @property
    def n_columns(self) -> int:
        """Number of functions of single sites."""
        return len(self._sites)

    @property
    def n_correlations(self) -> int:
        """Number of correlations: the constant, points and pairs."""
        return 1 + self.n_points + len(self.distances)

    def functions(self, rows: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return the values of the functions of single sites, shape (n_configurations, n_columns)."""
        values = self._values[np.arange(rows.shape[1]), rows].reshape(len(rows), -1)
        kept: NDArray[np.float64] = values[:, self._kept]
        return kept

    def correlations(self, rows: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return 1, sums over points and sums over pairs, shape (n_configurations, n_correlations)."""
        found = np.ones((len(rows), self.n_correlations))
        step = max(1, _NUMBERS_AT_ONCE // max(1, len(self._first)))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            values = self.functions(rows[part])
            for orbit in range(self.n_points):
                found[part, 1 + orbit] = values[:, self._point_orbit == orbit].sum(axis=1)
            if len(self.distances):
                pairs = values[:, self._first] * values[:, self._second]
                found[part, 1 + self.n_points :] = np.add.reduceat(pairs, self._starts, axis=1)
        return found

    def interactions(self, coefficients: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return fields and pair interactions so that an energy is f·x + x·J·x / 2 but for a constant.

        Args:
            coefficients: of the correlations, shape (n_correlations,).

        Returns:
            f, shape (n_columns,), and the symmetric J, shape (n_columns, n_columns), in the unit of the coefficients.
        """
        fields = coefficients[1 + self._point_orbit]
        matrix = np.zeros((self.n_columns, self.n_columns))
        sizes = np.diff(np.append(self._starts, len(self._first)))
        matrix[self._first, self._second] = np.repeat(coefficients[1 + self.n_points :], sizes)
        return fields, matrix + matrix.T

    def groups(self, bin_width: float) -> NDArray[np.float64]:
        """Return which correlations are alike but for where they are, shape (n_correlations, n_groups), 0 or 1.

        Points are alike if they have the same species and function; pairs as well if their lengths are.

        Args:
            bin_width: of the lengths in Å.
        """
        first_points = np.unique(self._point_orbit, return_index=True)[1]
        points = [(int(self._kinds[column]),) for column in first_points]
        kinds = np.sort(np.stack([self._kinds[self._first], self._kinds[self._second]]), axis=0)[:, self._starts]
        lengths = np.round(self.distances / bin_width).astype(np.int64)
        pairs = [tuple(key) for key in np.stack([*kinds, lengths], axis=1).tolist()]
        number = {key: place for place, key in enumerate(dict.fromkeys([*points, *pairs]))}
        members = np.zeros((self.n_correlations, len(number)))
        members[np.arange(1, self.n_correlations), [number[key] for key in [*points, *pairs]]] = 1.0
        return members

    def _set_pairs(self, columns: NDArray[np.int64], distances: NDArray[np.float64], most: int) -> None:
        """Find the orbits of pairs of functions on different sites.

        Args:
            columns: where each operation takes each function, shape (n_operations, n_columns).
            distances: of the sites in Å, shape (n_sites, n_sites).
            most: number of orbits that are kept.
        """
        first, second = np.triu_indices(self.n_columns, 1)
        apart = self._sites[first] != self._sites[second]
        first, second = first[apart], second[apart]
        label = first * self.n_columns + second
        for operation in columns:
            one, other = operation[first], operation[second]
            np.minimum(label, np.minimum(one, other) * self.n_columns + np.maximum(one, other), out=label)
        _, orbit = np.unique(label, return_inverse=True)
        shortest = np.full(int(orbit.max(initial=-1)) + 1, np.inf)
        np.minimum.at(shortest, orbit, distances[self._sites[first], self._sites[second]])
        rank = np.argsort(np.argsort(shortest, kind="stable"), kind="stable")[orbit]
        order = np.argsort(rank, kind="stable")[: np.count_nonzero(rank < most)]
        self._first, self._second = first[order], second[order]
        self.distances: NDArray[np.float64] = np.sort(shortest)[:most]
        self._starts = np.searchsorted(rank[order], np.arange(len(self.distances)))


def _contrasts(size: int) -> NDArray[np.float64]:
    """Return functions of ``size`` species, orthogonal to a constant, of mean square 1, shape (size, size - 1)."""
    vectors = np.eye(size)[:, : size - 1]
    everything = np.column_stack([np.ones(size), vectors])
    orthonormal, _ = np.linalg.qr(everything)
    functions: NDArray[np.float64] = orthonormal[:, 1:] * np.sqrt(size)
    return functions


def _distances(space: ConfigurationSpace) -> NDArray[np.float64]:
    """Return the distances in Å between the nearest images of active sites, shape (n_sites, n_sites)."""
    positions = space.parent.positions[list(space.sites)]
    fractional = np.linalg.solve(space.parent.cell.T, positions.T).T
    difference = fractional[:, None] - fractional[None]
    difference -= np.round(difference)
    images = np.array(list(product((-1, 0, 1), repeat=3)))
    vectors = (difference[:, :, None] + images) @ space.parent.cell
    distances: NDArray[np.float64] = np.linalg.norm(vectors, axis=3).min(axis=2)
    return distances
