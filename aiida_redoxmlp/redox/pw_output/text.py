"""The text of one ionic step and its landmarks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError, one_number

__all__ = ("StepText", "counted", "has_landmark", "skeleton")

_MARKS = {
    "iteration": r"iteration #",
    "energy": r"!\s+total energy\s+=",
    "running_energy": r"total energy\s+=",
    "accuracy": r"estimated scf accuracy\s+<",
    "smearing": r"smearing contrib\. \(-TS\)\s+=",
    "internal_energy": r"internal energy E=F\+TS\s+=",
    "parts": r"The total energy is ",
    "magnetization": r"total magnetization\s+=",
    "absolute_magnetization": r"absolute magnetization\s+=",
    "occupations": r"=+ HUBBARD OCCUPATIONS =+|--- enter write_nsg? ---",
    "starting_occupations": r"STARTING HUBBARD OCCUPATIONS",
    "occupations_end": r"Number of occupied Hubbard levels|--- exit write_nsg? ---",
    "converged": r"convergence has been achieved in",
    "unconverged": r"convergence NOT achieved after",
    "forces": r"Forces acting on atoms",
    "total_force": r"Total force =",
    "stress": r"total\s+stress\s+\(Ry/bohr",
    "computing_stress": r"Computing stress",
    "dynamics_setup": r"Molecular Dynamics Calculation",
    "thermostat": r"temperature is (?!set once)",
    "dynamics": r"Entering Dynamics:",
    "kinetic_energy": r"kinetic energy \(Ekin\)\s+=",
    "temperature": r"temperature\s+=",
    "conserved": r"Ekin \+ Etot \(const\)\s+=",
    "cycles": r"number of scf cycles\s+=|bfgs converged in",
    "new_energy": r"energy\s+_?new\s+=",
    "volume": r"new unit-cell volume",
    "cell": r"CELL_PARAMETERS",
    "positions": r"ATOMIC_POSITIONS",
    "forces_timed": r"forces\s+:.*CPU",
    "stress_timed": r"stress\s+:.*CPU",
    "timings": r"init_run ",
    "moved_on": r"Writing |BFGS Geometry|End of |JOB DONE",
}
_MARK = re.compile(r"\s*(?:" + "|".join(f"(?P<{name}>{pattern})" for name, pattern in _MARKS.items()) + ")")

_COUNTED = re.compile(r"\s*(?:Entering Dynamics:\s+iteration\s+=|number of scf cycles\s+=|bfgs converged in)\s*(\S+)")
_ONLY_AT_THE_END = {"moved_on", "timings", "forces_timed", "stress_timed"}
"""Landmarks that count in the last step of a file only."""
_SKELETON = bytes.maketrans(b"0123456789-", b" " * 11)
_SKELETON_MARK = re.compile(
    rb"^\s*(?:"
    + "|".join(pattern.replace("-", " ") for name, pattern in _MARKS.items() if name not in _ONLY_AT_THE_END).encode()
    + rb")",
    re.MULTILINE,
)


def skeleton(text: bytes) -> bytes:
    """Return ``text`` with a blank for each digit and minus, the same for all steps that are printed alike."""
    return text.translate(_SKELETON)


def has_landmark(bones: bytes) -> bool:
    """Whether a text of which ``bones`` is the skeleton may have a landmark: never False where one has."""
    return _SKELETON_MARK.search(bones) is not None


def counted(line: str) -> float:
    """Read the number of a step where pw.x says it: of time steps, or of SCF cycles of a relaxation.

    Raises:
        GarbledBlockError: if there is none.
    """
    match = _COUNTED.match(line)
    if match is None:
        raise GarbledBlockError("the number of the step is not readable")
    return one_number(match[1], "the number of the step")


class StepText:
    """The lines of one step, where its landmarks are, and which lines have been read.

    Attributes:
        lines: the text, each line without its end.
        marks: line numbers of each landmark, ascending.
        used: ranges of lines that were read.
    """

    def __init__(self, data: bytes) -> None:
        # No other alphabet has digits and blanks of its own that would pass for those of pw.x.
        text = data.decode("ascii", "replace")
        self.lines: Sequence[str] = [line.rstrip("\r") for line in text.split("\n")]
        self.marks: dict[str, list[int]] = {name: [] for name in _MARKS}
        self.used: list[range] = []
        for number, line in enumerate(self.lines):
            match = _MARK.match(line)
            if match and match.lastgroup:
                self.marks[match.lastgroup].append(number)

    def line(self, number: int) -> str:
        """Read one line."""
        return self.block(number, number + 1)[0]

    def block(self, start: int, stop: int) -> Sequence[str]:
        """Read the lines from ``start`` to before ``stop``; fewer where the text ends."""
        self.used.append(range(start, min(stop, len(self.lines))))
        return self.lines[start:stop]

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
        return any(self.after(energy, name) is not None for name in ("moved_on", "timings", "positions", "cycles"))
