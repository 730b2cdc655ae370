"""Kinds for sites that have come to differ, and one value for those that have not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction

__all__ = ("averaged_within_kinds", "by_element", "relabelled_kinds", "why_not_one_state")

_QE_MAX_KINDS = 10  # ntypx in Quantum ESPRESSO's Modules/parameters.f90
_SAME_DISTANCE = 2  # decimals of Å


def relabelled_kinds(
    symbols: Sequence[str],
    onsite_u: Mapping[int, float],
    states: Mapping[int, int],
    signs: Mapping[int, int],
    tolerance: float,
) -> list[str]:
    """Return kinds by element, oxidation state, sign of the moment and U; atoms without U keep their symbol.

    Kinds are numbered by their first atom, so the same groups get the same names in every cycle.

    Args:
        symbols: of all atoms.
        onsite_u: U in eV by atom.
        states: oxidation state by atom, where it is known.
        signs: sign of the moment by atom, 0 or missing without one.
        tolerance: eV by which U of neighbouring values may differ within a kind.

    Raises:
        InputError: if there are more kinds than Quantum ESPRESSO takes.
    """
    groups: dict[tuple[str, int | None, int], list[int]] = defaultdict(list)
    for atom in sorted(onsite_u):
        groups[symbols[atom], states.get(atom), signs.get(atom, 0)].append(atom)
    clusters = [cluster for group in groups.values() for cluster in _by_value(group, onsite_u, tolerance)]
    kinds = list(symbols)
    bare = {symbol for atom, symbol in enumerate(symbols) if atom not in onsite_u}
    by_symbol: dict[str, list[list[int]]] = defaultdict(list)
    for cluster in sorted(clusters, key=min):
        by_symbol[symbols[cluster[0]]].append(cluster)
    for symbol, members in by_symbol.items():
        single = len(members) == 1 and symbol not in bare
        for number, cluster in enumerate(members, start=1):
            for atom in cluster:
                kinds[atom] = symbol if single else f"{symbol}{number}"
    if len(set(kinds)) > _QE_MAX_KINDS:
        raise InputError(
            f"The sites fall into {len(set(kinds))} kinds, but Quantum ESPRESSO takes at most {_QE_MAX_KINDS}; "
            "raise `kind_tolerance` so that sites of similar U share a kind."
        )
    return kinds


def _by_value(atoms: Sequence[int], values: Mapping[int, float], tolerance: float) -> list[list[int]]:
    """Split atoms where their sorted values leave a gap, and where a group would become wider than the tolerance."""
    ordered = sorted(atoms, key=lambda atom: (values[atom], atom))
    clusters = [[ordered[0]]]
    for atom in ordered[1:]:
        if values[atom] - values[clusters[-1][0]] > tolerance:
            clusters.append([])
        clusters[-1].append(atom)
    return clusters


def averaged_within_kinds(
    interactions: Sequence[Interaction], kinds: Sequence[str], distances: Mapping[int, float]
) -> list[Interaction]:
    """Return the interactions with one U a kind and one V for equally distant pairs of the same two kinds.

    pw.x takes U by kind and spreads a V over equivalent pairs.

    Args:
        interactions: of all sites.
        kinds: of all atoms.
        distances: Å by number of the interaction.
    """
    keys = [
        (
            kinds[one.site],
            one.manifold,
            kinds[one.neighbour],
            one.neighbour_manifold,
            round(distances[n], _SAME_DISTANCE),
        )
        for n, one in enumerate(interactions)
    ]
    return _with_means(interactions, keys)


def by_element(interactions: Sequence[Interaction], symbols: Sequence[str]) -> list[Interaction]:
    """Return the interactions with one U an element and manifold, and one V a pair of these.

    A potential learns one energy surface, which needs one Hamiltonian for all patterns.
    """
    keys = [
        (symbols[one.site], one.manifold, symbols[one.neighbour], one.neighbour_manifold, one.is_onsite)
        for one in interactions
    ]
    return _with_means(interactions, keys)


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
