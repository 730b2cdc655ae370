"""The temperature that follows from the positions before and after a step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.entries import Entry, EntryRun
from aiida_redoxmlp.redox.pw_output.motion import MotionLaw
from aiida_redoxmlp.redox.pw_output.numbers import AMU, BOHR

__all__ = ("KineticLaw",)

_LONGEST_DAMAGE = 3
_PRINTED = 5.1e-9
_REASON = "its temperature is not that of the velocities between the positions around it"

_Ratios = tuple[NDArray[np.float64], NDArray[np.float64]]


class KineticLaw:
    """Where Verlet's equation is obeyed the velocity is (r(n+1) - r(n-1)) / 2Δt, and gives the printed temperature.

    The ratio of the kinetic energy to the temperature, half the number of degrees of freedom times Boltzmann's
    constant, is that of two steps that agree.
    """

    def __init__(self, masses: NDArray[np.float64], motion: MotionLaw) -> None:
        self._masses = AMU * masses[:, None]
        self._motion = motion
        self._before: Entry | None = None
        self._ratio: tuple[float, float] | None = None
        self._held = 0
        self._missed = 0

    def judge(self, entry: Entry) -> int:
        """See :meth:`Law.judge`."""
        numbers = entry.numbers
        ratios = None
        if numbers is not None and not entry.problem and self._motion.is_obeyed_at(entry.index):
            ratios = self._ratios(EntryRun([entry], numbers))
        self._before = entry
        if ratios is not None:
            ratio, rounding = float(ratios[0][0]), float(ratios[1][0])
            if self._ratio is not None and abs(ratio - self._ratio[0]) <= rounding + self._ratio[1]:
                self._held, self._missed = self._held + 1, 0
            else:
                self._missed += 1
                if self._held and self._missed <= _LONGEST_DAMAGE:
                    entry.blame(_REASON)
                else:
                    self._ratio, self._held = (ratio, rounding), 0
        return entry.index + 1

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """See :meth:`Law.pass_all`."""
        obeyed = self._motion.obeyed_in(run)
        if obeyed.any() and run.numbers.thermal is not None:
            ratios = self._ratios(run)
            if ratios is None or self._ratio is None or not self._held:
                return None
            wrong = np.abs(ratios[0] - self._ratio[0]) > ratios[1] + self._ratio[1]
            if (wrong & obeyed).any():
                return None

        def commit() -> None:
            self._before = run.entries[-1]
            self._missed = 0 if obeyed.any() else self._missed

        return commit

    def finish(self) -> None:
        """See :meth:`Law.finish`."""

    def _ratios(self, run: EntryRun) -> _Ratios | None:
        """Return kinetic energy over temperature in Ry/K at each step, and how far rounding may take it."""
        before, thermal, time_step = self._before, run.numbers.thermal, self._motion.time_step
        cell = run.entries[0].geometry.cell
        if before is None or thermal is None or time_step is None or cell is None:
            return None
        step, share = time_step
        geometries = [entry.geometry for entry in (before, *run.entries)] + [run.entries[-1].following]
        path = [geometry.positions for geometry in geometries if geometry.positions is not None]
        temperature = thermal[:, 1]
        if len(path) < len(geometries) or (temperature < 1e-3).any():
            return None
        positions, rounding = np.array(path), np.array([geometry.rounding for geometry in geometries])
        # Ions may have been folded back into the cell.
        apart = positions[2:] - positions[:-2]
        apart = apart - np.round(apart @ np.linalg.inv(cell)) @ cell
        velocities = apart / (2 * BOHR * step)
        blur = (rounding[2:] + rounding[:-2]) / (2 * BOHR * step)
        momenta = self._masses * velocities
        energies = (momenta * velocities).sum(axis=(1, 2)) / 2
        errors = 3 * blur * np.sqrt((momenta**2).sum(axis=(1, 2)))
        ratios = energies / temperature
        return ratios, errors / temperature + ratios * (_PRINTED / temperature + 2 * share + 1e-9)
