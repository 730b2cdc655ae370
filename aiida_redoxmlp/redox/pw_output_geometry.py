"""Where the ions go after a step, as pw.x prints it, and the geometry that follows from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output_header import PwHeader
from aiida_redoxmlp.redox.pw_output_numbers import BOHR, GarbledBlockError, block_numbers, one_number
from aiida_redoxmlp.redox.pw_output_stacking import one
from aiida_redoxmlp.redox.pw_output_text import StepText

__all__ = ("Geometry", "GeometryNumbers", "first_geometry", "next_geometries", "read_geometry")

_POSITIONS_UNIT = re.compile(r"\s*ATOMIC_POSITIONS\s*[({]?\s*(alat|bohr|angstrom|crystal)\b")
_PRINTED = 5.1e-11
"""Largest rounding error of a coordinate, printed with ten decimals."""
_CELL_UNIT = re.compile(r"\s*CELL_PARAMETERS\s*[({]?\s*(alat|bohr|angstrom)\b(?:\s*=\s*([\d.]+))?")


@dataclass(frozen=True, eq=False)
class Geometry:
    """Cell and positions a step was computed at; None, with the reason, where they could not be read.

    Attributes:
        cell: rows in Å, shape (3, 3).
        positions: Å, shape (n_atoms, 3).
        rounding: Å, how far a printed coordinate may be from the true one.
        problem: what was wrong with the part that is None.
        in_header: whether it is the starting geometry.
    """

    cell: NDArray[np.float64] | None
    positions: NDArray[np.float64] | None
    rounding: float = 0.0
    problem: str = ""
    in_header: bool = False


@dataclass(frozen=True, eq=False)
class GeometryNumbers:
    """The cell and the positions printed after one or more steps, in the units of pw.x; None is what was not printed.

    Attributes:
        positions: shape (steps, n_atoms, 3).
        positions_unit: ``alat``, ``bohr``, ``angstrom`` or ``crystal``.
        cell: rows, shape (steps, 3, 3).
        cell_unit: ``alat``, ``bohr`` or ``angstrom``.
        cell_alat: the lattice parameter in bohr that is printed with the cell, shape (steps,).
        volume: bohr³, shape (steps,).
        problem: why positions or cell could not be read.
        expected: whether positions belong there.
    """

    positions: NDArray[np.float64] | None
    positions_unit: str
    cell: NDArray[np.float64] | None
    cell_unit: str
    cell_alat: NDArray[np.float64] | None
    volume: NDArray[np.float64] | None
    problem: str
    expected: bool


def read_geometry(text: StepText, kinds: Sequence[str]) -> GeometryNumbers:
    """Read the geometry of the next step; what is wrong with it is told in ``problem``."""
    cell, cell_unit, cell_alat, volume = None, "", None, None
    positions, positions_unit, problem = None, "", ""
    try:
        for name in ("positions", "cell"):
            if len(text.marks[name]) > 1:
                raise GarbledBlockError(f"the {name} after the step before are printed twice")
        if (line := text.last("volume")) is not None:
            volume = one(one_number(text.line(line).partition("=")[2], "the new volume"))
        if (line := text.last("cell")) is not None:
            cell, cell_unit, cell_alat = _read_cell(text.block(line, line + 4))
        elif volume is not None:
            raise GarbledBlockError("the new cell is missing")
        if (line := text.last("positions")) is not None:
            positions, positions_unit = _read_positions(text.block(line, line + 1 + len(kinds)), kinds)
    except GarbledBlockError as error:
        problem = str(error)
    return GeometryNumbers(
        positions, positions_unit, cell, cell_unit, cell_alat, volume, problem, expected=bool(text.marks["forces"])
    )


def _read_cell(lines: Sequence[str]) -> tuple[NDArray[np.float64], str, NDArray[np.float64] | None]:
    match = _CELL_UNIT.match(lines[0])
    if match is None:
        raise GarbledBlockError("the new cell has no unit")
    alat = one(one_number(match[2], "the new lattice parameter")) if match[2] else None
    return one(block_numbers(lines[1:], 3, 3, "the new cell")), match[1], alat


def _read_positions(lines: Sequence[str], kinds: Sequence[str]) -> tuple[NDArray[np.float64], str]:
    match = _POSITIONS_UNIT.match(lines[0])
    if match is None:
        raise GarbledBlockError("the positions have no unit")
    if tuple(line.split()[0] if line.strip() else "" for line in lines[1:]) != tuple(kinds):
        raise GarbledBlockError("the positions do not list the atoms of the cell")
    # Three flags follow the coordinates of atoms that may not move freely.
    rows = [" ".join(line.split()[1:4]) for line in lines[1:]]
    return one(block_numbers(rows, len(kinds), 3, "the positions")), match[1]


def first_geometry(header: PwHeader) -> Geometry:
    """Return the geometry of the first step: seven decimals in units of alat, which has six in bohr."""
    if header.positions is None:
        return Geometry(header.cell, None, problem="the starting positions are not readable", in_header=True)
    largest = float(np.abs(header.positions).max()) / header.alat
    return Geometry(header.cell, header.positions, 5.1e-8 * header.alat + 5.1e-7 * BOHR * largest, in_header=True)


def next_geometries(numbers: GeometryNumbers, header: PwHeader, before: Geometry, steps: int) -> list[Geometry]:
    """Return the geometries that are printed after ``steps`` steps, of which the first was computed at ``before``."""
    geometries: list[Geometry] = []
    for step in range(steps):
        before = _next_geometry(numbers, header, before, step)
        geometries.append(before)
    return geometries


def _next_geometry(numbers: GeometryNumbers, header: PwHeader, before: Geometry, step: int) -> Geometry:
    cell = before.cell
    if numbers.cell is not None:
        alat = header.alat if numbers.cell_alat is None else BOHR * float(numbers.cell_alat[step])
        cell = numbers.cell[step] * {"alat": alat, "bohr": BOHR, "angstrom": 1.0}[numbers.cell_unit]
        if numbers.volume is not None and not _has_volume(cell, float(numbers.volume[step]) * BOHR**3):
            return Geometry(None, None, problem="the new cell does not have its printed volume")
    elif header.variable_cell and numbers.positions is not None:
        return Geometry(None, None, problem="the new cell is missing")
    if numbers.problem:
        lost_cell = numbers.volume is not None and numbers.cell is None
        return Geometry(None if lost_cell else cell, None, problem=numbers.problem)
    if numbers.positions is None:
        if numbers.expected:
            return Geometry(cell, None, problem="the positions after the step before are missing")
        return replace(before, cell=cell)
    positions = numbers.positions[step]
    if numbers.positions_unit == "crystal":
        if cell is None:
            return Geometry(None, None, problem="its positions are crystal coordinates in a cell that is not readable")
        return Geometry(cell, positions @ cell, _PRINTED * float(np.abs(cell).sum(axis=0).max()))
    unit = {"alat": header.alat, "bohr": BOHR, "angstrom": 1.0}[numbers.positions_unit]
    return Geometry(cell, positions * unit, _PRINTED * unit, before.problem if cell is None else "")


def _has_volume(cell: NDArray[np.float64], volume: float) -> bool:
    """Compare to the digits of the cell, nine decimals in Å or alat, and of the volume, five in bohr³."""
    found = float(np.linalg.det(cell))
    areas = float(np.abs(np.cross(cell, np.roll(cell, -1, axis=0))).sum())
    return abs(abs(found) - volume) < 2e-9 * areas + 2e-5 * BOHR**3
