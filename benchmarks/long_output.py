"""Long molecular-dynamics outputs of pw.x, made by repeating steps of a real one."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ("MD_OUTPUT", "write_long_output")

MD_OUTPUT = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "pw" / "md" / "pw.out"

_COUNTER = re.compile(rb"(Entering Dynamics:    iteration = )[ \d]{5}(\n +time      = )[ \d.]{8}( pico-seconds)")

_CLOCK = re.compile(rb"(total cpu time spent up to now is)( +\d+\.\d)")


def write_long_output(path: Path, size: int) -> int:
    """Repeat the second to the seventh step of a real run until the file has at least ``size`` bytes.

    Steps, times and the time spent are numbered on. Where the seventh step is followed by the second one the ions jump,
    so the header says that a thermostat is at work: without one, those steps would contradict the equation of motion.

    Args:
        path: the file to write.
        size: bytes.

    Returns:
        The number of ionic steps.
    """
    text = MD_OUTPUT.read_bytes().replace(b"temperature is set once at start", b"temperature is controlled by jumping")
    opening = b"     Self-consistent Calculation\n"
    header, *parts = text.split(opening)
    steps = [opening + part for part in parts]
    spent = 1 + max(float(match[2]) for match in _CLOCK.finditer(text))
    with path.open("wb") as file:
        written = file.write(header) + file.write(steps[0])
        number, rounds = 1, 0
        while written < size:
            for step in steps[1:-1]:
                number += 1
                written += file.write(_numbered(step, number, rounds * spent))
            rounds += 1
        file.write(_numbered(steps[-1], number + 1, rounds * spent))
    return number + 1


def _numbered(step: bytes, number: int, before: float) -> bytes:
    time = number * 2.9027e-3
    step = _CLOCK.sub(lambda match: b"%s%*.1f" % (match[1], len(match[2]), float(match[2]) + before), step)
    return _COUNTER.sub(lambda match: b"%s%5d%s%8.4f%s" % (match[1], number, match[2], time, match[3]), step)
