"""Children of two configurations that keep the total charge and the composition."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("cut_and_splice", "permuted", "with_random_symmetry")

_MOST_REPAIRS = 64


def with_random_symmetry(
    rows: NDArray[np.int8], permutations: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int8]:
    """Return a random equivalent of every row, shape (n_configurations, n_sites)."""
    drawn = permutations[random.integers(0, len(permutations), len(rows))]
    moved = np.empty_like(rows)
    np.put_along_axis(moved, drawn, rows, axis=1)
    return moved


def cut_and_splice(
    mothers: NDArray[np.int8], fathers: NDArray[np.int8], space: ConfigurationSpace, random: np.random.Generator
) -> NDArray[np.int8]:
    """Return mothers with a slab of the cell from the fathers, repaired to the space's charge and composition.

    The slab is periodic, half of the cell on average, along a random lattice vector. A child that cannot be repaired is
    its mother. Source: D. M. Deaven and K. M. Ho, Phys. Rev. Lett. 75, 288 (1995).

    Args:
        mothers: shape (n_configurations, n_sites).
        fathers: same shape.
        space: what the children have to obey.
        random: source of random numbers.
    """
    fractional = np.linalg.solve(space.parent.cell.T, space.parent.positions[list(space.sites)].T).T
    axes = random.integers(0, 3, len(mothers))
    offsets, thickness = random.random((len(mothers), 1)), random.uniform(0.2, 0.8, (len(mothers), 1))
    inside = (fractional.T[axes] - offsets) % 1.0 < thickness
    children = repaired(np.where(inside, fathers, mothers), space, random)
    kept = space.rules.obeyed(children)
    spliced: NDArray[np.int8] = np.where(kept[:, None], children, mothers)
    return spliced


def repaired(rows: NDArray[np.int8], space: ConfigurationSpace, random: np.random.Generator) -> NDArray[np.int8]:
    """Return rows whose sums are brought to the rules, one site at a time, each the best step at random among equals.

    Rows that single steps do not bring there are returned as far as they got.
    """
    rules = space.rules
    rows = rows.copy()
    choices = np.arange(rules.weights.shape[2])
    allowed = choices < rules.sizes[:, None]
    for _ in range(_MOST_REPAIRS):
        missing = rules.targets - rules.sums(rows)
        wrong = np.flatnonzero(missing.any(axis=1))
        if not len(wrong):
            break
        weights = rules.weights.transpose(1, 2, 0)
        present = weights[np.arange(rules.n_sites), rows[wrong]]
        left = np.abs(missing[wrong, None, None] - weights + present[:, :, None]).sum(axis=3)
        score = np.where(allowed, left + 0.5 * random.random(left.shape), np.inf).reshape(len(wrong), -1)
        site, choice = np.divmod(score.argmin(axis=1), len(choices))
        better = score.min(axis=1) < np.abs(missing[wrong]).sum(axis=1)
        if not better.any():
            break
        rows[wrong[better], site[better]] = choice[better]
    return rows


def permuted(
    mothers: NDArray[np.int8], fathers: NDArray[np.int8], space: ConfigurationSpace, random: np.random.Generator
) -> NDArray[np.int8]:
    """Return mothers in which about half of the differences from the fathers are undone in balanced pairs.

    What a difference adds to the charge and the composition another one takes away again: where both hold the same
    species this is a permutation.

    Args:
        mothers: shape (n_configurations, n_sites), obeying the rules.
        fathers: same shape.
        space: what the children have to obey.
        random: source of random numbers.
    """
    children: NDArray[np.int8] = mothers.copy()
    sites = np.arange(space.n_sites)
    weights = space.rules.weights
    for child, father in zip(children, fathers, strict=True):
        changes = (weights[:, sites, father] - weights[:, sites, child]).T
        waiting: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for site in random.permutation(np.flatnonzero(child != father)).tolist():
            change = tuple(changes[site].tolist())
            opposite = tuple(-value for value in change)
            if not any(change):
                group = [site]
            elif waiting[opposite]:
                group = [site, waiting[opposite].pop()]
            else:
                waiting[change].append(site)
                continue
            if random.random() < 0.5:
                child[group] = father[group]
    return children
