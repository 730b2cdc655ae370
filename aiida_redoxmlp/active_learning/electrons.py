"""What a committee believes about the electrons of a structure: the lowest pattern, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtr

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.search.certainty import certainty_of
from aiida_redoxmlp.search.committee_energies import CommitteeEnergies
from aiida_redoxmlp.search.counting import count_configurations
from aiida_redoxmlp.search.ground_state import GroundStateSettings, find_ground_state
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.strategies.enumeration import ExhaustiveSettings
from aiida_redoxmlp.search.strategies.surrogate import SurrogateSettings

__all__ = ("BeliefSettings", "PatternBelief", "believe", "with_believed_pattern")

_SAME_ENERGY = 1e-5
"""Energies in eV closer than this are the same: the potential does not tell the patterns apart."""


class BeliefSettings(BaseModel):
    """How the lowest pattern of a geometry is found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_exhaustive: int = Field(256, ge=1, description="Compare all patterns where there are no more than this.")
    budget: int = Field(500, ge=2, description="Otherwise search with at most so many evaluations by the committee.")
    seed: int = Field(0, ge=0, description="Seed of that search.")


@dataclass(frozen=True)
class PatternBelief:
    """The committee's opinion on the patterns of one geometry, the ions fixed.

    Attributes:
        lowest: the charge-balanced pattern of lowest mean energy.
        n_members: size of the committee.
        n_agreeing: members whose own lowest pattern it is.
        gap: mean energy of the runner-up, which symmetry does not make equivalent, above it in eV; None where there
            is no other.
        gap_spread: standard deviation of that difference over the members in eV; None for one member or without gap.
        proven: whether all patterns were compared.
    """

    lowest: Pattern
    n_members: int
    n_agreeing: int
    gap: float | None
    gap_spread: float | None
    proven: bool

    @property
    def agreed(self) -> bool:
        """Whether every member has this pattern lowest."""
        return self.n_agreeing == self.n_members

    def doubt(self, factor: float = 1.0) -> float:
        """Return how likely DFT finds another pattern, from 0 to 1, as far as the committee can tell.

        The larger of the share of members that have another pattern lowest and the probability that the runner-up
        is lower, if the error of the gap is normal with the members' spread. Where both patterns have one energy it
        is one half at least; with no other pattern it is 0.

        Args:
            factor: what the spread of the gap has to be multiplied by to be its error.
        """
        if self.gap is None:
            return 0.0
        width = factor * (self.gap_spread or 0.0)
        crossing = float(ndtr(-self.gap / width)) if width > 0 else 0.0
        if self.gap < _SAME_ENERGY:
            crossing = max(crossing, 0.5)
        return max(crossing, 1 - self.n_agreeing / self.n_members)


def believe(
    potential: CommitteePotential,
    configurations: Sequence[Configuration],
    chemistry: RedoxChemistry,
    settings: BeliefSettings | None = None,
) -> list[PatternBelief | None]:
    """Find the lowest charge-balanced pattern of every geometry; None where there are no redox sites.

    Args:
        potential: a committee.
        configurations: the geometries; the states on their redox sites do not matter.
        chemistry: charges of the material.
        settings: how thoroughly to look.

    Raises:
        InputError: for a species the committee was not trained on.
        ClosureError: if no pattern closes the charge of a structure.
    """
    chosen = settings or BeliefSettings()
    return [_believe_one(potential, one, chemistry, chosen) for one in configurations]


def _believe_one(
    potential: CommitteePotential, configuration: Configuration, chemistry: RedoxChemistry, settings: BeliefSettings
) -> PatternBelief | None:
    atoms = configuration.to_ase()
    if not chemistry.table().redox_sites(atoms.get_chemical_symbols()):
        return None
    space = ConfigurationSpace.of_redox_states(atoms, chemistry)
    few = count_configurations(space) <= settings.max_exhaustive
    search = GroundStateSettings(
        strategy=ExhaustiveSettings() if few else SurrogateSettings(),
        budget=None if few else settings.budget,
        runs=1,
        seed=settings.seed,
        lowest=max(2, settings.max_exhaustive),
    )
    found = find_ground_state(space, CommitteeEnergies(space, potential), search)
    certainty = certainty_of(found)
    lowest = space.configuration(found.ranking.rows[0])
    return PatternBelief(
        lowest=Pattern.read(lowest.oxidation_states, space.sites),
        n_members=certainty.n_members,
        n_agreeing=certainty.n_members_agreeing,
        gap=certainty.gap,
        gap_spread=certainty.gap_spread,
        proven=certainty.proven,
    )


def with_believed_pattern(
    potential: CommitteePotential, configuration: Configuration, belief: PatternBelief | None
) -> Configuration:
    """Return the geometry with the states of the pattern that is believed in, and the spins these usually have."""
    if belief is None:
        return configuration
    states = belief.lowest.written_on(configuration.oxidation_states)
    return potential.encoding.with_usual_spins(replace(configuration, oxidation_states=states))
