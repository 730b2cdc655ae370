"""The centre of the ions, which a relaxation leaves where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.entries import Entry, EntryRun
from aiida_redoxmlp.redox.pw_output.geometry import Geometry

__all__ = ("CentreLaw",)

_LONGEST_WAIT = 3
_REASON = "its positions are displaced as a whole against those of the steps around it"


@dataclass(frozen=True, eq=False)
class _Centre:
    """The sum of the fractional coordinates, shape (3,), and how far its rounding may take it."""

    coordinates: NDArray[np.float64]
    rounding: float
    in_header: bool

    def is_at(self, other: _Centre) -> bool:
        apart = np.abs(self.coordinates - other.coordinates)
        return bool((apart <= self.rounding + other.rounding).all())


class CentreLaw:
    """A relaxation with no net force leaves the mean of the fractional coordinates where it is.

    The centre is that of two successive steps between which ions move; until such are found, steps wait.
    """

    def __init__(self) -> None:
        self._centre: _Centre | None = None
        self._waiting: list[tuple[Entry, _Centre]] = []

    def judge(self, entry: Entry) -> int:
        """See :meth:`Law.judge`."""
        here, there = _centre(entry.geometry), _centre(entry.following)
        if entry.moves or here is None or there is None:
            self._waiting = []
            return entry.index + 1
        if self._centre is None:
            self._waiting.append((entry, here))
            self._look_for_centre(entry, here, there)
        elif not here.is_at(self._centre):
            if there.is_at(self._centre):
                entry.blame(_REASON)
            else:
                self._centre = None
        return self._waiting[0][0].index if self._waiting else entry.index + 1

    def _look_for_centre(self, entry: Entry, here: _Centre, there: _Centre) -> None:
        earlier = [centre for waiting, centre in self._waiting if waiting is not entry]
        if not here.in_header and here.is_at(there) and _moved(entry):
            self._settle(here)
        elif any(not centre.in_header and centre.is_at(there) and not here.is_at(centre) for centre in earlier):
            self._settle(there)
        elif earlier and earlier[0].is_at(there) and not here.is_at(there) and not here.is_at(earlier[0]):
            # There may be no more than these, of which the first is not known as well as the others.
            entry.blame(_REASON)
        elif len(self._waiting) > _LONGEST_WAIT:
            self._waiting = []

    def _settle(self, centre: _Centre) -> None:
        self._centre = centre
        for entry, own in self._waiting:
            if not own.is_at(centre):
                entry.blame(_REASON)
        self._waiting = []

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """See :meth:`Law.pass_all`."""
        return _nothing if not self._waiting and run.numbers.counter is not None else None

    def finish(self) -> None:
        """See :meth:`Law.finish`."""


def _nothing() -> None:
    pass


def _centre(geometry: Geometry) -> _Centre | None:
    if geometry.cell is None or geometry.positions is None or abs(np.linalg.det(geometry.cell)) < 1e-3:
        return None
    inverse = np.linalg.inv(geometry.cell)
    fractional = geometry.positions @ inverse
    rounding = geometry.rounding * float(np.abs(inverse).sum(axis=0).max()) * len(geometry.positions)
    if geometry.in_header:
        # The vectors of the cell have six decimals, so these are not the fractional coordinates printed later.
        rounding += 2e-6 * float(np.abs(fractional).sum(axis=0).max())
    return _Centre(fractional.sum(axis=0), rounding, geometry.in_header)


def _moved(entry: Entry) -> bool:
    here, there = entry.geometry, entry.following
    if here.positions is None or there.positions is None:
        return False
    return bool(np.abs(here.positions - there.positions).max() > 10 * (here.rounding + there.rounding))
