"""Kinds for sites that have come to differ, and one value for those that have not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count, pairwise

import numpy as np

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction

__all__ = ("averaged_within_kinds", "by_element", "relabelled_kinds", "why_not_one_state")

_QE_MAX_KINDS = 10  # ntypx in Quantum ESPRESSO's Modules/parameters.f90
_SAME_DISTANCE = 1.0e-3  # Å; pw.x calls distances equal within 6e-4 Bohr
_STAYS_TOGETHER = 1.5  # times the tolerance, for sites of one kind


def relabelled_kinds(
    symbols: Sequence[str],
    kinds: Sequence[str],
    onsite_u: Mapping[int, float],
    states: Mapping[int, int],
    signs: Mapping[int, int],
    tolerance: float,
) -> tuple[list[str], float]:
    """Return kinds by element, oxidation state, sign of the moment and U.

    Kinds are numbered by their first atom, so the same groups get the same names in every cycle. Sites that share a
    kind already keep it until their U differ by 1.5 times the tolerance, so that small changes do not split and join
    them in turns. Atoms without U keep their kind, and none of them shares one with an atom that has a U. Sites of
    unknown state stay apart where their kinds were, because their moments may be opposite.

    Args:
        symbols: of all atoms.
        kinds: of all atoms, so far.
        onsite_u: U in eV by atom.
        states: oxidation state by atom, where it is known.
        signs: sign of the moment by atom, 0 or missing without one.
        tolerance: eV by which U may differ within a kind.

    Returns:
        The new kinds, and the tolerance that was needed for as many as Quantum ESPRESSO takes.

    Raises:
        InputError: if there are too many kinds even with one U a state.
    """
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for atom in sorted(onsite_u):
        known = states.get(atom)
        groups[symbols[atom], known, signs.get(atom, 0), kinds[atom] if known is None else None].append(atom)
    others = {kind for atom, kind in enumerate(kinds) if atom not in onsite_u}
    room = _QE_MAX_KINDS - len(others)
    clusters = [one for group in groups.values() for one in _by_value(group, onsite_u, kinds, tolerance)]
    while len(clusters) > room and len(clusters) > len(groups):
        tolerance = 2.0 * max(tolerance, 1.0e-3)
        clusters = [one for group in groups.values() for one in _by_value(group, onsite_u, kinds, tolerance)]
    if len(clusters) > room:
        raise InputError(
            f"The sites fall into {len(others) + len(clusters)} kinds by state and moment alone, but Quantum ESPRESSO "
            f"takes at most {_QE_MAX_KINDS}; take a smaller cell, or set `relabel: false`."
        )
    return _named(clusters, symbols, kinds, others), tolerance


def _named(
    clusters: Sequence[Sequence[int]], symbols: Sequence[str], kinds: Sequence[str], others: Collection[str]
) -> list[str]:
    """Name every cluster by its element, with a number where there are several or the element alone is taken."""
    by_symbol: dict[str, list[Sequence[int]]] = defaultdict(list)
    for cluster in sorted(clusters, key=min):
        by_symbol[symbols[cluster[0]]].append(cluster)
    result = list(kinds)
    for symbol, members in by_symbol.items():
        numbered = (name for n in count(1) if (name := f"{symbol}{n}") not in others)
        names = iter((symbol,)) if len(members) == 1 and symbol not in others else numbered
        for cluster in members:
            name = next(names)
            for atom in cluster:
                result[atom] = name
    return result


def _by_value(
    atoms: Sequence[int], values: Mapping[int, float], kinds: Sequence[str], tolerance: float
) -> list[list[int]]:
    """Join the closest values first, as long as no cluster gets wider than the tolerance (complete linkage)."""
    clusters = [[atom] for atom in sorted(atoms, key=lambda atom: (values[atom], atom))]

    def excess(left: list[int], right: list[int]) -> float:
        together = len({kinds[atom] for atom in (*left, *right)}) == 1
        return values[right[-1]] - values[left[0]] - tolerance * (_STAYS_TOGETHER if together else 1.0)

    while len(clusters) > 1:
        excesses = [excess(left, right) for left, right in pairwise(clusters)]
        closest = int(np.argmin(excesses))
        if excesses[closest] > 0.0:
            break
        clusters[closest : closest + 2] = [clusters[closest] + clusters[closest + 1]]
    return clusters


def averaged_within_kinds(
    interactions: Sequence[Interaction], kinds: Sequence[str], distances: Mapping[int, float]
) -> list[Interaction]:
    """Return the interactions with one U a kind and one V for equally distant pairs of the same two kinds.

    pw.x takes U by kind and gives a V to every pair of the same two kinds at the same distance
    (``PW/src/intersite.f90``).

    Args:
        interactions: of all sites.
        kinds: of all atoms.
        distances: Å by number of the interaction.
    """
    keys = [_ends(one, kinds) for one in interactions]
    by_key: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number in sorted(range(len(keys)), key=distances.__getitem__):
        by_key[keys[number]].append(number)
    shells = [0] * len(keys)
    for members in by_key.values():
        for before, number in pairwise(members):
            shells[number] = shells[before] + (distances[number] - distances[before] > _SAME_DISTANCE)
    return _with_means(interactions, [(*key, shell) for key, shell in zip(keys, shells, strict=True)])


def by_element(interactions: Sequence[Interaction], symbols: Sequence[str]) -> list[Interaction]:
    """Return the interactions with one U an element and manifold, and one V a pair of these.

    A potential learns one energy surface, which needs one Hamiltonian for all patterns.
    """
    return _with_means(interactions, [_ends(one, symbols) for one in interactions])


def _ends(one: Interaction, names: Sequence[str]) -> tuple[object, ...]:
    """Return what an interaction is between, whichever end is written first."""
    ends = sorted(((names[one.site], one.manifold), (names[one.neighbour], one.neighbour_manifold)))
    return (one.is_onsite, *ends)


def _with_means(interactions: Sequence[Interaction], keys: Sequence[tuple[object, ...]]) -> list[Interaction]:
    """Replace each value by the mean over the interactions of the same key."""
    values: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for one, key in zip(interactions, keys, strict=True):
        values[key].append(one.value)
    return [replace(one, value=float(np.mean(values[key]))) for one, key in zip(interactions, keys, strict=True)]


def why_not_one_state(kinds: Sequence[str], states: Mapping[int, int]) -> str | None:
    """Return the sentence that names a kind whose sites ended in different states, or None."""
    met: dict[str, set[int]] = defaultdict(set)
    for atom, state in states.items():
        met[kinds[atom]].add(state)
    for kind, found in met.items():
        if len(found) > 1:
            listed = " and ".join(f"{state:+d}" for state in sorted(found))
            return (
                f"The sites of kind {kind} ended in the states {listed}, but one kind has one U; give each site a kind "
                "of its own or set `relabel: true`."
            )
    return None
