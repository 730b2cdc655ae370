"""Constraints on configurations as sums over the sites: the total charge and the composition are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ("SumRules", "Sums", "ways")

Sums = tuple[int, ...]
"""The value of every rule."""


@dataclass(frozen=True, eq=False)
class SumRules:
    """Rules of the kind "the sum over the sites of what the chosen species counts is this number".

    Attributes:
        sizes: number of species to choose from on each site, shape (n_sites,).
        weights: what a choice adds to each rule, shape (n_rules, n_sites, largest size); what is beyond a site's
            size is 0.
        targets: the value of each rule, shape (n_rules,).
    """

    sizes: NDArray[np.int64]
    weights: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.sizes)

    @cached_property
    def terms(self) -> tuple[tuple[Sums, ...], ...]:
        """What each choice of each site adds to the rules."""
        return tuple(
            tuple(tuple(column) for column in self.weights[:, site, :size].T.tolist())
            for site, size in enumerate(self.sizes)
        )

    @property
    def target(self) -> Sums:
        """The targets as a tuple."""
        return tuple(self.targets.tolist())

    def sums(self, rows: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the value of every rule, shape (n_configurations, n_rules).

        Args:
            rows: the chosen species of each site, shape (n_configurations, n_sites).
        """
        values = np.zeros((len(rows), len(self.targets)), dtype=np.int64)
        for site in range(self.n_sites):
            values += self.weights[:, site, :].T[rows[:, site]]
        return values

    def obeyed(self, rows: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Return which configurations obey all rules, shape (n_configurations,).

        Args:
            rows: the chosen species of each site, shape (n_configurations, n_sites).
        """
        fit: NDArray[np.bool_] = (self.sums(rows) == self.targets).all(axis=1)
        return fit


def ways(factors: Iterable[Sequence[Sums]], target: Sequence[int | None]) -> dict[Sums, int]:
    """Count the choices of one term a factor by the sums they give, without enumerating them.

    The product of the factors is taken as one of polynomials. Equal factors are multiplied with one another
    first, and sums from which the target can no longer be met are dropped on the way, so that fixed numbers make the
    count cheaper.

    Args:
        factors: the terms of each factor, each with one value a rule.
        target: value of each rule, None where any will do.

    Returns:
        The number of choices of each sum that meets the target.
    """
    # A rule that is always met keeps the arrays two-dimensional where there is no other.
    wanted = np.array([0, *(np.nan if value is None else value for value in target)], dtype=np.float64)
    one = _Polynomial(np.zeros((1, len(wanted)), dtype=np.int64), np.ones(1, dtype=object))
    groups = [
        (_Polynomial(np.array([(0, *term) for term in terms]), np.ones(len(terms), dtype=object)), number)
        for terms, number in Counter(map(tuple, factors)).items()
    ]
    left_lowest = sum((number * group.sums.min(axis=0) for group, number in groups), start=one.sums[0])
    left_highest = sum((number * group.sums.max(axis=0) for group, number in groups), start=one.sums[0])
    product = one
    for group, number in groups:
        lowest, highest = group.sums.min(axis=0), group.sums.max(axis=0)
        power = one
        for _ in range(number):
            left_lowest, left_highest = left_lowest - lowest, left_highest - highest
            power = power.times(group).near(
                wanted, left_lowest + product.sums.min(axis=0), left_highest + product.sums.max(axis=0)
            )
            if not len(power.sums):
                return {}
        product = product.times(power).near(wanted, left_lowest, left_highest)
        if not len(product.sums):
            return {}
    return dict(zip(map(tuple, product.sums[:, 1:].tolist()), product.counts.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class _Polynomial:
    """Numbers of choices by the sums they give.

    Attributes:
        sums: shape (n_sums, n_rules).
        counts: Python integers, shape (n_sums,).
    """

    sums: NDArray[np.int64]
    counts: NDArray[np.object_]

    def times(self, other: _Polynomial) -> _Polynomial:
        """Return the numbers of choices of both."""
        sums, places = np.unique(
            (self.sums[:, None] + other.sums[None]).reshape(-1, self.sums.shape[1]), axis=0, return_inverse=True
        )
        counts = np.zeros(len(sums), dtype=object)
        np.add.at(counts, places.ravel(), np.multiply.outer(self.counts, other.counts).ravel())
        return _Polynomial(sums, counts)

    def near(self, wanted: NDArray[np.float64], lowest: NDArray[np.int64], highest: NDArray[np.int64]) -> _Polynomial:
        """Return what can still reach the wanted sums if at least ``lowest`` and at most ``highest`` are added."""
        missing = wanted - self.sums
        kept = (np.isnan(missing) | ((missing >= lowest) & (missing <= highest))).all(axis=1)
        return _Polynomial(self.sums[kept], self.counts[kept])
