"""What a user says about the charges of a material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.species import Species

__all__ = ("RedoxChemistry",)


class RedoxChemistry(BaseModel):
    """Charges of a material: total, allowed on the redox sites, fixed on the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    total_charge: int = Field(0, description="Charge of the cell in units of e.")
    allowed_states: dict[str, tuple[int, ...]] = Field(
        default_factory=dict,
        description="Allowed oxidation states of redox elements; others keep their usual ones.",
    )
    fixed_states: dict[str, int] = Field(
        default_factory=dict, description="Oxidation states of elements that do not change theirs."
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="Occupation above which a level of this element counts as full."
    )
    low_spin: tuple[str, ...] = Field(
        (), description="Species that start low spin, such as `Co3+`; all others start high spin."
    )

    @field_validator("low_spin")
    @classmethod
    def _read_species(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Write every label as :class:`Species` writes it."""
        species = [Species.parse(label) for label in labels]
        if spin_resolved := [one.label for one in species if one.spin]:
            raise InputError(
                f"{spin_resolved[0]!r} has a sign of its moment; write element and charge only, such as Co3+, "
                "and give signs as `magnetic_order`."
            )
        return tuple(one.label for one in species)

    @model_validator(mode="after")
    def _low_spin_can_occur(self) -> RedoxChemistry:
        """Refuse low-spin species that no site of a material with these states can be."""
        elements, fixed = (self.table().elements, self.table().fixed) if self.low_spin else ({}, {})
        for species in map(Species.parse, self.low_spin):
            element = elements.get(species.element)
            if element is None or element.symbol in fixed or element.orbital_l != 2:
                raise InputError(
                    f"{species.label} cannot be low spin: {species.element} is no redox element with a d shell; "
                    "name species such as Co3+."
                )
            if species.state not in element.states:
                raise InputError(
                    f"{species.label} is low spin, but the allowed states of {element.symbol} are "
                    f"{list(element.states)}; name one of them or extend `allowed_states`."
                )
        return self

    def table(self) -> RedoxTable:
        """Return the table of elements with this material's overrides.

        Raises:
            InputError: for an unknown element or a state that no d or f count gives.
        """
        overrides: dict[str, dict[str, object]] = {}
        given: dict[str, Mapping[str, object]] = {
            "states": self.allowed_states,
            "threshold": self.thresholds,
            "fixed": self.fixed_states,
        }
        for key, values in given.items():
            for element, value in values.items():
                overrides.setdefault(element, {})[key] = value
        return RedoxTable.default().with_overrides(overrides)

    def allowed_on(self, symbols: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return the allowed states of the redox elements among ``symbols``."""
        table = self.table()
        return {symbol: table.elements[symbol].states for symbol in sorted(set(symbols)) if table.is_redox(symbol)}

    def sites_and_background(self, symbols: Sequence[str]) -> tuple[tuple[int, ...], list[int]]:
        """Return the redox sites and the oxidation states of all other atoms, 0 on the redox sites.

        Raises:
            InputError: if there is no redox site, or an atom is neither a redox site nor of a fixed state.
        """
        table = self.table()
        sites = table.redox_sites(symbols)
        if not sites:
            raise InputError(
                f"The structure of {', '.join(sorted(set(symbols)))} has no redox site; "
                "give `allowed_states` for at least one of its d or f elements."
            )
        return sites, [0 if index in sites else table.fixed_state(symbol) for index, symbol in enumerate(symbols)]

    def low_spin_sites(self, symbols: Sequence[str], pattern: Pattern) -> tuple[int, ...]:
        """Return the redox sites that a pattern makes low-spin species, by index in ``symbols``."""
        return tuple(
            site
            for site, state in zip(pattern.sites, pattern.states, strict=True)
            if Species(symbols[site], state).label in self.low_spin
        )

    def why_never(self, symbols: Sequence[str]) -> str | None:
        """Return the sentence that says why no pattern closes the charge, or None when one does."""
        try:
            sites, background = self.sites_and_background(symbols)
        except InputError as error:
            return str(error)
        allowed = self.allowed_on(symbols)
        reached = {sum(background)}
        for site in sites:
            reached = {charge + state for charge in reached for state in allowed[symbols[site]]}
        if self.total_charge in reached:
            return None
        nearest = min(reached, key=lambda charge: abs(charge - self.total_charge))
        return (
            f"No allowed states of the redox sites give the total charge {self.total_charge:+d}; the nearest they "
            f"reach is {nearest:+d}: change the composition, the charge or `allowed_states`."
        )

    def why_not(self, symbols: Sequence[str], states: Sequence[int]) -> str | None:
        """Return the sentence that says why a pattern does not fit a structure, or None when it does."""
        try:
            sites, background = self.sites_and_background(symbols)
        except InputError as error:
            return str(error)
        if len(states) != len(sites):
            return f"The pattern {list(states)} has {len(states)} states for {len(sites)} redox sites; give one a site."
        for site, state in zip(sites, states, strict=True):
            allowed = self.allowed_on(symbols)[symbols[site]]
            if state not in allowed:
                return (
                    f"The state {state} of {symbols[site]} (site {site}) is not allowed; "
                    f"choose among {list(allowed)} or extend `allowed_states`."
                )
        charge = sum(states) + sum(background)
        if charge != self.total_charge:
            return (
                f"The pattern {list(states)} gives the cell the charge {charge:+d}, but the total charge is "
                f"{self.total_charge:+d}; choose states that add up to {self.total_charge - sum(background):+d}."
            )
        return None
