"""Random moves of whole populations of configurations that keep the total charge and the composition."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.enumeration import all_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.sum_rules import SumRules, Sums

__all__ = ("Moves", "random_configurations")

_LARGEST_MOVE = 4
_LARGEST_TABLE = 1 << 17
_SHARE_OF_PAIRS = 0.75
_ATTEMPTS = 8
_STEPS_A_SITE = 20


class Moves:
    """Draws other species for a few sites at a time, uniformly among those with the same charge and composition.

    Two sites are drawn, and another pair of species with the same sums over the rules: an exchange where the
    composition is fixed, and also 3+ and 3+ to 2+ and 4+ where it is free. Three or four sites are changed together
    only where pairs would not get everywhere (Li+, Li+ and Ni2+ to two vacancies and Ni4+). As all that fits on the
    drawn sites is equally likely, a move is as likely as the move back: detailed balance needs no correction. A draw
    for which nothing else fits leaves the configuration as it is.

    Args:
        rules: charge and composition.
    """

    def __init__(self, rules: SumRules) -> None:
        self._sites = np.flatnonzero(rules.sizes > 1)
        terms = [rules.terms[site] for site in self._sites]
        kinds = sorted(set(terms))
        self._kinds = np.array([kinds.index(one) for one in terms], dtype=np.int64)
        self._tables = _tables(kinds, [terms.count(kind) for kind in kinds])
        shares = np.array([_SHARE_OF_PAIRS if table.n_sites <= 2 else 1 - _SHARE_OF_PAIRS for table in self._tables])
        self._shares = shares / shares.sum()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of sites that are changed together."""
        return tuple(table.n_sites for table in self._tables)

    def propose(self, rows: NDArray[np.int8], random: np.random.Generator) -> NDArray[np.int8]:
        """Return a neighbour of every row, or the row itself, shape (n_configurations, n_sites).

        Args:
            rows: configurations that obey the rules.
            random: source of random numbers.
        """
        if not self._tables:
            return rows
        table = self._tables[int(random.choice(len(self._tables), p=self._shares))]
        return self._changed(rows, table, random)

    def change(self, rows: NDArray[np.int8], random: np.random.Generator) -> NDArray[np.int8]:
        """Return a neighbour of every row, trying again where nothing changed; not for detailed balance."""
        changed = self.propose(rows, random)
        for _ in range(_ATTEMPTS):
            same = np.flatnonzero((changed == rows).all(axis=1))
            if not len(same):
                break
            changed[same] = self.propose(rows[same], random)
        return changed

    def neighbours(self, row: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return all configurations that differ from a row by a smallest move, shape (n_neighbours, n_sites)."""
        if not self._tables:
            return row[None][:0]
        table = self._tables[0]
        places = np.array(list(combinations(range(len(self._sites)), table.n_sites)), dtype=np.int64)
        sites = self._sites[places]
        kinds, codes = table.kinds(self._kinds[places]), table.codes(row[sites])
        counts = table.count[kinds, codes] - 1
        which = np.repeat(np.arange(len(places)), counts)
        drawn = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        near = np.tile(row, (len(which), 1))
        np.put_along_axis(near, sites[which], table.others(kinds[which], codes[which], drawn), axis=1)
        distinct: NDArray[np.int8] = np.unique(near, axis=0)
        return distinct

    def _changed(self, rows: NDArray[np.int8], table: _Table, random: np.random.Generator) -> NDArray[np.int8]:
        order = random.random((len(rows), len(self._sites)))
        places = np.argpartition(order, table.n_sites - 1, axis=1)[:, : table.n_sites]
        sites = self._sites[places]
        kinds = table.kinds(self._kinds[places])
        codes = table.codes(np.take_along_axis(rows, sites, axis=1))
        counts = table.count[kinds, codes] - 1
        able = np.flatnonzero(counts > 0)
        drawn = random.integers(0, np.maximum(counts, 1))
        changed: NDArray[np.int8] = rows.copy()
        changed[able[:, None], sites[able]] = table.others(kinds[able], codes[able], drawn[able])
        return changed


@dataclass(frozen=True, eq=False)
class _Table:
    """Choices of some sites that have the same sums, as numbers in a positional system.

    Attributes:
        n_sites: how many sites.
        n_kinds: number of kinds of sites, which differ by what their choices add to the rules.
        base: largest number of choices.
        count: how many choices of the sites have the same sums, shape (n_kinds ** n_sites, base ** n_sites).
        first: place of the first of them in ``members``, same shape.
        position: which of them a choice itself is, same shape.
        members: the choices, those with the same sums one after another.
        needed: whether some of them cannot be reached from one another by changing fewer sites.
    """

    n_sites: int
    n_kinds: int
    base: int
    count: NDArray[np.int64]
    first: NDArray[np.int64]
    position: NDArray[np.int64]
    members: NDArray[np.int64]
    needed: bool

    def kinds(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return numbers of the kinds of sites of shape (..., n_sites)."""
        numbers: NDArray[np.int64] = kinds @ (self.n_kinds ** np.arange(self.n_sites))
        return numbers

    def codes(self, choices: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return numbers of choices of shape (..., n_sites)."""
        numbers: NDArray[np.int64] = choices.astype(np.int64) @ (self.base ** np.arange(self.n_sites))
        return numbers

    def others(self, kinds: NDArray[np.int64], codes: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.int8]:
        """Return the drawn ones of the other choices with the same sums, shape (n_configurations, n_sites)."""
        place = (self.position[kinds, codes] + 1 + drawn) % self.count[kinds, codes]
        members = self.members[self.first[kinds, codes] + place]
        choices: NDArray[np.int8] = (members[:, None] // self.base ** np.arange(self.n_sites) % self.base).astype(
            np.int8
        )
        return choices


def _tables(kinds: list[tuple[Sums, ...]], numbers: list[int]) -> list[_Table]:
    """Return the tables of the moves that are needed, those of the fewest sites first.

    Args:
        kinds: what each choice adds to the rules, a kind of site.
        numbers: how many sites of each kind there are.
    """
    smallest = min(2, sum(numbers))
    tables = []
    for size in range(smallest, min(_LARGEST_MOVE, sum(numbers)) + 1):
        if not size or (len(kinds) * max(map(len, kinds))) ** size > _LARGEST_TABLE:
            break
        table = _table(kinds, numbers, size)
        if table.needed or (size == smallest and table.count.max() > 1):
            tables.append(table)
    return tables


def _table(kinds: list[tuple[Sums, ...]], numbers: list[int], size: int) -> _Table:
    """Return the table of moves of ``size`` sites."""
    base = max(map(len, kinds))
    shape = (len(kinds) ** size, base**size)
    count, first, position = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    members: list[int] = []
    needed = False
    for drawn in product(range(len(kinds)), repeat=size):
        groups: dict[Sums, list[tuple[int, ...]]] = {}
        for choices in product(*(range(len(kinds[kind])) for kind in drawn)):
            terms = (kinds[kind][choice] for kind, choice in zip(drawn, choices, strict=True))
            groups.setdefault(tuple(map(sum, zip(*terms, strict=True))), []).append(choices)
        row = int(np.dot(drawn, len(kinds) ** np.arange(size)))
        exists = all(drawn.count(kind) <= numbers[kind] for kind in drawn)
        for group in groups.values():
            codes = np.array(group) @ (base ** np.arange(size))
            count[row, codes], first[row, codes], position[row, codes] = len(codes), len(members), np.arange(len(codes))
            members += codes.tolist()
            needed |= exists and not _connected(np.array(group))
    return _Table(size, len(kinds), base, count, first, position, np.array(members, dtype=np.int64), needed)


def _connected(group: NDArray[np.int64]) -> bool:
    """Tell whether steps that leave at least one site as it is lead from any of some choices to any other."""
    reached = np.zeros(len(group), dtype=np.bool_)
    edge = [0]
    while edge:
        near = (group == group[edge.pop()]).any(axis=1) & ~reached
        reached |= near
        edge += np.flatnonzero(near).tolist()
    return bool(reached.all())


def random_configurations(
    space: ConfigurationSpace, moves: Moves, number: int, random: np.random.Generator
) -> NDArray[np.int8]:
    """Return random configurations of a space, shape (number, n_sites).

    They are ends of long walks of random moves. As moves are as likely as the moves back, every configuration that
    they lead to is equally likely in the end.

    Raises:
        InputError: for less than one configuration.
    """
    if number < 1:
        raise InputError(f"{number} random configurations were asked for; ask for at least 1.")
    first = next(all_configurations(space, block_size=1)).rows[0]
    rows = np.tile(first, (number, 1))
    for _ in range(_STEPS_A_SITE * space.n_sites):
        rows = moves.propose(rows, random)
    return rows
