"""What pw.x prints before the first ionic step: cell, atoms, species."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output_numbers import BOHR, GarbledBlockError, line_numbers, one_number

__all__ = ("PwHeader", "read_header", "read_version")

_VERSION = re.compile(r"\s*Program PWSCF v\.(\S+)")
_LATTICE_VECTOR = re.compile(r"\s*a\((\d)\) = \((.*)\)")
_SPECIES = re.compile(r"\s*(\S+)\s+\S+\s+\S+\s+([A-Za-z]{1,2})\s*\(")
_SITE = re.compile(r"\s*(\d+)\s+(\S+)\s+tau\(\s*(\d+)\) = \((.*)\)")


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
    """

    version: str
    alat: float
    cell: NDArray[np.float64]
    kinds: tuple[str, ...]
    symbols: tuple[str, ...]
    positions: NDArray[np.float64] | None
    scf_threshold: float


def read_version(lines: Sequence[str]) -> str | None:
    """Return the version of pw.x that wrote these lines, or None if pw.x did not."""
    return next((match[1] for line in lines if (match := _VERSION.match(line))), None)


def read_header(lines: Sequence[str]) -> PwHeader:
    """Read the lines before the first SCF cycle.

    Raises:
        GarbledBlockError: if the cell or the atoms are missing or not readable.
    """
    n_atoms = int(_value_after(lines, "number of atoms/cell", "the number of atoms"))
    alat = BOHR * _value_after(lines, "celldm(1)", "the lattice parameter")
    kinds, positions = _read_sites(lines, n_atoms)
    symbols = _read_species(lines)
    missing = sorted(set(kinds) - set(symbols))
    if missing:
        raise GarbledBlockError(f"the table of species has no {missing[0]!r}")
    return PwHeader(
        version=read_version(lines) or "",
        alat=alat,
        cell=alat * _read_cell(lines),
        kinds=kinds,
        symbols=tuple(symbols[kind] for kind in kinds),
        positions=None if positions is None else alat * positions,
        scf_threshold=_value_after(lines, "scf convergence threshold", "the SCF threshold"),
    )


def _value_after(lines: Sequence[str], name: str, what: str) -> float:
    line = next((line for line in lines if line.lstrip().startswith(name) and "=" in line), None)
    if line is None:
        raise GarbledBlockError(f"{what} is missing")
    return one_number(line.split("=")[1], what)


def _read_cell(lines: Sequence[str]) -> NDArray[np.float64]:
    """Return the lattice vectors in units of alat, shape (3, 3)."""
    vectors = [match for line in lines if (match := _LATTICE_VECTOR.match(line))][:3]
    if [vector[1] for vector in vectors] != ["1", "2", "3"]:
        raise GarbledBlockError("the cell does not have the vectors 1, 2 and 3")
    return np.array([line_numbers(vector[2], 3, "the cell") for vector in vectors])


def _read_species(lines: Sequence[str]) -> dict[str, str]:
    """Map each species name to its chemical symbol, both from the table of species."""
    start = next((i for i, line in enumerate(lines) if line.split()[:3] == ["atomic", "species", "valence"]), None)
    if start is None:
        raise GarbledBlockError("the table of species is missing")
    symbols: dict[str, str] = {}
    for line in lines[start + 1 :]:
        match = _SPECIES.match(line)
        if match is None:
            break
        symbol = match[2].capitalize()
        if symbol not in atomic_numbers:
            raise GarbledBlockError(f"the table of species has {symbol!r}, which is not a chemical symbol")
        symbols[match[1]] = symbol
    return symbols


def _read_sites(lines: Sequence[str], n_atoms: int) -> tuple[tuple[str, ...], NDArray[np.float64] | None]:
    """Return species names and starting positions in units of alat (None where they are not readable)."""
    start = next((i for i, line in enumerate(lines) if "positions (alat units)" in line), None)
    if start is None:
        raise GarbledBlockError("the list of atoms is missing")
    matches = [_SITE.match(line) for line in lines[start + 1 : start + 1 + n_atoms]]
    found = [match for match in matches if match is not None]
    if [match[1] for match in found] != [str(number + 1) for number in range(n_atoms)]:
        raise GarbledBlockError(f"the list of atoms does not have the atoms 1 to {n_atoms}")
    try:
        positions = np.array([line_numbers(match[4], 3, "the list of atoms") for match in found])
    except GarbledBlockError:
        # Later steps print their own positions, so only the first step is lost.
        return tuple(match[2] for match in found), None
    return tuple(match[2] for match in found), positions
