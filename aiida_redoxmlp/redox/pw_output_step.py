"""One ionic step of a pw.x output: everything between one SCF cycle's start and the next one's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.occupations import IonicStep, SiteOccupations
from aiida_redoxmlp.redox.pw_output_header import PwHeader
from aiida_redoxmlp.redox.pw_output_numbers import (
    BOHR,
    RYDBERG,
    GarbledBlockError,
    block_numbers,
    line_numbers,
    one_number,
)
from aiida_redoxmlp.redox.pw_output_occupations import read_occupations

__all__ = ("Geometry", "StepText", "read_next_geometry", "read_step")

_MARKS = {
    "iteration": r"iteration #",
    "energy": r"!\s+total energy\s+=",
    "running_energy": r"total energy\s+=",
    "accuracy": r"estimated scf accuracy\s+<",
    "occupations": r"=+ HUBBARD OCCUPATIONS =+|--- enter write_nsg? ---",
    "occupations_end": r"Number of occupied Hubbard levels|--- exit write_nsg? ---",
    "converged": r"convergence has been achieved in",
    "unconverged": r"convergence NOT achieved after",
    "forces": r"Forces acting on atoms",
    "total_force": r"Total force =",
    "stress": r"total\s+stress\s+\(Ry/bohr",
    "computing_stress": r"Computing stress",
    "dynamics": r"Entering Dynamics",
    "temperature": r"temperature\s+=",
    "volume": r"new unit-cell volume",
    "cell": r"CELL_PARAMETERS",
    "positions": r"ATOMIC_POSITIONS",
    "moved_on": r"Writing |init_run |BFGS Geometry|number of scf cycles|bfgs converged|End of |JOB DONE",
    "error": r"Error in routine",
}
_MARK = re.compile(r"\s*(?:" + "|".join(f"(?P<{name}>{pattern})" for name, pattern in _MARKS.items()) + ")")

_FORCE = re.compile(r"\s*atom\s+(\d+)\s+type\s+\d+\s+force =(.*)")
_POSITIONS_UNIT = re.compile(r"\s*ATOMIC_POSITIONS\s*[({]?\s*(alat|bohr|angstrom|crystal)\b")
_CELL_UNIT = re.compile(r"\s*CELL_PARAMETERS\s*[({]?\s*(alat|bohr|angstrom)\b(?:\s*=\s*([\d.]+))?")


@dataclass(frozen=True, eq=False)
class Geometry:
    """Cell and positions a step was computed at; None, with the reason, where they could not be read.

    Attributes:
        cell: rows in Å, shape (3, 3).
        positions: Å, shape (n_atoms, 3).
        problem: what was wrong with the part that is None.
    """

    cell: NDArray[np.float64] | None
    positions: NDArray[np.float64] | None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class StepText:
    """The lines of one step and where its landmarks are.

    Attributes:
        lines: text from one line "Self-consistent Calculation" to the next.
        marks: line numbers of each landmark, ascending.
    """

    lines: Sequence[str]
    marks: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        marks: dict[str, list[int]] = {name: [] for name in _MARKS}
        for number, line in enumerate(self.lines):
            match = _MARK.match(line)
            if match and match.lastgroup:
                marks[match.lastgroup].append(number)
        object.__setattr__(self, "marks", marks)

    def last(self, name: str) -> int | None:
        """Line number of the last landmark of this name, or None."""
        return self.marks[name][-1] if self.marks[name] else None

    def after(self, line: int, name: str) -> int | None:
        """Line number of the first landmark of this name after ``line``, or None."""
        return next((number for number in self.marks[name] if number > line), None)

    @property
    def ends(self) -> bool:
        """Whether the output goes on to something after this step's results."""
        energy = self.last("energy") or self.last("unconverged")
        if energy is None:
            return False
        if self.after(energy, "dynamics") is not None:
            return self.after(energy, "temperature") is not None
        return self.after(energy, "moved_on") is not None or self.after(energy, "positions") is not None


def read_step(text: StepText, index: int, header: PwHeader, geometry: Geometry) -> IonicStep:
    """Read the results of one ionic step.

    Args:
        text: the step.
        index: its number in the file, from 0.
        header: set-up of the run.
        geometry: cell and positions of this step, printed after the step before.

    Raises:
        GarbledBlockError: if something is missing or not readable.
    """
    if geometry.cell is None or geometry.positions is None:
        raise GarbledBlockError(geometry.problem)
    energy_line = _energy_line(text)
    return IonicStep(
        index=index,
        symbols=header.symbols,
        positions=geometry.positions,
        cell=geometry.cell,
        energy=RYDBERG * one_number(text.lines[energy_line].split("=")[1], "the total energy"),
        forces=_read_forces(text, energy_line, len(header.kinds)),
        stress=_read_stress(text, energy_line),
        occupations=_read_last_occupations(text, energy_line, header.kinds),
        scf_converged=_scf_converged(text, energy_line, header.scf_threshold),
        scf_iterations=_scf_iterations(text),
        temperature=_read_temperature(text, energy_line),
    )


def _energy_line(text: StepText) -> int:
    """Return the line of the final energy, or of the last one printed when the SCF cycle gave up."""
    line = text.last("energy")
    if line is None and text.marks["unconverged"]:
        line = text.last("running_energy")
    if line is None:
        raise GarbledBlockError("no total energy")
    if not text.marks["converged"] and not text.marks["unconverged"]:
        raise GarbledBlockError("nothing is said about the convergence of its SCF cycle")
    if any(number < line for name in ("forces", "positions", "dynamics") for number in text.marks[name]):
        raise GarbledBlockError("it runs into the step after it")
    return line


def _scf_converged(text: StepText, energy_line: int, threshold: float) -> bool:
    """Whether self-consistency was really reached.

    With ``scf_must_converge = .false.`` pw.x says "convergence has been achieved" when it runs out of
    iterations, so the accuracy is compared with the threshold. The margins are those of the printed digits.
    """
    if text.marks["unconverged"]:
        return False
    accuracy = text.after(energy_line, "accuracy")
    if accuracy is None:
        raise GarbledBlockError("no SCF accuracy after the total energy")
    reached = one_number(text.lines[accuracy].split("<")[1], "the SCF accuracy")
    return reached <= 1.05 * threshold + 1e-8


def _scf_iterations(text: StepText) -> int:
    line = text.last("converged") or text.last("unconverged") or 0
    return int(one_number(re.split(r" in | after ", text.lines[line])[-1], "the number of SCF iterations"))


def _read_last_occupations(text: StepText, energy_line: int, kinds: Sequence[str]) -> tuple[SiteOccupations, ...]:
    starts = [number for number in text.marks["occupations"] if number < energy_line]
    if not starts:
        return ()
    if text.marks["energy"] and starts[-1] < max(text.marks["iteration"], default=0):
        raise GarbledBlockError("no occupation block for the last SCF iteration")
    end = text.after(starts[-1], "occupations_end")
    if end is None or end > energy_line:
        raise GarbledBlockError("the last occupation block does not end")
    return read_occupations(text.lines[starts[-1] : end + 1], kinds)


def _read_forces(text: StepText, energy_line: int, n_atoms: int) -> NDArray[np.float64] | None:
    """Read the total forces in eV/Å; the contributions that may follow them are not read."""
    start = text.after(energy_line, "forces")
    if start is None:
        if text.after(energy_line, "total_force") is not None:
            raise GarbledBlockError("the forces have no heading")
        return None
    rows = [line for line in text.lines[start + 1 :] if line.strip()][:n_atoms]
    forces = np.empty((n_atoms, 3))
    for atom in range(n_atoms):
        match = _FORCE.match(rows[atom]) if atom < len(rows) else None
        if match is None or int(match[1]) != atom + 1:
            raise GarbledBlockError(f"the force on atom {atom + 1} is missing")
        forces[atom] = line_numbers(match[2], 3, f"the force on atom {atom + 1}")
    return forces * (RYDBERG / BOHR)


def _read_stress(text: StepText, energy_line: int) -> NDArray[np.float64] | None:
    """Read the stress in eV/Å³; pw.x prints it positive under compression, ASE has it the other way."""
    start = text.after(energy_line, "stress")
    if start is None:
        if text.after(energy_line, "computing_stress") is not None:
            raise GarbledBlockError("the stress is missing")
        return None
    # The columns after the first three repeat the tensor in kbar.
    rows = [" ".join(line.split()[:3]) for line in text.lines[start + 1 : start + 4]]
    return -block_numbers(rows, 3, 3, "the stress") * (RYDBERG / BOHR**3)


def _read_temperature(text: StepText, energy_line: int) -> float | None:
    line = text.after(energy_line, "temperature")
    return None if line is None else one_number(text.lines[line].split("=")[1], "the temperature")


def read_next_geometry(text: StepText, header: PwHeader, geometry: Geometry) -> Geometry:
    """Return where the ions go after this step, which is where the next step is computed."""
    found = geometry
    try:
        if (line := text.last("cell")) is not None:
            found = replace(found, cell=_read_cell(text.lines[line : line + 4], header))
        elif text.marks["volume"]:
            return Geometry(None, None, "the new cell is missing")
        if (line := text.last("positions")) is not None:
            rows = text.lines[line : line + 1 + len(header.kinds)]
            return replace(found, positions=_read_positions(rows, header, found.cell))
    except GarbledBlockError as error:
        return Geometry(found.cell if found is not geometry else geometry.cell, None, str(error))
    if text.marks["forces"]:
        return Geometry(found.cell, None, "the positions after the step before are missing")
    return found


def _read_cell(lines: Sequence[str], header: PwHeader) -> NDArray[np.float64]:
    match = _CELL_UNIT.match(lines[0])
    if match is None:
        raise GarbledBlockError("the new cell has no unit")
    alat = BOHR * float(match[2]) if match[2] else header.alat
    unit = {"alat": alat, "bohr": BOHR, "angstrom": 1.0}[match[1]]
    return unit * block_numbers(lines[1:], 3, 3, "the new cell")


def _read_positions(lines: Sequence[str], header: PwHeader, cell: NDArray[np.float64] | None) -> NDArray[np.float64]:
    match = _POSITIONS_UNIT.match(lines[0])
    if match is None:
        raise GarbledBlockError("the positions have no unit")
    if tuple(line.split()[0] if line.strip() else "" for line in lines[1:]) != header.kinds:
        raise GarbledBlockError("the positions do not list the atoms of the cell")
    # Three flags follow the coordinates of atoms that may not move freely.
    rows = [" ".join(line.split()[1:4]) for line in lines[1:]]
    positions = block_numbers(rows, len(header.kinds), 3, "the positions")
    if match[1] == "crystal":
        if cell is None:
            raise GarbledBlockError("the positions are in crystal coordinates of a cell that is not readable")
        return positions @ cell
    return positions * {"alat": header.alat, "bohr": BOHR, "angstrom": 1.0}[match[1]]
