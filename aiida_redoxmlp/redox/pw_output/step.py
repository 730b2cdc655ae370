"""The numbers pw.x prints about one ionic step: everything between one SCF cycle's start and the next one's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError, block_numbers, line_numbers, one_number
from aiida_redoxmlp.redox.pw_output.occupations import OccupationBlock, read_occupations
from aiida_redoxmlp.redox.pw_output.stacking import one
from aiida_redoxmlp.redox.pw_output.text import StepText, counted

__all__ = ("StepNumbers", "read_step")

_FORCE = re.compile(r"\s*atom\s+(\d+)\s+type\s+\d+\s+force =(.*)")
_PARTS = (
    r"one-electron contribution|hartree contribution|xc contribution|ewald contribution|Hubbard energy"
    r"|one-center paw contrib\.|smearing contrib\. \(-TS\)|Dispersion Correction"
)
_PART = re.compile(rf"\s*({_PARTS})\s+=(.*)Ry\s*$")
_ONCE = (
    "accuracy", "smearing", "internal_energy", "parts", "magnetization", "absolute_magnetization", "converged",
    "forces", "total_force", "stress", "dynamics", "kinetic_energy", "temperature", "conserved", "cycles", "new_energy",
)  # fmt: skip
"""Landmarks of which a second one after the energy belongs to another step."""
_TIME = re.compile(r"\s*time\s+=(.*)pico-seconds")


@dataclass(frozen=True, eq=False)
class StepNumbers:
    """The numbers of one or more ionic steps as printed, in the units of pw.x; None is what was not printed.

    The first axis of every array is for the steps, and those of which nothing else is said have only that one.

    Attributes:
        energy: Ry.
        accuracy: estimated SCF accuracy, Ry.
        iterations: number of SCF iterations.
        gave_up: whether pw.x says that convergence was not achieved.
        entropy: internal energy and the contribution -TS of smearing, Ry, shape (steps, 2).
        parts: contributions that add up to the internal energy (or, if ``parts_of_total``, to the energy), Ry,
            shape (steps, n_parts).
        parts_of_total: see ``parts``.
        ewald: the part that is the electrostatic energy of the ions, Ry.
        magnetization: total and absolute, μB, shape (steps, 2).
        occupations: the occupation block of the last SCF iteration.
        forces: Ry/bohr, shape (steps, n_atoms, 3).
        total_force: Ry/bohr.
        stress: in Ry/bohr³ and in kbar, positive under compression, shape (steps, 3, 6).
        pressure: kbar.
        counter: number of the time step.
        thermal: kinetic energy in Ry, temperature in K and conserved quantity in Ry, shape (steps, 3).
        time: ps.
        setup: ``free`` or ``thermostat`` where pw.x says how the ions move, else empty.
        cycles: number of SCF cycles that a relaxation has counted.
        new_energy: repeated by a relaxation, Ry.
    """

    energy: NDArray[np.float64]
    accuracy: NDArray[np.float64] | None
    iterations: NDArray[np.float64]
    gave_up: bool
    entropy: NDArray[np.float64] | None
    parts: NDArray[np.float64] | None
    parts_of_total: bool
    ewald: NDArray[np.float64] | None
    magnetization: NDArray[np.float64] | None
    occupations: OccupationBlock | None
    forces: NDArray[np.float64] | None
    total_force: NDArray[np.float64] | None
    stress: NDArray[np.float64] | None
    pressure: NDArray[np.float64] | None
    counter: NDArray[np.float64] | None
    thermal: NDArray[np.float64] | None
    time: NDArray[np.float64] | None
    setup: str
    cycles: NDArray[np.float64] | None
    new_energy: NDArray[np.float64] | None


def read_step(text: StepText, kinds: Sequence[str]) -> StepNumbers:
    """Read the results of one ionic step.

    Args:
        text: the step, from its last SCF iteration on.
        kinds: the engine's species name of every atom.

    Raises:
        GarbledBlockError: if something is missing or not readable.
    """
    energy_line = _energy_line(text)
    energy = _value(text, energy_line, "the total energy")
    parts, parts_of_total, ewald = _read_parts(text, energy_line)
    forces, total_force = _read_forces(text, energy_line, len(kinds))
    stress, pressure = _read_stress(text, energy_line)
    counter, thermal, time = _read_dynamics(text, energy_line)
    return StepNumbers(
        energy=energy,
        accuracy=_read_accuracy(text, energy_line),
        iterations=_read_iterations(text),
        gave_up=bool(text.marks["unconverged"]),
        entropy=_read_pair(text, energy_line, ("internal_energy", "smearing"), "the smearing contribution"),
        parts=parts,
        parts_of_total=parts_of_total,
        ewald=ewald,
        magnetization=_read_magnetization(text, energy_line),
        occupations=_read_last_occupations(text, energy_line, kinds),
        forces=forces,
        total_force=total_force,
        stress=stress,
        pressure=pressure,
        counter=counter,
        thermal=thermal,
        time=time,
        setup=_read_setup(text, energy_line),
        cycles=_read_cycles(text, energy_line),
        new_energy=_optional(text, energy_line, "new_energy", "the repeated energy"),
    )


def _value(text: StepText, line: int, what: str) -> NDArray[np.float64]:
    return one(one_number(re.split(r"\s=\s*", text.line(line), maxsplit=1)[1], what))


def _optional(text: StepText, energy_line: int, name: str, what: str) -> NDArray[np.float64] | None:
    line = text.after(energy_line, name)
    return None if line is None else _value(text, line, what)


def _energy_line(text: StepText) -> int:
    """Return the line of the final energy, or of the last one printed when the SCF cycle gave up."""
    line = text.last("energy")
    if line is None and text.marks["unconverged"]:
        line = text.last("running_energy")
    if line is None:
        raise GarbledBlockError("no total energy")
    _refuse_other_steps(text, line)
    return line


def _refuse_other_steps(text: StepText, line: int) -> None:
    """Refuse what does not belong into one step with this line of its energy, and a step that lacks something."""
    if not text.marks["converged"] and not text.marks["unconverged"]:
        raise GarbledBlockError("nothing is said about the convergence of its SCF cycle")
    if any(number < line for name in ("forces", "positions", "dynamics") for number in text.marks[name]):
        raise GarbledBlockError("it runs into the step after it")
    last_iteration = max(text.marks["iteration"], default=-1)
    if line < last_iteration:
        raise GarbledBlockError("no total energy of the last SCF iteration")
    if any(last_iteration < number < line for number in text.marks["running_energy"]):
        raise GarbledBlockError("one SCF iteration of it runs into another")
    if any(number < line for number in text.marks["starting_occupations"]):
        raise GarbledBlockError("the starting occupations are in it")
    for name in _ONCE:
        if len([number for number in text.marks[name] if number > line]) > 1:
            raise GarbledBlockError(f"its {name.replace('_', ' ')} is printed twice")
    for name in ("forces", "stress"):
        if text.marks[f"{name}_timed"] and not text.marks[name] and not text.marks["unconverged"]:
            raise GarbledBlockError(f"its {name} is missing, on which pw.x spent time")


def _read_accuracy(text: StepText, energy_line: int) -> NDArray[np.float64] | None:
    if text.marks["unconverged"]:
        return None
    accuracy = text.after(energy_line, "accuracy")
    if accuracy is None:
        raise GarbledBlockError("no SCF accuracy after the total energy")
    return one(one_number(text.line(accuracy).split("<", 1)[1], "the SCF accuracy"))


def _read_iterations(text: StepText) -> NDArray[np.float64]:
    name = "converged" if text.marks["converged"] else "unconverged"
    line = text.line(text.marks[name][-1])
    return one(one_number(re.split(r" in | after ", line)[-1], "the number of SCF iterations"))


def _read_pair(text: StepText, energy_line: int, names: Sequence[str], what: str) -> NDArray[np.float64] | None:
    values = [value for name in names if (value := _optional(text, energy_line, name, what)) is not None]
    return np.stack(values, axis=1) if len(values) == len(names) else None


def _read_parts(
    text: StepText, energy_line: int
) -> tuple[NDArray[np.float64] | None, bool, NDArray[np.float64] | None]:
    start = text.after(energy_line, "parts")
    if start is None:
        return None, False, None
    end = next((i for i in range(start + 1, len(text.lines)) if not text.lines[i].strip()), len(text.lines))
    heading, *rows = text.block(start, end + 1)
    of_total = "E=F" not in heading and "F=E" not in heading
    matches = [_PART.match(row) for row in rows if row.strip()]
    parts = {match[1]: one_number(match[2], "a part of the energy") for match in matches if match}
    ewald = one(parts["ewald contribution"]) if "ewald contribution" in parts else None
    # Contributions that are not known here may be listed without being added.
    known = bool(matches) and len(parts) == len(matches)
    return one(list(parts.values())) if known else None, of_total, ewald


def _read_magnetization(text: StepText, energy_line: int) -> NDArray[np.float64] | None:
    lines = [text.after(energy_line, name) for name in ("magnetization", "absolute_magnetization")]
    total, absolute = lines
    if total is None and absolute is None:
        return None
    if total is None or absolute is None:
        raise GarbledBlockError("the total or the absolute magnetization is missing")
    values = [text.line(line).split("=", 1)[1].partition("Bohr")[0] for line in (total, absolute)]
    if len(values[0].split()) == 3:
        # Without collinear spins the magnetization is a vector.
        return None
    return one([line_numbers(value, 1, "the magnetization")[0] for value in values])


def _read_last_occupations(text: StepText, energy_line: int, kinds: Sequence[str]) -> OccupationBlock | None:
    starts = [number for number in text.marks["occupations"] if number < energy_line]
    if not starts:
        return None
    end = text.after(starts[-1], "occupations_end")
    if end is None or end > energy_line:
        raise GarbledBlockError("the last occupation block does not end")
    if any(end < number < energy_line for number in text.marks["occupations_end"]):
        raise GarbledBlockError("the last occupation block does not begin")
    return read_occupations(text.block(starts[-1], end + 1), kinds)


def _read_forces(
    text: StepText, energy_line: int, n_atoms: int
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Read the total forces; the contributions that may follow them are not read."""
    start, total = text.after(energy_line, "forces"), text.after(energy_line, "total_force")
    if start is None:
        if total is not None:
            raise GarbledBlockError("the forces have no heading")
        if text.after(energy_line, "cycles") or text.after(energy_line, "dynamics"):
            raise GarbledBlockError("the forces are missing")
        return None, None
    if total is None:
        raise GarbledBlockError("the total force is missing")
    first = start + 1
    while first < total and not text.lines[first].strip():
        first += 1
    rows = text.block(start, min(first + n_atoms, total))[first - start :]
    forces = np.empty((n_atoms, 3))
    for atom in range(n_atoms):
        match = _FORCE.match(rows[atom]) if atom < len(rows) else None
        if match is None or int(match[1]) != atom + 1:
            raise GarbledBlockError(f"the force on atom {atom + 1} is missing")
        forces[atom] = line_numbers(match[2], 3, f"the force on atom {atom + 1}")
    return one(forces), _value(text, total, "the total force")


def _read_stress(text: StepText, energy_line: int) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    start = text.after(energy_line, "stress")
    if start is None:
        if text.after(energy_line, "computing_stress") is not None:
            raise GarbledBlockError("the stress is missing")
        return None, None
    if (line := text.after(energy_line, "computing_stress")) is not None:
        text.line(line)
    heading, *rows = text.block(start, start + 4)
    # The columns after the first three repeat the tensor in kbar.
    halves = [
        block_numbers([" ".join(row.split()[columns]) for row in rows], 3, 3, "the stress")
        for columns in (slice(3), slice(3, None))
    ]
    return one(np.hstack(halves)), one(one_number(heading.rpartition("P=")[2], "the pressure"))


def _read_dynamics(
    text: StepText, energy_line: int
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return the time step's number, energies and temperature, and the time."""
    line = text.after(energy_line, "dynamics")
    lines = [text.after(energy_line, name) for name in ("kinetic_energy", "temperature", "conserved")]
    if line is None:
        if lines != [None] * 3:
            raise GarbledBlockError("the number of the time step is missing")
        return None, None, None
    heading, following = text.block(line, line + 2)
    counter = one(counted(heading))
    match = _TIME.match(following)
    time = one(one_number(match[1], "the time")) if match else None
    if lines == [None] * 3:
        # Brownian dynamics prints no kinetic energy.
        return counter, None, time
    if None in lines:
        raise GarbledBlockError("kinetic energy, temperature or conserved quantity is missing")
    what = ("the kinetic energy", "the temperature", "the conserved quantity")
    values = [_value(text, line, name) for line, name in zip(lines, what, strict=True) if line is not None]
    return counter, np.stack(values, axis=1), time


def _read_setup(text: StepText, energy_line: int) -> str:
    """Return ``free`` or ``thermostat`` where pw.x says how the ions move, else nothing."""
    if (line := text.after(energy_line, "dynamics_setup")) is None:
        return ""
    text.line(line)
    if (line := text.after(line, "thermostat")) is None:
        return "free"
    text.line(line)
    return "thermostat"


def _read_cycles(text: StepText, energy_line: int) -> NDArray[np.float64] | None:
    line = text.after(energy_line, "cycles")
    return None if line is None else one(counted(text.line(line)))
