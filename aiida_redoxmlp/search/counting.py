"""Exact numbers of configurations and of those that symmetry tells apart, without enumerating any."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.sum_rules import SumRules, Sums, ways

__all__ = ("count_configurations", "count_distinct", "count_fixed")

_Cycles = tuple[tuple[tuple[Sums, ...], int], ...]


def count_configurations(space: ConfigurationSpace) -> int:
    """Count the configurations of a space: how many choices of species close the charge and the composition."""
    return ways(space.rules.terms, space.rules.target).get(space.rules.target, 0)


def count_distinct(space: ConfigurationSpace) -> int:
    """Count the configurations of a space that no symmetry operation of the lattice turns into one another.

    Burnside's lemma: the number of orbits is the mean over the group of the number of configurations that an
    operation leaves as they are. Source: W. Burnside, Theory of Groups of Finite Order (1911), §119.
    """
    total = int(count_fixed(space.rules, space.permutations).sum())
    return total // len(space.permutations)


def count_fixed(rules: SumRules, permutations: NDArray[np.int64]) -> NDArray[np.object_]:
    """Count the configurations that each operation leaves as they are.

    Such a configuration has one species a cycle of the operation, so a cycle of length L adds L times what one
    site adds to the charge and the composition.

    Args:
        rules: charge and composition.
        permutations: shape (n_operations, n_sites); an operation only maps sites with the same species.

    Returns:
        Python integers of any size, shape (n_operations,).
    """
    known: dict[_Cycles, int] = {}
    counts = np.zeros(len(permutations), dtype=object)
    for number, (starts, lengths) in enumerate(_cycles(permutations)):
        cycles = Counter(
            (rules.terms[start], length) for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        )
        key: _Cycles = tuple(sorted(cycles.elements()))
        if key not in known:
            factors = [[tuple(length * value for value in term) for term in terms] for terms, length in key]
            known[key] = ways(factors, rules.target).get(rules.target, 0)
        counts[number] = known[key]
    return counts


def _cycles(permutations: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the first site and the length of every cycle of each operation."""
    identity = np.arange(permutations.shape[1])
    first = np.broadcast_to(identity, permutations.shape).copy()
    length = np.zeros_like(permutations)
    image = permutations.copy()
    step = 1
    while (length == 0).any():
        closed = (image == identity) & (length == 0)
        length[closed] = step
        np.minimum(first, image, out=first)
        image = np.take_along_axis(permutations, image, axis=1)
        step += 1
    return [(np.flatnonzero(one == identity), size[one == identity]) for one, size in zip(first, length, strict=True)]
