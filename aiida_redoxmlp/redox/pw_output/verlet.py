"""Verlet's equation around steps of molecular dynamics, and by how much it is violated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ("SquaredTimeStep", "VerletEquation", "Violation")


@dataclass(frozen=True, eq=False)
class Violation:
    """By how much equations are violated and may be, in bohr, shape (steps, n_atoms, 3)."""

    residual: NDArray[np.float64]
    tolerance: NDArray[np.float64]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which components are violated."""
        return np.asarray(np.abs(self.residual) > self.tolerance)


@dataclass(frozen=True)
class SquaredTimeStep:
    """Square of the time step in Rydberg units, and by how much it may be wrong."""

    value: float
    uncertainty: float

    def narrowed(self, other: SquaredTimeStep | None) -> SquaredTimeStep:
        """Return what both allow, or this where they exclude each other."""
        if other is None:
            return self
        low = max(self.value - self.uncertainty, other.value - other.uncertainty)
        high = min(self.value + self.uncertainty, other.value + other.uncertainty)
        return SquaredTimeStep((low + high) / 2, (high - low) / 2) if low <= high else self


@dataclass(frozen=True, eq=False)
class VerletEquation:
    """Verlet's equation around each of some steps; lengths are in bohr, arrays have shape (steps, n_atoms, 3)."""

    displacement: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    position_rounding: NDArray[np.float64]
    force_rounding: NDArray[np.float64]
    cell: NDArray[np.float64]

    def violated(self, step: SquaredTimeStep) -> NDArray[np.bool_]:
        """Return which components are violated by more than their rounding."""
        wrong = np.asarray(np.abs(self.displacement - step.value * self.acceleration) > self._tolerance(step))
        return self.violation(step).wrong if wrong.any() else wrong

    def violation(self, step: SquaredTimeStep) -> Violation:
        """Return how far it is violated; positions may have been folded back into the cell."""
        residual = self.displacement - step.value * self.acceleration
        residual = residual - np.round(residual @ np.linalg.inv(self.cell)) @ self.cell
        return Violation(residual, self._tolerance(step))

    def fitted(self) -> SquaredTimeStep | None:
        """Return the squared time step that it tells, as sure as the rounding of its numbers allows."""
        strength = float((self.acceleration**2).sum())
        best = float((self.displacement * self.acceleration).sum()) / strength if strength > 0 else 0.0
        if best <= 0:
            return None
        rounding = self.position_rounding + best * self.force_rounding
        return SquaredTimeStep(best, float((rounding * np.abs(self.acceleration)).sum()) / strength)

    def fitted_to_most(self) -> SquaredTimeStep | None:
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
        return SquaredTimeStep(value, uncertainty) if value > 0 else None

    def is_strong(self, obeyed: NDArray[np.bool_], step: SquaredTimeStep) -> bool:
        """Whether what is obeyed are most of the components in which something moves."""
        moving = step.value * np.abs(self.acceleration) > 10 * self._tolerance(step)
        return bool((obeyed & moving).sum() > max(2, 0.6 * moving.sum()))

    def _tolerance(self, step: SquaredTimeStep) -> NDArray[np.float64]:
        rounding = self.position_rounding + step.value * self.force_rounding
        return np.asarray(rounding + step.uncertainty * np.abs(self.acceleration))
