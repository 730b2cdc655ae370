"""The configurations of a space as a stream of blocks, all of them or one for each class of equivalent ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.canonical import CanonicalForms, Packing, Words, is_less
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.sum_rules import SumRules, Sums

__all__ = ("Block", "all_configurations", "distinct_configurations", "first_configuration")

_MOST_ENDINGS = 1 << 16
_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class Block:
    """Some configurations of a stream.

    Attributes:
        rows: index of the species of each site, shape (n_configurations, n_sites).
        multiplicities: how many configurations of the space each stands for, shape (n_configurations,).
    """

    rows: NDArray[np.int8]
    multiplicities: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of configurations."""
        return len(self.rows)


def all_configurations(space: ConfigurationSpace, *, block_size: int = _BLOCK) -> Iterator[Block]:
    """Stream all configurations of a space in ascending order.

    Args:
        space: what may stand where and has to add up.
        block_size: configurations in a block, about.
    """
    identity = np.arange(space.n_sites)[None]
    return _Stream(space.rules, CanonicalForms(space.rules.sizes, identity)).blocks(block_size)


def distinct_configurations(space: ConfigurationSpace, *, block_size: int = _BLOCK) -> Iterator[Block]:
    """Stream the smallest configuration of every class that symmetry makes equivalent, in ascending order.

    A configuration is the smallest of its class if no operation has a smaller image of it. The first sites often
    tell already, and then no configuration that begins like this is looked at: orderly generation. What is left is
    tested in blocks, one operation after another on what has survived. Memory does not grow with the number of
    configurations. Source: R. C. Read, Ann. Discrete Math. 2, 107 (1978).

    Args:
        space: what may stand where and has to add up.
        block_size: configurations in a block, about.
    """
    return _Stream(space.rules, CanonicalForms.of(space)).blocks(block_size)


def first_configuration(space: ConfigurationSpace) -> NDArray[np.int8]:
    """Return the smallest configuration of a space, shape (n_sites,)."""
    first: NDArray[np.int8] = next(all_configurations(space, block_size=1)).rows[0]
    return first


class _Stream:
    """Walks through the beginnings of rows, and joins each with all endings that meet the rules."""

    def __init__(self, rules: SumRules, forms: CanonicalForms) -> None:
        self._rules, self._forms = rules, forms
        self._inverse = np.argsort(forms.permutations, axis=1)
        self._depth = _first_site_of_endings(rules.sizes)
        self._endings = _endings_by_sums(rules, forms.packing, self._depth)
        self._completable = _completable(rules, self._depth)

    def blocks(self, size: int) -> Iterator[Block]:
        """Yield blocks of ``size`` configurations and those of one more beginning at most."""
        held: list[Block] = []
        number = 0
        for row, operations, missing in self._beginnings():
            block = self._canonical_of(row, operations, self._endings[missing])
            if len(block):
                held.append(block)
                number += len(block)
            if number >= size:
                yield _joined(held)
                held, number = [], 0
        if held:
            yield _joined(held)

    def _beginnings(self) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int64], Sums]]:
        """Yield beginnings that can be completed and be canonical, ascending.

        With each come the operations that it does not decide on, and the sums that the ending has to have.
        """
        everything = np.arange(len(self._forms.permutations))
        stack = [(np.zeros(0, dtype=np.int8), everything, self._rules.target)]
        while stack:
            row, operations, missing = stack.pop()
            if len(row) == self._depth:
                yield row, operations, missing
                continue
            for choice in reversed(range(int(self._rules.sizes[len(row)]))):
                left = tuple(map(int.__sub__, missing, self._rules.terms[len(row)][choice]))
                if left not in self._completable[len(row) + 1]:
                    continue
                longer = np.append(row, np.int8(choice))
                undecided = self._undecided(longer, operations)
                if undecided is not None:
                    stack.append((longer, undecided, left))

    def _undecided(self, row: NDArray[np.int8], operations: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the operations whose image may still be smaller or equal, None if that of one is smaller already.

        The image at site j has what is on site ``inverse[j]``; it is compared up to where that is not known yet.
        """
        source = self._inverse[operations, : len(row)]
        known = source < len(row)
        image = np.where(known, row[np.minimum(source, len(row) - 1)], row)
        differs = (image != row) | ~known
        first = differs.argmax(axis=1)
        at_first = np.arange(len(operations)), first
        compared = known[at_first]
        if (compared & (image[at_first] < row[first])).any():
            return None
        undecided: NDArray[np.int64] = operations[~(compared & (image[at_first] > row[first]))]
        return undecided

    def _canonical_of(self, row: NDArray[np.int8], operations: NDArray[np.int64], endings: Words) -> Block:
        """Return the canonical configurations among those that begin with a row, with their multiplicities."""
        packing = self._forms.packing
        start = np.zeros((1, len(self._rules.sizes)), dtype=np.int8)
        start[0, : self._depth] = row
        words = endings | packing.pack(start)
        chunks = self._forms.chunks(words)
        fixed = np.zeros(words.shape[1], dtype=np.int64)
        for operation in operations.tolist():
            image = self._forms.image(chunks, operation)
            fixed += (image == words).all(axis=0)
            kept = ~is_less(image, words)
            if not kept.all():
                words, chunks, fixed = words[:, kept], chunks[:, kept], fixed[kept]
        return Block(packing.unpack(words), len(self._forms.permutations) // fixed)


def _first_site_of_endings(sizes: NDArray[np.int64]) -> int:
    """Return the site from which on all rows are few enough to be held."""
    first, number = len(sizes), 1
    while first > 0 and number * int(sizes[first - 1]) <= _MOST_ENDINGS:
        first -= 1
        number *= int(sizes[first])
    return first


def _endings_by_sums(rules: SumRules, packing: Packing, first: int) -> dict[Sums, Words]:
    """Return the packed rows of the sites from ``first`` on, 0 before, by what they add to the rules; ascending."""
    sizes = rules.sizes[first:].tolist()
    number = int(np.prod(sizes, dtype=np.int64))
    endings = np.zeros((number, rules.n_sites), dtype=np.int8)
    endings[:, first:] = np.indices(sizes, dtype=np.int8).reshape(len(sizes), number).T
    sums = rules.sums(endings) - rules.weights[:, :first, 0].sum(axis=1)
    if not sums.shape[1]:
        return {(): packing.pack(endings)}
    distinct, places = np.unique(sums, axis=0, return_inverse=True)
    order = np.argsort(places.ravel(), kind="stable")
    cuts = np.searchsorted(places.ravel()[order], np.arange(len(distinct) + 1))
    words = packing.pack(endings)
    return {tuple(key): words[:, order[a:b]] for key, (a, b) in zip(distinct.tolist(), pairwise(cuts), strict=True)}


def _completable(rules: SumRules, depth: int) -> list[set[Sums]]:
    """Return, for each length of a beginning, what the sites behind it can add if those before it add the rest."""
    lowest = [(0,) * len(rules.targets)]
    highest = list(lowest)
    for terms in rules.terms:
        columns = list(zip(*terms, strict=True))
        lowest.append(tuple(low + min(column) for low, column in zip(lowest[-1], columns, strict=True)))
        highest.append(tuple(high + max(column) for high, column in zip(highest[-1], columns, strict=True)))
    reached = [{lowest[0]}]
    for length in reversed(range(rules.n_sites)):
        added = {tuple(map(int.__add__, sums, term)) for sums in reached[-1] for term in rules.terms[length]}
        window = list(zip(rules.target, lowest[length], highest[length], strict=True))
        reached.append(
            {
                sums
                for sums in added
                if all(low <= target - value <= high for value, (target, low, high) in zip(sums, window, strict=True))
            }
        )
    return reached[::-1][: depth + 1]


def _joined(blocks: list[Block]) -> Block:
    return Block(
        np.concatenate([block.rows for block in blocks]),
        np.concatenate([block.multiplicities for block in blocks]),
    )
