"""Where the ions go after a step, as pw.x prints it, and the geometry that follows from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.header import PwHeader
from aiida_redoxmlp.redox.pw_output.numbers import BOHR, GarbledBlockError, block_numbers, one_number
from aiida_redoxmlp.redox.pw_output.stacking import one
from aiida_redoxmlp.redox.pw_output.text import StepText, counted

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
        counter: number of the step with which it was printed.
    """

    cell: NDArray[np.float64] | None
    positions: NDArray[np.float64] | None
    rounding: float = 0.0
    problem: str = ""
    in_header: bool = False
    counter: float | None = None


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
        counter: number of the step before, as it is printed with the positions, shape (steps,).
        problem: why positions or cell could not be read.
    """

    positions: NDArray[np.float64] | None
    positions_unit: str
    cell: NDArray[np.float64] | None
    cell_unit: str
    cell_alat: NDArray[np.float64] | None
    volume: NDArray[np.float64] | None
    counter: NDArray[np.float64] | None
    problem: str


def read_geometry(text: StepText, kinds: Sequence[str]) -> GeometryNumbers:
    """Read the geometry of the next step; what is wrong with it is told in ``problem``."""
    volume = cell = cell_alat = None
    cell_unit = ""
    try:
        _refuse_doubles(text)
        if (line := text.last("volume")) is not None:
            volume = one(one_number(text.line(line).partition("=")[2], "the new volume"))
        if (line := text.last("cell")) is not None:
            cell, cell_unit, cell_alat = _read_cell(text.block(line, line + 4))
        positions, unit, counter = _read_positions(text, kinds)
    except GarbledBlockError as error:
        return GeometryNumbers(None, "", cell, cell_unit, cell_alat, volume, None, str(error))
    problem = "the new cell is missing" if volume is not None and cell is None else ""
    return GeometryNumbers(positions, unit, cell, cell_unit, cell_alat, volume, counter, problem)


def _refuse_doubles(text: StepText) -> None:
    for name in ("positions", "cell"):
        if len(text.marks[name]) > 1:
            raise GarbledBlockError(f"the {name} after the step before are printed twice")


def _read_counter(text: StepText, before: int) -> NDArray[np.float64] | None:
    lines = [number for name in ("dynamics", "cycles") for number in text.marks[name] if number < before]
    return one(counted(text.line(max(lines)))) if lines else None


def _read_cell(lines: Sequence[str]) -> tuple[NDArray[np.float64], str, NDArray[np.float64] | None]:
    match = _CELL_UNIT.match(lines[0])
    if match is None:
        raise GarbledBlockError("the new cell has no unit")
    alat = one(one_number(match[2], "the new lattice parameter")) if match[2] else None
    return one(block_numbers(lines[1:], 3, 3, "the new cell")), match[1], alat


def _read_positions(
    text: StepText, kinds: Sequence[str]
) -> tuple[NDArray[np.float64] | None, str, NDArray[np.float64] | None]:
    """Return the positions, their unit and the number of the step that prints them."""
    start = text.last("positions")
    if start is None:
        return None, "", None
    lines = text.block(start, start + 1 + len(kinds))
    match = _POSITIONS_UNIT.match(lines[0])
    if match is None:
        raise GarbledBlockError("the positions have no unit")
    if tuple(line.split()[0] if line.strip() else "" for line in lines[1:]) != tuple(kinds):
        raise GarbledBlockError("the positions do not list the atoms of the cell")
    # Three flags follow the coordinates of atoms that may not move freely.
    rows = [" ".join(line.split()[1:4]) for line in lines[1:]]
    return one(block_numbers(rows, len(kinds), 3, "the positions")), match[1], _read_counter(text, start)


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
        try:
            before = _next_geometry(numbers, header, before, step)
        except GarbledBlockError as error:
            before = Geometry(_kept_cell(numbers, header, before), None, problem=str(error))
        geometries.append(before)
    return geometries


def _kept_cell(numbers: GeometryNumbers, header: PwHeader, before: Geometry) -> NDArray[np.float64] | None:
    """Return the cell of a step of which the positions are lost: the one before, if cells do not change."""
    changes = header.variable_cell or numbers.cell is not None or numbers.volume is not None
    return None if changes else before.cell


def _next_geometry(numbers: GeometryNumbers, header: PwHeader, before: Geometry, step: int) -> Geometry:
    if numbers.problem:
        raise GarbledBlockError(numbers.problem)
    if numbers.positions is None:
        raise GarbledBlockError("the positions after the step before are missing")
    cell = before.cell if numbers.cell is None else _next_cell(numbers, header, numbers.cell[step], step)
    if header.variable_cell and numbers.cell is None:
        raise GarbledBlockError("the new cell is missing")
    counter = None if numbers.counter is None else float(numbers.counter[step])
    positions = numbers.positions[step]
    if numbers.positions_unit == "crystal":
        if cell is None:
            raise GarbledBlockError("its positions are crystal coordinates in a cell that is not readable")
        return Geometry(cell, positions @ cell, _PRINTED * float(np.abs(cell).sum(axis=0).max()), counter=counter)
    unit = {"alat": header.alat, "bohr": BOHR, "angstrom": 1.0}[numbers.positions_unit]
    problem = before.problem if cell is None else ""
    return Geometry(cell, positions * unit, _PRINTED * unit, problem, counter=counter)


def _next_cell(
    numbers: GeometryNumbers, header: PwHeader, printed: NDArray[np.float64], step: int
) -> NDArray[np.float64]:
    alat = header.alat if numbers.cell_alat is None else BOHR * float(numbers.cell_alat[step])
    cell = printed * {"alat": alat, "bohr": BOHR, "angstrom": 1.0}[numbers.cell_unit]
    if numbers.volume is not None and not _has_volume(cell, float(numbers.volume[step]) * BOHR**3):
        raise GarbledBlockError("the new cell does not have its printed volume")
    return cell


def _has_volume(cell: NDArray[np.float64], volume: float) -> bool:
    """Compare to the digits of the cell, nine decimals in Å or alat, and of the volume, five in bohr³."""
    found = float(np.linalg.det(cell))
    areas = float(np.abs(np.cross(cell, np.roll(cell, -1, axis=0))).sum())
    return abs(abs(found) - volume) < 2e-9 * areas + 2e-5 * BOHR**3
