"""The options that say which species may stand where, and the space of configurations they describe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from aiida_redoxmlp.cli.crystal import read_crystal, repetitions
from aiida_redoxmlp.cli.redox_options import (
    charge_option,
    fixed_option,
    pairs,
    redox_table,
    states_option,
    whole_number,
)
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.space import VACANCY, ConfigurationSpace

__all__ = ("SpaceOptions", "space_options")

_ANY = "any"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class SpaceOptions:
    """What a user says about the species of a structure.

    Attributes:
        structure: file of the structure with an atom on every site.
        charge: total charge of the cell in units of e.
        fixed: charges of elements that do not change theirs, ``Li=1,O=-2``.
        states: allowed states, ``Mn=2/3``.
        vacancies: how many sites of an element are empty, ``Li=4``, or ``Li=any``.
        exchange: elements that may change places, ``Ni/Mn/Co``, each group once.
        supercell: repetitions along the cell vectors, ``2x2x1``.
        lattice: file of the structure to take the symmetry from.
        symmetry_tolerance: spglib's symprec in Å.
    """

    structure: Path
    charge: int
    fixed: str
    states: str
    vacancies: str
    exchange: tuple[str, ...]
    supercell: str
    lattice: Path | None
    symmetry_tolerance: float

    def space(self) -> ConfigurationSpace:
        """Return the space of configurations.

        Raises:
            InputError: if an option, the structure or what they ask for cannot be used.
            ClosureError: if no configuration has the charge.
        """
        repeat = repetitions(self.supercell, "--supercell")
        atoms = read_crystal(self.structure, repeat)
        lattice = None if self.lattice is None else read_crystal(self.lattice, repeat)
        symbols = atoms.get_chemical_symbols()
        table = redox_table(self.fixed, self.states)
        species = {symbol: _species_of(symbol, table) for symbol in dict.fromkeys(symbols)}
        allowed = {symbol: some for symbol, some in species.items() if table.is_redox(symbol)}
        composition: dict[str, int] = {}
        for group in map(_exchanged, self.exchange):
            _require_present(group, symbols, "--exchange")
            together = [one for symbol in group for one in species[symbol]]
            allowed.update(dict.fromkeys(group, together))
            composition.update({symbol: symbols.count(symbol) for symbol in group})
        for symbol, text in pairs(self.vacancies).items():
            _require_present([symbol], symbols, "--vacancies")
            allowed[symbol] = [*allowed.get(symbol, species[symbol]), VACANCY]
            composition.pop(symbol, None)
            if text != _ANY:
                composition[symbol] = symbols.count(symbol) - _vacancies(text, symbol, symbols.count(symbol))
        return ConfigurationSpace.of(
            atoms,
            allowed,
            fixed_states={symbol: table.fixed_state(symbol) for symbol in species if symbol not in allowed},
            total_charge=self.charge,
            composition=composition,
            lattice=lattice,
            symmetry_tolerance=self.symmetry_tolerance,
        )


def space_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument STRUCTURE and the options of :class:`SpaceOptions`."""
    decorators = [
        click.argument("structure", type=_FILE),
        charge_option,
        fixed_option,
        states_option,
        click.option(
            "--vacancies", metavar="SYMBOL=NUMBER,…", default="", help="Empty sites in the cell: Li=4, or Li=any."
        ),
        click.option(
            "--exchange",
            metavar="SYMBOL/SYMBOL…",
            multiple=True,
            help="Elements that may change places: Ni/Mn/Co; can be repeated.",
        ),
        click.option("--supercell", metavar="AxBxC", default="1x1x1", show_default=True, help="Repeat STRUCTURE."),
        click.option("--lattice", type=_FILE, help="Undistorted structure to take the symmetry from."),
        click.option(
            "--symmetry-tolerance",
            type=click.FloatRange(min=0, min_open=True),
            default=0.01,
            show_default=True,
            help="Distance in Å below which positions are equivalent.",
        ),
    ]
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def _species_of(symbol: str, table: RedoxTable) -> list[Species]:
    """Return the species of an element: its allowed states, or its fixed one."""
    states = table.elements[symbol].states if table.is_redox(symbol) else (table.fixed_state(symbol),)
    return [Species(symbol, state) for state in states]


def _exchanged(text: str) -> list[str]:
    group = [symbol.strip() for symbol in text.split("/")]
    if len(group) < 2 or len(set(group)) < len(group):
        raise InputError(f"--exchange {text!r} is not understood; write different elements, such as Ni/Mn/Co.")
    return group


def _require_present(named: Sequence[str], symbols: Sequence[str], option: str) -> None:
    for symbol in named:
        if symbol not in symbols:
            raise InputError(
                f"{option} names {symbol}, but the structure has none; its elements are "
                f"{', '.join(sorted(set(symbols)))}."
            )


def _vacancies(text: str, symbol: str, number_of_sites: int) -> int:
    number = whole_number(text, f"--vacancies {symbol}")
    if not 0 <= number <= number_of_sites:
        raise InputError(
            f"--vacancies {symbol}={number} does not fit the {number_of_sites} {symbol} of the cell; "
            f"give a number from 0 to {number_of_sites}, or {_ANY}."
        )
    return number
