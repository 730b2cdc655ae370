"""Which pattern a potential puts lowest at the geometry of a labelled frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.counting import count_configurations
from aiida_redoxmlp.search.enumeration import all_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("SAME_ENERGY", "Candidates", "Ranking", "candidates_of", "rank_patterns", "recovery_warnings")

SAME_ENERGY = 1e-5
"""Patterns closer than this (eV) have the same energy: the potential does not tell them apart."""

_BATCH = 512


@dataclass(frozen=True)
class Candidates:
    """The patterns to compare at one frame's geometry.

    Attributes:
        n_patterns: number of charge-balanced patterns.
        patterns: all of them, ascending; empty where they are too many.
    """

    n_patterns: int
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
class Ranking:
    """What the committee mean says of the patterns of one geometry.

    Attributes:
        n_patterns: number of charge-balanced patterns, all of which were compared.
        lowest: the one of lowest energy, or None where the potential does not single one out.
        margin: energy of the lowest other pattern minus that of the frame's own in eV; None where there is no other.
    """

    n_patterns: int
    lowest: Pattern | None
    margin: float | None


def candidates_of(frame: Frame, allowed_states: Mapping[str, Sequence[int]], max_patterns: int) -> Candidates | None:
    """List every pattern of a frame's redox sites with the charge of the one DFT found.

    Args:
        frame: the frame.
        allowed_states: states of each redox element; elements that the frame lacks do not matter.
        max_patterns: list no more than this.

    Returns:
        The candidates, or None for a frame without redox sites.

    Raises:
        InputError: if a redox site has no allowed states.
        ClosureError: if no assignment of the allowed states has the charge of the frame's pattern.
    """
    if not frame.redox_sites:
        return None
    space = ConfigurationSpace.of(
        frame.configuration,
        {site: _allowed_on(site, frame, allowed_states) for site in frame.redox_sites},
        total_charge=int(frame.configuration.oxidation_states.sum()),
    )
    count = count_configurations(space)
    if count > max_patterns:
        return Candidates(count, ())
    return Candidates(count, tuple(space.pattern(row) for block in all_configurations(space) for row in block.rows))


def _allowed_on(site: int, frame: Frame, allowed_states: Mapping[str, Sequence[int]]) -> list[Species]:
    """Return the species that a redox site may hold."""
    symbol = chemical_symbols[int(frame.configuration.numbers[site])]
    if not allowed_states.get(symbol):
        raise InputError(
            f"Site {site} is {symbol}, a redox site without allowed states (elements with some: "
            f"{', '.join(allowed_states) or 'none'}); add {symbol} to the allowed states."
        )
    return [Species(symbol, state) for state in allowed_states[symbol]]


def rank_patterns(
    potential: CommitteePotential, frames: Sequence[Frame], candidates: Sequence[Candidates | None]
) -> list[Ranking | None]:
    """Evaluate all candidates of all frames, in batches, and return what is lowest; None where nothing was listed."""
    energies = _energies(potential, _configurations(frames, candidates, potential.encoding))
    rankings: list[Ranking | None] = []
    for frame, some in zip(frames, candidates, strict=True):
        if some is None or not some.patterns:
            rankings.append(None)
            continue
        own = np.array(list(islice(energies, len(some.patterns))))
        rankings.append(Ranking(some.n_patterns, _lowest(some.patterns, own), _margin(some.patterns, own, frame)))
    return rankings


def recovery_warnings(frames: Sequence[Frame], candidates: Sequence[Candidates | None], max_patterns: int) -> list[str]:
    """Return what limits what the recovery says, in sentences."""
    warnings = []
    asked = [some.n_patterns for some in candidates if some is not None]
    too_many = [count for count in asked if count > max_patterns]
    if too_many:
        warnings.append(
            f"{len(too_many)} of {len(asked)} frames have more than {max_patterns} charge-balanced patterns (up to "
            f"{max(too_many)}) and are left out of the pattern recovery; raise max_patterns to compare them all."
        )
    patterns = {frame.pattern for frame, some in zip(frames, candidates, strict=True) if some is not None}
    if len(patterns) == 1:
        warnings.append(
            f"All frames have the pattern {next(iter(patterns)).label}, so their pattern recovery does not tell "
            "whether others would be found; hold out frames of several patterns."
        )
    return warnings


def _configurations(
    frames: Sequence[Frame], candidates: Sequence[Candidates | None], encoding: Encoding
) -> Iterator[Configuration]:
    """The frames' geometries with every candidate; moments keep their directions."""
    for frame, some in zip(frames, candidates, strict=True):
        own = frame.configuration
        for pattern in some.patterns if some is not None else ():
            states = pattern.written_on(own.oxidation_states)
            yield encoding.with_usual_spins(replace(own, oxidation_states=states))


def _energies(potential: CommitteePotential, configurations: Iterator[Configuration]) -> Iterator[float]:
    while batch := list(islice(configurations, _BATCH)):
        yield from (result.energy for result in potential.evaluate(batch))


def _lowest(patterns: Sequence[Pattern], energies: NDArray[np.float64]) -> Pattern | None:
    order = np.argsort(energies)
    if len(order) > 1 and energies[order[1]] - energies[order[0]] < SAME_ENERGY:
        return None
    return patterns[int(order[0])]


def _margin(patterns: Sequence[Pattern], energies: NDArray[np.float64], frame: Frame) -> float | None:
    if frame.pattern not in patterns or len(patterns) == 1:
        return None
    own = patterns.index(frame.pattern)
    return float(np.delete(energies, own).min() - energies[own])
