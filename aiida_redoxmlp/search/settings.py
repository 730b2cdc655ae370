"""What a search is told: the space as a user writes it, the strategy, and what is relaxed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.counting import count_distinct
from aiida_redoxmlp.search.ground_state import GroundStateSettings, RunSettings
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.strategies.enumeration import ExhaustiveSettings
from aiida_redoxmlp.search.strategies.registry import StrategySettings
from aiida_redoxmlp.search.strategies.surrogate import SurrogateSettings

__all__ = ("SearchSettings", "SpaceSettings")


class SpaceSettings(BaseModel):
    """Which species may stand where, and what has to add up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed: dict[str, list[str]] = Field(
        description="Species that may stand on the sites of an element of the structure, or on the atom with an index "
        "(from 0): `Mn: [Mn2+, Mn3+]`, `Li: [Li+, X]`, `12: [Mn3+]`. `X` is a vacancy; an index goes before its "
        "element."
    )
    total_charge: int = Field(0, description="Charge of the cell in units of e.")
    composition: dict[str, int] = Field(
        default_factory=dict,
        description="How many of the sites hold an element (`Li`), a species (`Mn3+`) or nothing (`X`).",
    )
    symmetry_tolerance: float = Field(0.01, gt=0, description="spglib's symprec in Å.")

    @classmethod
    def of_redox_states(cls, symbols: Sequence[str], chemistry: RedoxChemistry) -> SpaceSettings:
        """Return the space of the oxidation states that a material's redox sites may have.

        Args:
            symbols: chemical symbol of every atom.
            chemistry: charges of the elements.
        """
        allowed = {
            symbol: [Species(symbol, state).label for state in states]
            for symbol, states in chemistry.allowed_on(symbols).items()
        }
        return cls(allowed=allowed, total_charge=chemistry.total_charge)

    def space(self, parent: Configuration, lattice: Configuration | None = None) -> ConfigurationSpace:
        """Return the space of a structure.

        Args:
            parent: structure with an atom on every site; the states of atoms that are no sites are kept.
            lattice: undistorted structure in the same setting to take the symmetry from.

        Raises:
            InputError: for species or sites that cannot be, or a composition that cannot be reached.
            ClosureError: if no configuration has the charge.
        """
        return ConfigurationSpace.of(
            parent,
            {int(key) if key.isdigit() else key: species for key, species in self.allowed.items()},
            total_charge=self.total_charge,
            composition=self.composition,
            lattice=lattice,
            symmetry_tolerance=self.symmetry_tolerance,
        )


class SearchSettings(RunSettings):
    """How a space is searched at fixed ions, and which of its lowest configurations are relaxed."""

    strategy: StrategySettings | None = Field(
        None,
        description="The strategy and its settings; if not given, `exhaustive` where the budget has an evaluation for "
        "each distinct configuration, else `surrogate`.",
    )
    relax: bool = Field(True, description="Relax the lowest configurations and rank them by their relaxed energies.")
    n_relaxed: int | None = Field(
        20,
        ge=1,
        description="How many of the lowest distinct configurations at fixed ions are relaxed; null for all, which "
        "needs an exhaustive search.",
    )
    reduce_by_symmetry: bool = Field(
        True, description="Relax one configuration of each class of equivalent ones; if false, every one of them."
    )
    force_tolerance: float = Field(
        0.02, gt=0, description="Largest force component at the end of a relaxation, in eV/Å."
    )
    max_steps: int = Field(200, ge=1, description="Most steps of a relaxation.")
    pre_distortion: float = Field(
        1.0, ge=0, description="How far ligands are moved towards the bond lengths of the species before relaxing."
    )
    rattle: float = Field(
        0.02,
        ge=0,
        description="Random displacement in Å before relaxing; frees configurations that symmetry holds on a saddle.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the committee runs.")

    def ground_state(self, space: ConfigurationSpace) -> GroundStateSettings:
        """Return the settings of the search at fixed ions.

        It keeps one configuration more than are relaxed, so that the first that is not is known.

        Raises:
            InputError: if all configurations are to be relaxed, but are not all evaluated.
        """
        distinct = count_distinct(space)
        strategy = self.strategy or self._usual(distinct)
        needed = self._needed(distinct, strategy.name)
        if isinstance(strategy, ExhaustiveSettings) and strategy.remembered < needed:
            strategy = strategy.model_copy(update={"remembered": needed})
        run = {name: getattr(self, name) for name in RunSettings.model_fields}
        return GroundStateSettings(**{**run, "strategy": strategy, "lowest": max(self.lowest, needed)})

    def _usual(self, distinct: int) -> StrategySettings:
        return ExhaustiveSettings() if self.budget is None or distinct <= self.budget else SurrogateSettings()

    def _needed(self, distinct: int, strategy: str) -> int:
        """Return how many of the lowest have to be known."""
        if not self.relax:
            return 1
        if self.n_relaxed is not None:
            return self.n_relaxed + 1
        if strategy != "exhaustive":
            raise InputError(
                f"All {distinct} distinct configurations are to be relaxed, but the strategy {strategy!r} does not "
                "evaluate all; set n_relaxed, such as 20, or take 'exhaustive' with a budget for all of them."
            )
        return distinct
