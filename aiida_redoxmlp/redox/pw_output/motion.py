"""The equation of motion that molecular dynamics without a thermostat obeys to the last printed digit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.entries import Entry, EntryRun
from aiida_redoxmlp.redox.pw_output.numbers import AMU, BOHR

__all__ = ("MotionLaw",)

_PRINTED_FORCE = 5.1e-9
_LONGEST_DAMAGE = 3
"""More violations than this one after the other are not damage to the file but another equation of motion."""
_MOST_TRIES = 50
"""Violations after which, if none of these equations was ever obeyed, the ions obey another one."""
_REASON = "positions and forces do not obey the equation of motion that the steps around it obey"


@dataclass(frozen=True, eq=False)
class _Violation:
    """By how much equations are violated and may be, in bohr, shape (steps, n_atoms, 3)."""

    residual: NDArray[np.float64]
    tolerance: NDArray[np.float64]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return np.asarray(np.abs(self.residual) > self.tolerance)


@dataclass(frozen=True)
class _SquaredTimeStep:
    """Square of the time step in Rydberg units, and by how much it may be wrong."""

    value: float
    uncertainty: float

    def narrowed(self, other: _SquaredTimeStep | None) -> _SquaredTimeStep:
        """Return what both allow, or this where they exclude each other."""
        if other is None:
            return self
        low = max(self.value - self.uncertainty, other.value - other.uncertainty)
        high = min(self.value + self.uncertainty, other.value + other.uncertainty)
        return _SquaredTimeStep((low + high) / 2, (high - low) / 2) if low <= high else self


@dataclass(frozen=True, eq=False)
class _Equation:
    """Verlet's equation around each of some steps; lengths are in bohr, arrays have shape (steps, n_atoms, 3)."""

    displacement: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    position_rounding: NDArray[np.float64]
    force_rounding: NDArray[np.float64]
    cell: NDArray[np.float64]

    def violated(self, step: _SquaredTimeStep) -> NDArray[np.bool_]:
        """Return which components are violated by more than their rounding."""
        wrong = np.asarray(np.abs(self.displacement - step.value * self.acceleration) > self._tolerance(step))
        return self.violation(step).wrong if wrong.any() else wrong

    def violation(self, step: _SquaredTimeStep) -> _Violation:
        """Return how far it is violated; positions may have been folded back into the cell."""
        residual = self.displacement - step.value * self.acceleration
        residual = residual - np.round(residual @ np.linalg.inv(self.cell)) @ self.cell
        return _Violation(residual, self._tolerance(step))

    def fitted(self) -> _SquaredTimeStep | None:
        """Return the squared time step that it tells, as sure as the rounding of its numbers allows."""
        strength = float((self.acceleration**2).sum())
        best = float((self.displacement * self.acceleration).sum()) / strength if strength > 0 else 0.0
        if best <= 0:
            return None
        rounding = self.position_rounding + best * self.force_rounding
        return _SquaredTimeStep(best, float((rounding * np.abs(self.acceleration)).sum()) / strength)

    def fitted_to_most(self) -> _SquaredTimeStep | None:
        """Return the median of the squared time steps that the components tell, which a few wrong ones do not move."""
        size = np.abs(self.acceleration)
        strong = size >= np.median(size[size > 0]) if size.any() else np.zeros(size.shape, dtype=bool)
        if not strong.any():
            return None
        ratios = self.displacement[strong] / self.acceleration[strong]
        middle = np.argsort(ratios)[len(ratios) // 2]
        value = float(ratios[middle])
        rounding = self.position_rounding + max(value, 0.0) * self.force_rounding
        uncertainty = float(np.broadcast_to(rounding, size.shape)[strong][middle] / size[strong][middle])
        return _SquaredTimeStep(value, uncertainty) if value > 0 else None

    def is_strong(self, obeyed: NDArray[np.bool_], step: _SquaredTimeStep) -> bool:
        """Whether what is obeyed are most of the components in which something moves."""
        moving = step.value * np.abs(self.acceleration) > 10 * self._tolerance(step)
        return bool((obeyed & moving).sum() > max(2, 0.6 * moving.sum()))

    def _tolerance(self, step: _SquaredTimeStep) -> NDArray[np.float64]:
        rounding = self.position_rounding + step.value * self.force_rounding
        return np.asarray(rounding + step.uncertainty * np.abs(self.acceleration))


class MotionLaw:
    """Verlet's equation r(n+1) - 2 r(n) + r(n-1) = F(n) Δt²/m, for which Δt is found from the equation itself.

    A wrong digit in r(n) violates the equations around n-1, n and n+1 in the ratio 1 : -2 : 1, one in F(n) only that
    around n. Where a thermostat may change velocities, the equation counts only where a single coordinate violates it.

    L. Verlet, Phys. Rev. 159, 98 (1967).
    """

    def __init__(self, masses: NDArray[np.float64]) -> None:
        self._masses = AMU * masses[:, None]
        self._squared_time: _SquaredTimeStep | None = None
        self._free = False
        self._broken = False
        self._before: Entry | None = None
        self._pending: list[Entry] = []
        self._burst: dict[int, _Equation] = {}
        self._obeyed: list[int] = []
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
        self._before = entry
        self._pending.append(entry)
        if equation is None:
            # The first step, or one beside a step that could not be read: its successor's equation tells.
            self._resolve()
            self._pending = [entry] if entry.moves else []
        else:
            self._judge_equation(entry, equation)
        return self._pending[0].index if self._pending else entry.index + 1

    def _judge_equation(self, entry: Entry, equation: _Equation) -> None:
        wrong = self._wrong(equation)
        if not wrong.any():
            self._note_obeyed([entry.index])
            self._resolve()
            self._pending = []
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

    def _equation(self, entry: Entry) -> _Equation | None:
        numbers = entry.numbers
        if numbers is None or numbers.forces is None or not entry.moves or self._tries >= _MOST_TRIES:
            return None
        return self._equations(EntryRun([entry], numbers))

    def _equations(self, run: EntryRun) -> _Equation | None:
        """Return the equations around each step of a run, or None if one of them lacks something."""
        before, cell, forces = self._before, run.entries[0].geometry.cell, run.numbers.forces
        if before is None or cell is None or forces is None:
            return None
        entries = [before, *run.entries]
        geometries = [*(entry.geometry for entry in entries), entries[-1].following]
        positions = [geometry.positions for geometry in geometries if geometry.positions is not None]
        if len(positions) < len(geometries):
            return None
        path, rounding = np.array(positions), np.array([geometry.rounding for geometry in geometries])
        return _Equation(
            displacement=(path[2:] - 2 * path[1:-1] + path[:-2]) / BOHR,
            acceleration=forces / self._masses,
            position_rounding=(rounding[2:] + 2 * rounding[1:-1] + rounding[:-2])[:, None, None] / BOHR + 1e-12,
            force_rounding=_PRINTED_FORCE / self._masses,
            cell=cell / BOHR,
        )

    def _wrong(self, equation: _Equation) -> NDArray[np.bool_]:
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
            culprits = _culprits(violations, self._obeyed)
            for entry in self._pending:
                if entry.index in culprits:
                    entry.blame(_REASON)


def _culprits(violations: dict[int, _Violation], obeyed: Sequence[int]) -> set[int]:
    """Return the steps whose positions, or whose forces, explain all violations; all violated ones if none does."""
    culprits = set(violations) if len(violations) == 1 else set()
    for index in range(min(violations) - 1, max(violations) + 2):
        around = {index - 1: 1.0, index: -2.0, index + 1: 1.0}
        if set(violations) <= set(around) and not set(around) & set(obeyed) and _explains(around, violations):
            culprits.add(index)
    return culprits or set(violations)


def _explains(around: dict[int, float], violations: dict[int, _Violation]) -> bool:
    """Whether one displacement, times the factors of each equation, is what violates them all."""
    strongest = max(violations, key=lambda index: abs(around[index]))
    displacement = violations[strongest].residual / around[strongest]
    return all(
        bool(
            (
                np.abs(violation.residual - around[index] * displacement)
                <= 4 * violation.tolerance + 0.1 * np.abs(violation.residual)
            ).all()
        )
        for index, violation in violations.items()
    )
