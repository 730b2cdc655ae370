"""Charge-balanced redox patterns of a structure, and which of them symmetry makes equivalent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.symmetry import site_stabiliser

__all__ = (
    "PatternOrbit",
    "charge_balanced_patterns",
    "count_patterns",
    "distinct_patterns",
    "pattern_orbit",
)


@dataclass(frozen=True)
class PatternOrbit:
    """Patterns that the symmetry of the structure turns into one another.

    Attributes:
        representative: the canonical, smallest, member.
        multiplicity: number of members.
        members: all members, ascending.
    """

    representative: Pattern
    multiplicity: int
    members: tuple[Pattern, ...]


def count_patterns(sites_allowed: Sequence[Sequence[int]], charge: int) -> int:
    """Count the assignments of one allowed state a site whose sum is ``charge``, without enumerating them.

    Args:
        sites_allowed: allowed states of each site.
        charge: sum over the sites.
    """
    return _ways(sites_allowed)[0].get(charge, 0)


def charge_balanced_patterns(
    symbols: Sequence[str],
    redox_sites: Sequence[int],
    allowed_states: Mapping[str, Sequence[int]],
    redox_charge: int,
    *,
    max_patterns: int | None = None,
) -> Iterator[Pattern]:
    """Stream the patterns whose states add up to ``redox_charge``, in ascending order.

    The search is depth first and only enters branches from which the charge can still be closed, so the time
    a pattern takes does not grow with the number of assignments that fail.

    Args:
        symbols: chemical symbol of every atom.
        redox_sites: indices of the redox sites.
        allowed_states: allowed states of each redox element.
        redox_charge: sum of the states over the redox sites.
        max_patterns: refuse to enumerate more than this.

    Raises:
        InputError: without redox sites, for a site that does not exist or whose element has no allowed
            states, for a key that is not an element, or for more than ``max_patterns`` patterns.
        ClosureError: if no assignment has this charge.
    """
    sites = _checked_sites(symbols, redox_sites, allowed_states)
    sites_allowed = [sorted(set(allowed_states[symbols[site]])) for site in sites]
    ways = _ways(sites_allowed)
    total = ways[0].get(redox_charge, 0)
    if total == 0:
        raise _not_closed(symbols, sites, allowed_states, redox_charge, sorted(ways[0]))
    if max_patterns is not None and total > max_patterns:
        raise InputError(
            f"{total} patterns over {len(sites)} redox sites have charge {redox_charge:+d}, more than the "
            f"{max_patterns} allowed; take a smaller cell, fewer allowed states or a larger max_patterns."
        )
    return _depth_first(sites, sites_allowed, ways, redox_charge)


def distinct_patterns(patterns: Iterable[Pattern], permutations: NDArray[np.int64]) -> list[PatternOrbit]:
    """Sort patterns into orbits of the structure's symmetry.

    Only the operations that map the redox sites onto themselves count, so marking a part of the equivalent
    sites as redox-active lowers the symmetry.

    Args:
        patterns: patterns over the same sites.
        permutations: the group of symmetry operations as atom permutations, shape (n_operations, n_atoms).

    Returns:
        The orbits in the order in which the patterns first meet them.
    """
    orbits: list[PatternOrbit] = []
    seen: set[Pattern] = set()
    for pattern in patterns:
        if pattern not in seen:
            orbit = pattern_orbit(pattern, permutations)
            seen.update(orbit.members)
            orbits.append(orbit)
    return orbits


def pattern_orbit(pattern: Pattern, permutations: NDArray[np.int64]) -> PatternOrbit:
    """Return the orbit of one pattern under the operations that map its sites onto themselves."""
    sites = np.array(pattern.sites, dtype=np.int64)
    actions = np.unique(site_stabiliser(permutations, pattern.sites)[:, sites], axis=0)
    # A site's state moves with it: the image at action[k] has the state of site k.
    images = np.empty_like(actions)
    np.put_along_axis(
        images,
        np.searchsorted(sites, actions),
        np.broadcast_to(np.array(pattern.states, dtype=np.int64), actions.shape),
        axis=1,
    )
    members = tuple(Pattern(pattern.sites, tuple(states)) for states in np.unique(images, axis=0).tolist())
    return PatternOrbit(members[0], len(members), members)


def _ways(sites_allowed: Sequence[Sequence[int]]) -> list[dict[int, int]]:
    """Return, for each site, how many assignments of it and all later sites give each charge."""
    ways: list[dict[int, int]] = [{0: 1}]
    for states in reversed(sites_allowed):
        here: dict[int, int] = {}
        for state in set(states):
            for charge, count in ways[-1].items():
                here[charge + state] = here.get(charge + state, 0) + count
        ways.append(here)
    return ways[::-1]


def _depth_first(
    sites: tuple[int, ...], sites_allowed: list[list[int]], ways: list[dict[int, int]], charge: int
) -> Iterator[Pattern]:
    """Yield the patterns of a charge; ``ways`` says from which branches the charge can be closed."""
    # An explicit stack of (states chosen so far, charge still to be given): no recursion limit on large
    # cells.
    stack: list[tuple[tuple[int, ...], int]] = [((), charge)]
    while stack:
        chosen, missing = stack.pop()
        depth = len(chosen)
        if depth == len(sites):
            yield Pattern(sites, chosen)
            continue
        stack.extend(
            ((*chosen, state), missing - state)
            for state in reversed(sites_allowed[depth])
            if missing - state in ways[depth + 1]
        )


def _checked_sites(
    symbols: Sequence[str], redox_sites: Sequence[int], allowed_states: Mapping[str, Sequence[int]]
) -> tuple[int, ...]:
    """Return the redox sites, ascending, after checking that each has allowed states."""
    unknown = [symbol for symbol in allowed_states if symbol not in atomic_numbers]
    if unknown:
        raise InputError(
            f"{unknown[0]!r} is not a chemical symbol; write allowed states by element, such as Mn: [2, 3]."
        )
    sites = tuple(sorted({int(site) for site in redox_sites}))
    if not sites:
        raise InputError(
            f"The structure has no redox sites among its elements {', '.join(sorted(set(symbols)))}; name "
            "the sites, or the allowed states of one of these elements."
        )
    if sites[0] < 0 or sites[-1] >= len(symbols):
        wrong = sites[0] if sites[0] < 0 else sites[-1]
        raise InputError(f"Redox site {wrong} does not exist; the structure's atoms are 0 to {len(symbols) - 1}.")
    for site in sites:
        if not allowed_states.get(symbols[site]):
            known = ", ".join(allowed_states) or "none"
            raise InputError(
                f"Site {site} is {symbols[site]}, which has no allowed states (elements with some: {known}); "
                f"add {symbols[site]} to the allowed states."
            )
    return sites


def _not_closed(
    symbols: Sequence[str],
    sites: tuple[int, ...],
    allowed_states: Mapping[str, Sequence[int]],
    charge: int,
    reachable: list[int],
) -> ClosureError:
    """Return the error that says which charges can be reached."""
    elements = sorted({symbols[site] for site in sites})
    states = "; ".join(f"{element}: {sorted(set(allowed_states[element]))}" for element in elements)
    within = reachable[0] <= charge <= reachable[-1]
    values = ", ".join(f"{value:+d}" for value in reachable) if within else f"{reachable[0]:+d} to {reachable[-1]:+d}"
    return ClosureError(
        f"No assignment of the allowed states ({states}) to the {len(sites)} redox sites has the charge "
        f"{charge:+d}; they reach {values}: change the total charge or allow another state."
    )
