"""The part of a step's text that counts: from its last SCF iteration's occupations on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiida_redoxmlp.redox.pw_output.segments import Segment

__all__ = ("Tail", "relevant")

_ENERGY = re.compile(rb"\s*!\s+total energy\s+=")
_ACCURACY = b"estimated scf accuracy"
_EARLIER = re.compile(
    rb"estimated scf accuracy\s+<\s+(\d+\.\d+(?:E[-+]\d+)?) Ry\s+total magnetization\s+=\s+(-?\d+\.\d\d) Bohr mag/cell"
    rb"\s+absolute magnetization\s+=\s+(\d+\.\d\d) Bohr"
)
_UNKNOWN = (float("nan"),) * 3
_GAVE_UP = b"convergence NOT achieved"
_ENOUGH = 2**20
_CLOCK = b"total cpu time spent up to now is"
_TIME = re.compile(rb"\d+\.\d")
_HEADINGS = (b"HUBBARD OCCUPATIONS =", b"--- enter write_ns")


@dataclass(frozen=True, eq=False)
class Tail:
    """The end of a step.

    Attributes:
        offset: where the step starts in the uncompressed file.
        data: the text, whole lines.
        clock: times in s that pw.x had spent at the last SCF iteration and at the end, as far as they can be read.
        last_iteration: number of the last SCF iteration before the energy, or None where it cannot be told.
        earlier: accuracy in Ry and total and absolute magnetization in μB of the SCF iteration before the last, NaN
            where they cannot be read.
        has_occupations: whether there are Hubbard occupations in it, or before its last SCF iteration.
        merged: whether there is more than one energy.
        problem: why the text before contradicts that this is one step, or empty.
    """

    offset: int
    data: bytes
    clock: tuple[float, ...]
    last_iteration: int | None
    earlier: tuple[float, float, float]
    has_occupations: bool
    merged: bool
    problem: str = ""


def relevant(segment: Segment) -> Tail:
    """Leave out all SCF iterations but the last of a step that has an energy at its end."""
    data = segment.data
    energies = _energies(data)
    numbers = segment.iterations
    if energies and numbers and numbers[-1][0] > energies[0]:
        numbers = [pair for pair in numbers if pair[0] < energies[0]]
    last = numbers[-1][1] if numbers else None
    problem = ""
    if len(energies) > 1:
        problem = "it runs into the step after it"
    elif numbers and [number for _, number in numbers] != list(range(numbers[0][1], numbers[0][1] + len(numbers))):
        problem = "its SCF iterations are not numbered one after the other"
    clock = _clock(data, energies[-1] if energies else None)
    if not energies:
        if _GAVE_UP not in data:
            # Nothing but what follows a step can be read of it.
            data = data[_line_start(data, max(len(data) - _ENOUGH, 0)) :]
        return Tail(segment.offset, data, clock, last, _UNKNOWN, _has_occupations(data), merged=False, problem=problem)
    begin = numbers[-1][0] if numbers else 0
    starts = [data.rfind(heading, begin, energies[-1]) for heading in _HEADINGS]
    start = max(starts)
    has_occupations = start >= 0 or _has_occupations(data)
    line = _line_start(data, start if start >= 0 else energies[-1])
    earlier = _earlier(data, begin)
    merged = len(energies) > 1
    return Tail(segment.offset, data[line:], clock, last, earlier, has_occupations, merged=merged, problem=problem)


def _has_occupations(data: bytes) -> bool:
    return any(heading in data for heading in _HEADINGS)


def _energies(data: bytes) -> list[int]:
    """Return where each final energy stands."""
    found, at = [], -1
    while (at := data.find(b"!", at + 1)) >= 0:
        line = _line_start(data, at)
        if not data[line:at].strip() and _ENERGY.match(data, line):
            found.append(at)
    return found


def _earlier(data: bytes, end: int) -> tuple[float, float, float]:
    """Read what is printed at the end of the SCF iteration before ``end``."""
    match = _EARLIER.match(data, max(data.rfind(_ACCURACY, 0, end), 0))
    return (float(match[1]), float(match[2]), float(match[3])) if match else _UNKNOWN


def _clock(data: bytes, energy: int | None) -> tuple[float, ...]:
    """Read the time before the last energy, and the last one."""
    times = []
    for at in {data.rfind(_CLOCK, 0, energy), data.rfind(_CLOCK, energy)}:
        start = at + len(_CLOCK)
        words = data[start : start + 32].split(maxsplit=1)
        if at >= 0 and words and (match := _TIME.fullmatch(words[0])):
            times.append((at, float(match[0])))
    return tuple(time for _, time in sorted(times))


def _line_start(data: bytes, at: int) -> int:
    return data.rfind(b"\n", 0, at) + 1
