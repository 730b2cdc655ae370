"""Numbers as pw.x prints them, and the units at the border to eV and Å."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = (
    "AMU",
    "BOHR",
    "HARTREE",
    "KELVIN",
    "RYDBERG",
    "RYDBERG_TIME",
    "GarbledBlockError",
    "block_numbers",
    "line_numbers",
    "one_number",
)

BOHR = 0.529177210903
"""Bohr radius in Å, CODATA 2018, the values in Quantum ESPRESSO's ``constants.f90``."""

RYDBERG = 13.605693122994
"""Rydberg energy in eV, CODATA 2018."""

HARTREE = 2 * RYDBERG
"""Hartree energy in eV."""

KELVIN = 1.380649e-23 / 2.1798723611035e-18
"""Boltzmann's constant in Ry/K."""

AMU = 1.66053906660e-27 / 9.1093837015e-31 / 2
"""Atomic mass unit in Rydberg atomic units, in which the electron's mass is 1/2."""

RYDBERG_TIME = 2.4188843265857e-2 * 2
"""Rydberg atomic unit of time, ħ/Ry, in fs."""

_LARGEST = 1e12
"""No number that pw.x prints where one is read here comes near."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?(?P<decimals>\d*)|\.\d+)(?P<exponent>[EeDd][-+]?\d+)?")


class GarbledBlockError(ValueError):
    """A block of the output that does not hold what belongs there; the message says what is wrong."""


def line_numbers(text: str, count: int, what: str) -> list[float]:
    """Read exactly ``count`` finite numbers from a line.

    Fortran's fixed formats give all numbers of a line the same decimals, so one with fewer has been cut.

    Raises:
        GarbledBlockError: if there are more or fewer, or one is cut or not a number (``****``, ``NaN``).
    """
    tokens = text.split()
    decimals = set()
    for token in tokens:
        match = _NUMBER.fullmatch(token)
        if match is None:
            raise GarbledBlockError(f"{what} has {token[:20]!r} where a number belongs")
        if not match["exponent"]:
            decimals.add(len(match["decimals"] or ""))
    if len(tokens) != count:
        raise GarbledBlockError(f"{what} has {len(tokens)} numbers where {count} belong")
    if len(decimals) > 1:
        raise GarbledBlockError(f"{what} has a number that is cut: {' '.join(tokens)[:60]!r}")
    values = [float(token.replace("D", "E").replace("d", "e")) for token in tokens]
    if not all(abs(value) < _LARGEST for value in values):
        raise GarbledBlockError(f"{what} has a number that is too large: {text.strip()[:20]!r}")
    return values


def one_number(text: str, what: str) -> float:
    """Read the first word of ``text`` as a number.

    Raises:
        GarbledBlockError: if it is none.
    """
    return line_numbers(" ".join(text.split()[:1]), 1, what)[0]


def block_numbers(lines: Sequence[str], rows: int, columns: int, what: str) -> NDArray[np.float64]:
    """Read ``rows`` lines of ``columns`` numbers, shape (rows, columns).

    Raises:
        GarbledBlockError: if lines are missing or one is not such a row.
    """
    if len(lines) < rows:
        raise GarbledBlockError(f"{what} ends after {len(lines)} of {rows} lines")
    return np.array([line_numbers(line, columns, what) for line in lines[:rows]], dtype=np.float64)
