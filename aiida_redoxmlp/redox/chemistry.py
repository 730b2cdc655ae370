"""What a user says about the charges of a material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import RedoxTable

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
