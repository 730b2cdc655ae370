"""What pw.x prints before the first ionic step: cell, atoms, species."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.numbers import BOHR, GarbledBlockError, line_numbers, one_number

__all__ = ("PwHeader", "check_header", "read_header", "read_version")

_VERSION = re.compile(r"\s*Program PWSCF v\.(\S+)")
_LATTICE_VECTOR = re.compile(r"\s*a\((\d)\) = \((.*)\)")
_RECIPROCAL_VECTOR = re.compile(r"\s*b\((\d)\) = \((.*)\)")
_SPECIES = re.compile(r"\s*(\S+)\s+(\S+)\s+(\S+)\s+([A-Za-z]{1,2})\s*\(")
_NOT_PERIODIC = re.compile(r"----2D|Martyna|Effective Screening|isolated system")
_PSEUDOPOTENTIAL = re.compile(r"\s*PseudoPot\. #\s*\d+ for\s+([A-Za-z]{1,2})\s")
_OCCUPATIONS = re.compile(r"\s*(?:=+ HUBBARD OCCUPATIONS =+|--- enter write_nsg? ---)")
_SITE = re.compile(r"\s*(\d+)\s+(\S+)\s+tau\(\s*(\d+)\) = \((.*)\)")

_PRINTED = 5.1e-7
"""Largest rounding error of a lattice vector, printed with six decimals."""


@dataclass(frozen=True, eq=False)
class PwHeader:
    """The set-up of a pw.x run.

    Attributes:
        version: version of the program, such as ``7.2``.
        alat: lattice parameter in Å, the unit of positions printed as ``alat``.
        cell: rows in Å, shape (3, 3).
        kinds: species name of every atom, such as ``Mn1``.
        symbols: chemical symbol of every atom.
        positions: starting positions in Å, shape (n_atoms, 3), or None where they are not readable.
        scf_threshold: convergence threshold of the estimated SCF accuracy in Ry.
        masses: of every atom in atomic mass units, shape (n_atoms,).
        charges: of every ion, shape (n_atoms,).
        periodic: whether the electrostatics is that of a crystal, not of a slab or a molecule.
        variable_cell: whether the cell changes, so that it is printed with the positions.
        restarted: whether the run goes on from another one.
        hubbard: whether there are Hubbard occupations to start from, so that each step has some.
    """

    version: str
    alat: float
    cell: NDArray[np.float64]
    kinds: tuple[str, ...]
    symbols: tuple[str, ...]
    positions: NDArray[np.float64] | None
    scf_threshold: float
    masses: NDArray[np.float64]
    charges: NDArray[np.float64]
    periodic: bool
    variable_cell: bool
    restarted: bool
    hubbard: bool


def read_version(lines: Sequence[str]) -> str | None:
    """Return the version of pw.x that wrote these lines, or None if pw.x did not."""
    return next((match[1] for line in lines if (match := _VERSION.match(line))), None)


def read_header(lines: Sequence[str]) -> PwHeader:
    """Read the lines before the first SCF cycle.

    Raises:
        GarbledBlockError: if the cell or the atoms are missing or not readable.
    """
    n_atoms = int(_value_after(lines, "number of atoms/cell", "the number of atoms"))
    alat = _value_after(lines, "celldm(1)", "the lattice parameter")
    kinds, positions = _read_sites(lines, n_atoms)
    species = _read_species(lines)
    missing = sorted(set(kinds) - set(species))
    if missing:
        raise GarbledBlockError(f"the table of species has no {missing[0]!r}")
    cell = _read_vectors(lines, _LATTICE_VECTOR)
    return PwHeader(
        version=read_version(lines) or "",
        alat=BOHR * alat,
        cell=BOHR * alat * cell,
        kinds=kinds,
        symbols=tuple(species[kind][0] for kind in kinds),
        positions=None if positions is None else BOHR * alat * positions,
        scf_threshold=_value_after(lines, "scf convergence threshold", "the SCF threshold"),
        masses=np.array([species[kind][1] for kind in kinds]),
        charges=np.array([species[kind][2] for kind in kinds]),
        periodic=not any(_NOT_PERIODIC.search(line) for line in lines),
        variable_cell=any("press convergence thresh" in line for line in lines),
        restarted=any("read from directory" in line for line in lines),
        hubbard=any(_OCCUPATIONS.match(line) for line in lines),
    )


def check_header(lines: Sequence[str], header: PwHeader) -> None:
    """Compare the cell with its reciprocal vectors and its volume, and the species with their pseudopotentials.

    Raises:
        GarbledBlockError: if two of them contradict each other by more than the rounding of their digits.
    """
    alat = header.alat / BOHR
    cell = header.cell / header.alat
    reciprocal = _read_vectors(lines, _RECIPROCAL_VECTOR)
    sizes = np.abs(cell).sum(axis=1)[:, None] + np.abs(reciprocal).sum(axis=1)
    if (np.abs(cell @ reciprocal.T - np.eye(3)) > _PRINTED * (sizes + 1)).any():
        raise GarbledBlockError("the cell and its reciprocal vectors contradict each other")
    if abs(alat - _value_after(lines, "lattice parameter (alat)", "the lattice parameter")) > 6e-5:
        raise GarbledBlockError("the lattice parameter is printed with two values")
    volume = abs(float(np.linalg.det(cell)))
    areas = float(np.abs(np.cross(cell, np.roll(cell, -1, axis=0))).sum())
    rounding = _PRINTED * (alat**3 * areas + 3 * alat**2 * volume) + 6e-5
    if abs(volume * alat**3 - _value_after(lines, "unit-cell volume", "the volume")) > rounding:
        raise GarbledBlockError("the cell does not have its printed volume")
    pseudopotentials = [match[1].capitalize() for line in lines if (match := _PSEUDOPOTENTIAL.match(line))]
    symbols = [symbol for symbol, *_ in _read_species(lines).values()]
    if len(pseudopotentials) == len(symbols) and pseudopotentials != symbols:
        raise GarbledBlockError("the table of species and the pseudopotentials contradict each other")


def _value_after(lines: Sequence[str], name: str, what: str) -> float:
    line = next((line for line in lines if line.lstrip().startswith(name) and "=" in line), None)
    if line is None:
        raise GarbledBlockError(f"{what} is missing")
    return one_number(line.split("=")[1], what)


def _read_vectors(lines: Sequence[str], pattern: re.Pattern[str]) -> NDArray[np.float64]:
    """Return lattice vectors in units of alat, or reciprocal ones in 2π/alat, shape (3, 3)."""
    vectors = [match for line in lines if (match := pattern.match(line))][:3]
    if [vector[1] for vector in vectors] != ["1", "2", "3"]:
        raise GarbledBlockError("the cell does not have the vectors 1, 2 and 3")
    return np.array([line_numbers(vector[2], 3, "the cell") for vector in vectors])


def _read_species(lines: Sequence[str]) -> dict[str, tuple[str, float, float]]:
    """Map each species name to its chemical symbol, mass and ionic charge, all from the table of species."""
    start = next((i for i, line in enumerate(lines) if line.split()[:3] == ["atomic", "species", "valence"]), None)
    if start is None:
        raise GarbledBlockError("the table of species is missing")
    species: dict[str, tuple[str, float, float]] = {}
    for line in lines[start + 1 :]:
        match = _SPECIES.match(line)
        if match is None:
            break
        symbol = match[4].capitalize()
        if symbol not in atomic_numbers:
            raise GarbledBlockError(f"the table of species has {symbol!r}, which is not a chemical symbol")
        mass, charge = one_number(match[3], "the mass of a species"), one_number(match[2], "the valence of a species")
        if mass <= 0:
            raise GarbledBlockError(f"the mass of species {match[1]!r} is not positive")
        species[match[1]] = symbol, mass, charge
    return species


def _read_sites(lines: Sequence[str], n_atoms: int) -> tuple[tuple[str, ...], NDArray[np.float64] | None]:
    """Return species names and starting positions in units of alat (None where they are not readable)."""
    start = next((i for i, line in enumerate(lines) if "positions (alat units)" in line), None)
    if start is None:
        raise GarbledBlockError("the list of atoms is missing")
    # One line more than the number of atoms, so that a list of more atoms is seen.
    matches = [_SITE.match(line) for line in lines[start + 1 : start + 2 + n_atoms]]
    found = [match for match in matches if match is not None]
    if [match[1] for match in found] != [str(number + 1) for number in range(n_atoms)]:
        raise GarbledBlockError(f"the list of atoms does not have the atoms 1 to {n_atoms}")
    try:
        positions = np.array([line_numbers(match[4], 3, "the list of atoms") for match in found])
    except GarbledBlockError:
        # Later steps print their own positions, so only the first step is lost.
        return tuple(match[2] for match in found), None
    return tuple(match[2] for match in found), positions
