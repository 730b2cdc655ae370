"""The equation of motion that molecular dynamics without a thermostat obeys to the last printed digit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.entries import Entry, EntryRun
from aiida_redoxmlp.redox.pw_output.geometry import Geometry
from aiida_redoxmlp.redox.pw_output.numbers import AMU, BOHR
from aiida_redoxmlp.redox.pw_output.verlet import SquaredTimeStep, VerletEquation, Violation

__all__ = ("MotionLaw",)

_PRINTED_FORCE = 5.1e-9
_LONGEST_DAMAGE = 3
"""More violations than this one after the other are not damage to the file but another equation of motion."""
_MOST_TRIES = 50
"""Violations after which, if none of these equations was ever obeyed, the ions obey another one."""
_REASON = "positions and forces do not obey the equation of motion that the steps around it obey"


class MotionLaw:
    """Verlet's equation r(n+1) - 2 r(n) + r(n-1) = F(n) Δt²/m, for which Δt is found from the equation itself.

    A wrong digit in r(n) violates the equations around n-1, n and n+1 in the ratio 1 : -2 : 1, one in F(n) only that
    around n. Where a thermostat may change velocities, the equation counts only where a single coordinate violates it.

    L. Verlet, Phys. Rev. 159, 98 (1967).
    """

    def __init__(self, masses: NDArray[np.float64]) -> None:
        self._masses = AMU * masses[:, None]
        self._squared_time: SquaredTimeStep | None = None
        self._free = False
        self._broken = False
        self._before: Entry | None = None
        self._pending: list[Entry] = []
        self._burst: dict[int, VerletEquation] = {}
        self._obeyed: list[int] = []
        self._blurred: tuple[int, NDArray[np.float64]] | None = None
        self._tries = 0
        self._last_run: tuple[EntryRun, NDArray[np.bool_]] | None = None

    @property
    def time_step(self) -> tuple[float, float] | None:
        """The time step in Rydberg atomic units and by what share of it it may be wrong, while it is known."""
        step = self._squared_time
        return None if step is None else (float(np.sqrt(step.value)), step.uncertainty / step.value / 2)

    def is_obeyed_at(self, index: int) -> bool:
        """Whether the equation was obeyed at one of the last steps."""
        return index in self._obeyed

    def obeyed_in(self, run: EntryRun) -> NDArray[np.bool_]:
        """Whether it is obeyed at each step of a run that :meth:`pass_all` has just passed."""
        if self._last_run is not None and self._last_run[0] is run:
            return self._last_run[1]
        return np.zeros(len(run.entries), dtype=bool)

    def judge(self, entry: Entry) -> int:
        """See :meth:`Law.judge`."""
        if entry.numbers is not None and entry.numbers.setup:
            self._free = entry.numbers.setup == "free"
        equation = self._equation(entry)
        coarse = self._before is not None and self._before.geometry.in_header
        self._before = entry
        self._pending.append(entry)
        if equation is None:
            # The first step, or one beside a step that could not be read: its successor's equation tells.
            self._resolve()
            self._pending = [entry] if entry.moves else []
        else:
            self._judge_equation(entry, equation, coarse=coarse)
        return self._pending[0].index if self._pending else entry.index + 1

    def _judge_equation(self, entry: Entry, equation: VerletEquation, *, coarse: bool) -> None:
        wrong = self._wrong(equation)
        if not wrong.any():
            self._note_obeyed([entry.index])
            self._resolve()
            # A small error hides behind the rounding of the header's positions; the next equation tells.
            if coarse and self._squared_time is not None:
                self._blurred = entry.index, equation.violation(self._squared_time).tolerance
            self._pending = [entry] if coarse else []
        elif not self._free and wrong.sum() > 1:
            # Velocities may have been changed.
            self._resolve()
            self._pending = []
        elif self._broken:
            self._pending = []
        else:
            self._burst[entry.index] = equation
            if len(self._burst) > _LONGEST_DAMAGE:
                self._broken, self._burst, self._pending = True, {}, []

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """See :meth:`Law.pass_all`."""
        if self._tries >= _MOST_TRIES and not self._pending:
            return lambda: setattr(self, "_before", run.entries[-1])
        squared_time = self._squared_time
        if self._pending or self._broken or squared_time is None or len(self._obeyed) < 2 or run.numbers.setup:
            return None
        equations = self._equations(run)
        if equations is None:
            return None
        wrong = equations.violated(squared_time).sum(axis=(1, 2))
        if (wrong > 0 if self._free else wrong == 1).any():
            return None

        self._last_run = run, wrong == 0

        def commit() -> None:
            self._before = run.entries[-1]
            self._note_obeyed(run.indices[wrong == 0].tolist())

        return commit

    def finish(self) -> None:
        """See :meth:`Law.finish`."""
        self._resolve()

    def _note_obeyed(self, indices: Sequence[int]) -> None:
        self._obeyed = [*self._obeyed, *indices][-2 * _LONGEST_DAMAGE :]
        self._broken = self._broken and self._obeyed[-2:] != [indices[-1] - 1, indices[-1]]

    def _equation(self, entry: Entry) -> VerletEquation | None:
        numbers = entry.numbers
        if numbers is None or numbers.forces is None or not entry.moves or self._tries >= _MOST_TRIES:
            return None
        return self._equations(EntryRun([entry], numbers))

    def _equations(self, run: EntryRun) -> VerletEquation | None:
        """Return the equations around each step of a run, or None if one of them lacks something."""
        before, cell, forces = self._before, run.entries[0].geometry.cell, run.numbers.forces
        if before is None or cell is None or forces is None:
            return None
        entries = [before, *run.entries]
        geometries = [*(entry.geometry for entry in entries), entries[-1].following]
        positions = [geometry.positions for geometry in geometries if geometry.positions is not None]
        if len(positions) < len(geometries) or not _consecutive(geometries):
            return None
        path, rounding = np.array(positions), np.array([geometry.rounding for geometry in geometries])
        return VerletEquation(
            displacement=(path[2:] - 2 * path[1:-1] + path[:-2]) / BOHR,
            acceleration=forces / self._masses,
            position_rounding=(rounding[2:] + 2 * rounding[1:-1] + rounding[:-2])[:, None, None] / BOHR + 1e-12,
            force_rounding=_PRINTED_FORCE / self._masses,
            cell=cell / BOHR,
        )

    def _wrong(self, equation: VerletEquation) -> NDArray[np.bool_]:
        """Return which components are violated with the time step as it is known or, while it is not, fitted."""
        known = self._squared_time
        # Two equations with the same time step make sure that it is right.
        fitted = equation.fitted()
        self._tries = 0 if self._obeyed else self._tries + 1
        violated = []
        candidates = [known, fitted, equation.fitted_to_most()] if len(self._obeyed) < 2 else [known]
        steps = [step for step in candidates if step is not None]
        for step in steps:
            wrong = equation.violated(step)
            if not wrong.any():
                self._squared_time = step.narrowed(fitted)
                return wrong
            violated.append(wrong)
        if not violated:
            return np.ones(equation.displacement.shape, dtype=bool)
        best = int(np.argmin([wrong.sum() for wrong in violated]))
        if known is None and equation.is_strong(~violated[best], steps[best]):
            # All but few components agree on the time step, so the others are wrong.
            self._squared_time = steps[best]
        return violated[best]

    def _resolve(self) -> None:
        """Blame the steps whose positions or forces explain what was violated since an equation was last obeyed."""
        burst, self._burst = self._burst, {}
        if not burst or self._squared_time is None:
            return
        violations = {index: equation.violation(self._squared_time) for index, equation in burst.items()}
        components = np.logical_or.reduce([violation.wrong for violation in violations.values()])
        if self._free or components.sum() == 1:
            culprits = _culprits(violations, self._obeyed, self._blurred)
            for entry in self._pending:
                if entry.index in culprits:
                    entry.blame(_REASON)


def _consecutive(geometries: Sequence[Geometry]) -> bool:
    """Whether each was printed one step after the other, as far as the steps' numbers are known."""
    numbers = [geometry.counter for geometry in geometries]
    return all(None in pair or pair[1] == pair[0] + 1 for pair in pairwise(numbers))  # type: ignore[operator]


def _culprits(
    violations: dict[int, Violation], obeyed: Sequence[int], blurred: tuple[int, NDArray[np.float64]] | None
) -> set[int]:
    """Return the steps whose positions, or whose forces, explain all violations; all violated ones if none does.

    Args:
        violations: of the equations around these steps.
        obeyed: steps around which the equation is obeyed.
        blurred: one of them around which a violation may have been as large as this, in bohr.
    """
    culprits = set(violations) if len(violations) == 1 else set()
    for index in range(min(violations) - 1, max(violations) + 2):
        around = {index - 1: 1.0, index: -2.0, index + 1: 1.0}
        if not set(violations) <= set(around) or not _explains(around, violations):
            continue
        seen = set(around) & set(obeyed)
        if blurred is not None and blurred[0] in seen:
            known, violation = next(iter(violations.items()))
            hidden = np.abs(violation.residual * around[blurred[0]] / around[known]) <= 2 * blurred[1]
            seen = seen - {blurred[0]} if hidden.all() else seen
        if not seen:
            culprits.add(index)
    return culprits or set(violations)


def _explains(around: dict[int, float], violations: dict[int, Violation]) -> bool:
    """Whether one displacement, times the factors of each equation, is what violates them all."""
    strongest = max(violations, key=lambda index: abs(around[index]))
    for index, violation in violations.items():
        factor = around[index] / around[strongest]
        apart = np.abs(violation.residual - factor * violations[strongest].residual)
        rounding = violation.tolerance + abs(factor) * violations[strongest].tolerance
        if (apart > 2 * rounding + 0.1 * np.abs(violation.residual)).any():
            return False
    return True
