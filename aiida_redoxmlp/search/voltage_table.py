"""Energies of cells of several lithium contents, brought to one formula unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import gcd

from ase.formula import Formula
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.voltage_curve import GroundStateEnergy, Source

__all__ = ("CellEnergy", "ground_state_energies")

_ION = "Li"


class CellEnergy(BaseModel):
    """The lowest energy of one cell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x: float | None = Field(None, ge=0, allow_inf_nan=False, description="Lithium in a formula unit.")
    composition: str | None = Field(
        None, description="Formula of the cell, such as `Li2Mn4P4O16`, instead of `x`; says how much lithium there is."
    )
    formula_units: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Formula units in the cell; 1 with `x`, with `composition` counted from the host.",
    )
    energy_ev: FiniteFloat | None = Field(None, description="Total energy of the cell in eV.")
    energies_ev: tuple[FiniteFloat, ...] | None = Field(
        None, min_length=1, description="Energies of the committee's members instead."
    )
    source: Source | None = Field(
        None, description="`potential` or `dft`; `potential` with several energies, else `dft` if not given."
    )
    name: str = Field("", description="What it is, for messages.")

    @model_validator(mode="after")
    def _say_it_once(self) -> CellEnergy:
        if (self.x is None) == (self.composition is None):
            raise InputError("a row needs x or the composition of the cell; give one of them")
        if (self.energy_ev is None) == (self.energies_ev is None):
            raise InputError("a row needs energy_ev, or energies_ev of the members; give one of them")
        return self

    @property
    def energies(self) -> tuple[float, ...]:
        """Energies of the cell in eV, one for each member."""
        return self.energies_ev if self.energies_ev is not None else (float(self.energy_ev or 0.0),)

    @property
    def judged_by(self) -> Source:
        """Who computed them."""
        return self.source or ("potential" if len(self.energies) > 1 else "dft")


def ground_state_energies(cells: Iterable[CellEnergy], formula_unit: str | None = None) -> list[GroundStateEnergy]:
    """Bring the energies of cells of one host to one formula unit.

    Args:
        cells: in any order, of any size.
        formula_unit: what makes a formula unit, or a part of it, such as ``O2``; the host in smallest whole numbers if
            not told.

    Raises:
        InputError: if a composition is no formula, cells are of different hosts, or have no whole formula units.
    """
    found = []
    first: tuple[str, dict[str, float]] | None = None
    for cell in cells:
        if cell.composition is None:
            units, content = cell.formula_units or 1.0, float(cell.x or 0.0)
        else:
            atoms = _counted(cell.composition)
            lithium = atoms.pop(_ION, 0)
            units = cell.formula_units or _formula_units(atoms, cell.composition, formula_unit)
            content = lithium / units
            host = {symbol: round(number / units, 6) for symbol, number in atoms.items()}
            first = first or (cell.composition, host)
            _require_one_host((cell.composition, host), first)
        energies = tuple(energy / units for energy in cell.energies)
        found.append(GroundStateEnergy(content, energies, cell.judged_by, cell.name or cell.composition or ""))
    return found


def _counted(text: str) -> dict[str, int]:
    """Return how many atoms of each element a formula has."""
    try:
        counted = {str(symbol): int(number) for symbol, number in Formula(text, strict=True).count().items()}
    except ValueError:
        counted = {}
    if not counted:
        raise InputError(
            f"{text!r} is no formula of a cell; write the numbers of its atoms, such as Li2Mn4P4O16."
        ) from None
    return counted


def _formula_units(host: Mapping[str, int], composition: str, formula_unit: str | None) -> float:
    """Return how many formula units a cell has."""
    if not host:
        raise InputError(f"{composition} has nothing but lithium; give the energy of lithium metal on its own.")
    if formula_unit is None:
        return float(gcd(*host.values()))
    wanted = _counted(formula_unit)
    shares = {host.get(symbol, 0) / number for symbol, number in wanted.items() if symbol != _ION}
    if len(shares) != 1 or not min(shares):
        raise InputError(
            f"{composition} has no whole number of formula units {formula_unit}; name atoms of the host that it has in "
            "this ratio, such as O2."
        )
    return shares.pop()


def _require_one_host(one: tuple[str, dict[str, float]], first: tuple[str, dict[str, float]]) -> None:
    """Refuse cells of different hosts."""
    if one[1] != first[1]:
        raise InputError(
            f"{one[0]} without lithium is {_written(one[1])} a formula unit, but {first[0]} is {_written(first[1])}; "
            "compare cells of one host, or say with formula_units how many there are."
        )


def _written(host: Mapping[str, float]) -> str:
    return "".join(f"{symbol}{number:g}" if number != 1 else symbol for symbol, number in sorted(host.items()))
