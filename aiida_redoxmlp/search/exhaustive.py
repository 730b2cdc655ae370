"""Exhaustive search for the ground-state redox pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.distortion import pre_distort
from aiida_redoxmlp.redox.enumeration import PatternOrbit, charge_balanced_patterns, distinct_patterns
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.symmetry import site_permutations
from aiida_redoxmlp.search.relaxation import RelaxationResult, Relaxer

__all__ = ("SearchResult", "SearchSettings", "SearchedPattern", "search_exhaustive")

_ATOMS_IN_A_BATCH = 4096
_RATTLE_SEED = 2025


@dataclass(frozen=True)
class SearchSettings:
    """How patterns are enumerated and relaxed.

    Attributes:
        redox_sites: indices of the redox sites.
        allowed_states: allowed states of each redox element.
        total_charge: charge of the cell in units of e.
        reduce_by_symmetry: search one pattern an orbit instead of every pattern.
        symmetry_tolerance: spglib's symprec in Å.
        relax: relax each pattern; otherwise evaluate it at its pre-distorted
            geometry.
        force_tolerance: largest force component at the end in eV/Å.
        max_steps: largest number of displacements.
        pre_distortion: strength of the bond-length seed before relaxing.
        rattle: standard deviation in Å of a displacement of every atom before relaxing, the same for all
            patterns: forces keep a symmetric structure symmetric, be it on a saddle.
        max_patterns: refuse to enumerate more patterns than this.
    """

    redox_sites: Sequence[int]
    allowed_states: Mapping[str, Sequence[int]]
    total_charge: int = 0
    reduce_by_symmetry: bool = True
    symmetry_tolerance: float = 0.01
    relax: bool = True
    force_tolerance: float = 0.02
    max_steps: int = 200
    pre_distortion: float = 1.0
    rattle: float = 0.02
    max_patterns: int = 10_000


@dataclass(frozen=True, eq=False)
class SearchedPattern:
    """One searched pattern.

    Attributes:
        pattern: its states.
        orbit: patterns with the same number are equivalent by the symmetry of the parent.
        multiplicity: number of patterns equivalent to it, itself included.
        relaxation: where it ended.
    """

    pattern: Pattern
    orbit: int
    multiplicity: int
    relaxation: RelaxationResult


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The searched patterns in ascending committee mean energy.

    Attributes:
        patterns: the searched patterns.
        n_patterns_total: number of charge-balanced patterns.
        n_patterns_distinct: number of their symmetry orbits.
    """

    patterns: tuple[SearchedPattern, ...]
    n_patterns_total: int
    n_patterns_distinct: int


def search_exhaustive(
    parent: Configuration,
    settings: SearchSettings,
    potential: CommitteePotential,
    *,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
) -> SearchResult:
    """Evaluate every charge-balanced pattern of a structure with a committee and rank them by energy.

    Two patterns are equivalent where a symmetry operation of the parent, which also keeps the oxidation
    states of the other atoms, turns one into the other.

    Args:
        parent: structure; the oxidation states of atoms that are no redox sites are kept, those of redox
            sites are overwritten by the patterns'. Where the potential resolves spins the parent needs spins: their
            directions are kept, their magnitudes follow the states.
        settings: what to enumerate and how to relax it.
        potential: the committee.
        on_progress: sees a dictionary after the enumeration, after every relaxation step and after every
            batch.

    Raises:
        InputError: as :func:`~aiida_redoxmlp.redox.enumeration.charge_balanced_patterns`, or for a species
            that the potential does not know.
        ClosureError: if no assignment closes the charge.
    """
    report = on_progress or (lambda _: None)
    if not potential.encoding.resolves_spins:
        parent = replace(parent, spins=None)
    orbits = _enumerate(parent, settings)
    wanted = [
        (pattern, number)
        for number, orbit in enumerate(orbits)
        for pattern in ([orbit.representative] if settings.reduce_by_symmetry else orbit.members)
    ]
    n_total = sum(orbit.multiplicity for orbit in orbits)
    report({"event": "enumerated", "patterns": n_total, "distinct": len(orbits), "to_search": len(wanted)})
    searched: list[SearchedPattern] = []
    relaxer = Relaxer(
        potential,
        force_tolerance=settings.force_tolerance,
        max_steps=settings.max_steps if settings.relax else 0,
    )
    for batch in _batches(wanted, max(1, _ATOMS_IN_A_BATCH // len(parent))):
        seeded = [potential.encoding.with_usual_spins(_seeded(parent, pattern, settings)) for pattern, _ in batch]
        relaxations = relaxer.relax(
            seeded,
            on_step=lambda step, active, force: report(
                {"event": "relaxing", "step": step, "active": active, "max_force_ev_per_angstrom": force}
            ),
        )
        searched.extend(
            SearchedPattern(pattern, number, orbits[number].multiplicity, relaxation)
            for (pattern, number), relaxation in zip(batch, relaxations, strict=True)
        )
        report({"event": "searched", "done": len(searched), "of": len(wanted)})
    searched.sort(key=lambda one: (one.relaxation.evaluation.energy, one.pattern))
    return SearchResult(tuple(searched), n_total, len(orbits))


def _seeded(parent: Configuration, pattern: Pattern, settings: SearchSettings) -> Configuration:
    """Return the parent with a pattern's states, its ligands shifted towards the pattern's bond lengths."""
    positions: NDArray[np.float64] = parent.positions
    if settings.pre_distortion > 0:
        positions = pre_distort(parent.to_ase(), pattern, settings.pre_distortion)
    if settings.relax and settings.rattle > 0:
        random = np.random.default_rng(_RATTLE_SEED)
        positions = positions + settings.rattle * random.standard_normal(positions.shape)
    return replace(parent, oxidation_states=pattern.written_on(parent.oxidation_states), positions=positions)


def _enumerate(parent: Configuration, settings: SearchSettings) -> list[PatternOrbit]:
    """Return the orbits of the charge-balanced patterns."""
    sites = sorted(set(settings.redox_sites))
    atoms = parent.to_ase()
    fixed = np.delete(parent.oxidation_states, [site for site in sites if 0 <= site < len(parent)])
    patterns = charge_balanced_patterns(
        atoms.get_chemical_symbols(),
        sites,
        settings.allowed_states,
        settings.total_charge - int(fixed.sum()),
        max_patterns=settings.max_patterns,
    )
    states = parent.oxidation_states.copy()
    states[sites] = 0
    directions = np.zeros(len(parent), dtype=np.int64) if parent.spins is None else np.sign(parent.spins)
    _, labels = np.unique(np.stack([parent.numbers, states, directions]), axis=1, return_inverse=True)
    permutations = site_permutations(atoms, settings.symmetry_tolerance, labels=np.ravel(labels))
    return distinct_patterns(patterns, permutations)


def _batches(wanted: Sequence[tuple[Pattern, int]], size: int) -> Iterator[list[tuple[Pattern, int]]]:
    """Cut a sequence into lists of at most ``size``."""
    iterator = iter(wanted)
    while batch := list(islice(iterator, size)):
        yield batch
