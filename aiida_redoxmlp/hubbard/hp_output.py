"""Reading the standard output of hp.x: what was perturbed, how far it came, and why it stopped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from aiida_redoxmlp.hubbard.results import HpFailure, HpOutput, Response

__all__ = ("read_hp_output",)

_VERSION = re.compile(r"Program HP v\.?\s*(\S+) starts")
_ATOM = re.compile(r"^\s+(\d+)\s+\S+\s+\d+\.\d+\s+tau\(\s*\d+\)\s*=")
_PERTURBED = re.compile(r"PERTURBED ATOM #\s*(\d+)")
_GRID = re.compile(r"The grid of q-points\s*\(.*\)\s*\(\s*(\d+)\s*q-points\s*\)")
_ITERATION = re.compile(r"atom #\s*(\d+)\s+q point #\s*(\d+)\s+iter #\s*(\d+)")
_CHI = re.compile(r"^\s+chi:\s*\d+\s+(\S+)(?:\s+residue:\s*(\S+))?")
_TIME = re.compile(r"^\s+HP\s+:.*CPU\s+(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+(?:\.\d+)?)s)?\s*WALL")
_ROUTINE = re.compile(r"Error in routine\s+(\S+)\s*\(")

_BY_ROUTINE = {
    "hp_read_chi": HpFailure.MISSING_RESPONSES,
    "hp_read_dnsq": HpFailure.MISSING_RESPONSES,
    "hp_find_inequiv_sites": HpFailure.NO_HUBBARD_ATOM,
    "hp_readin": HpFailure.INPUT_REFUSED,
    "hp_bcast_input": HpFailure.INPUT_REFUSED,
    "read_xml_file": HpFailure.PARENT_UNREADABLE,
    "read_file": HpFailure.PARENT_UNREADABLE,
    "read_scf": HpFailure.PARENT_UNREADABLE,
    "pw_readfile": HpFailure.PARENT_UNREADABLE,
    "davcio": HpFailure.PARENT_UNREADABLE,
}
_BY_TEXT = (
    ("All Hubbard atoms must be listed first", HpFailure.HUBBARD_ATOMS_NOT_FIRST),
    ("Maximum CPU time exceeded", HpFailure.OUT_OF_TIME),
    ("Convergence has not been reached after", HpFailure.NOT_CONVERGED),
    ("only on top of DFT+Hubbard", HpFailure.NO_HUBBARD_ATOM),
    ("on top of DFT+U", HpFailure.NO_HUBBARD_ATOM),
)
_MEMORY = re.compile(
    r"cannot allocate memory|error allocating|allocation would exceed memory|out of memory|oom-kill|std::bad_alloc"
    r"|insufficient virtual memory|MemoryError",
    re.IGNORECASE,
)
_DIVERGED_CHI = 10.0  # 1/eV; responses of d and f shells are below 1
_GROWTH = 1.0e3  # of the residue over its smallest value


def read_hp_output(path: Path, errors: str = "") -> HpOutput:
    """Read what hp.x 6 or 7 printed; a file that is cut or garbled gives what was understood and a failure.

    Args:
        path: standard output.
        errors: what was written to the standard error, where a lack of memory shows.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    version = _VERSION.search(text)
    perturbed, counts = _perturbations(lines)
    responses, failure, reason = _responses(lines)
    if failure is None:
        failure, reason = _failure(lines, text, errors)
    return HpOutput(
        version=version.group(1) if version else None,
        perturbed=perturbed,
        n_q_points=counts,
        responses=responses,
        failure=failure,
        reason=reason,
        wall_time=_wall_time(lines),
        warnings=_warnings(lines) if failure is None else (),
    )


def _perturbations(lines: list[str]) -> tuple[tuple[int, ...], dict[int, int]]:
    """Return the atoms to be perturbed and the number of wave vectors of those that were begun."""
    listed: list[int] = []
    counts: dict[int, int] = {}
    atom: int | None = None
    listing = False
    for line in lines:
        if "which will be perturbed" in line:
            listing = True
        elif listing and (found := _ATOM.match(line)):
            listed.append(int(found.group(1)) - 1)
        elif line.strip():
            listing = False
        if found := _PERTURBED.search(line):
            atom = int(found.group(1)) - 1
        elif atom is not None and (found := _GRID.search(line)):
            counts[atom] = int(found.group(1))
    return tuple(dict.fromkeys(listed)), counts


def _responses(lines: list[str]) -> tuple[tuple[Response, ...], HpFailure | None, str]:
    """Follow the iterations; a response that is no number or runs away is a failure whatever hp.x says."""
    progress: dict[tuple[int, int], tuple[int, float | None, bool]] = {}
    smallest: dict[tuple[int, int], float] = {}
    key: tuple[int, int] | None = None
    for line in lines:
        if found := _ITERATION.search(line):
            key = (int(found.group(1)) - 1, int(found.group(2)))
            progress[key] = (int(found.group(3)), None, False)
        elif key is not None and "CONVERGENCE HAS BEEN REACHED" in line:
            progress[key] = (*progress[key][:2], True)
        elif key is not None and (found := _CHI.match(line)):
            where = f"the response of atom {key[0] + 1} at q point {key[1]}"
            chi, residue = _number(found.group(1)), _number(found.group(2))
            if chi is None or (found.group(2) and residue is None):
                failure = (HpFailure.NOT_A_NUMBER, f"hp.x printed {line.strip()!r} as {where}.")
                return _as_responses(progress), *failure
            if residue is not None:
                iteration, before, converged = progress[key]
                progress[key] = (iteration, max(residue, before or 0.0), converged)
                smallest[key] = min(residue, smallest.get(key, residue)) or residue
            if abs(chi) > _DIVERGED_CHI or (residue is not None and residue > _GROWTH * max(smallest[key], 1e-3)):
                return _as_responses(progress), HpFailure.DIVERGED, f"It runs away: {line.strip()!r} is {where}."
    return _as_responses(progress), None, ""


def _as_responses(progress: dict[tuple[int, int], tuple[int, float | None, bool]]) -> tuple[Response, ...]:
    return tuple(Response(atom, q_point, *values) for (atom, q_point), values in progress.items())


def _number(word: str | None) -> float | None:
    """Return a finite number, or None for anything else."""
    try:
        value = float(word) if word else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None


def _failure(lines: list[str], text: str, errors: str) -> tuple[HpFailure | None, str]:
    """Tell why the run failed, if it did."""
    if found := _MEMORY.search(errors) or _MEMORY.search(text):
        return HpFailure.OUT_OF_MEMORY, f"There was not enough memory: {found.group(0)!r}."
    for fragment, failure in _BY_TEXT:
        if fragment in text:
            return failure, _sentence(line for line in lines if fragment in line)
    if found := _ROUTINE.search(text):
        failure = _BY_ROUTINE.get(found.group(1), HpFailure.ENGINE_ERROR)
        start = next(number for number, line in enumerate(lines) if _ROUTINE.search(line))
        missing = [line for line in lines[:start] if "does not exist" in line]
        return failure, _sentence([*missing, *lines[start : start + 2]])
    if "JOB DONE" not in text:
        return HpFailure.STOPPED_EARLY, _sentence(["hp.x stopped before its end; last it printed:", _last(lines)])
    return None, ""


def _sentence(lines: Iterable[str]) -> str:
    return " ".join(" ".join(line.split()) for line in lines)


def _last(lines: list[str]) -> str:
    return repr(next((line.strip() for line in reversed(lines) if line.strip()), ""))


def _wall_time(lines: list[str]) -> float | None:
    """Return the seconds that hp.x took, from its last line of timing."""
    for line in reversed(lines):
        if found := _TIME.match(line):
            days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
            return 86400 * days + 3600 * hours + 60 * minutes + seconds
    return None


def _warnings(lines: list[str]) -> tuple[str, ...]:
    """Return the lines that warn."""
    return tuple(dict.fromkeys(_sentence([line]) for line in lines if "WARNING" in line.upper()))
