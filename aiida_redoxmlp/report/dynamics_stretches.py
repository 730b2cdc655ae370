"""A trajectory between interventions: where velocities or electrons began anew, and how energy is conserved between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.report.dynamics_trajectory import TrajectoryGraph, TrajectoryPart

__all__ = ("Intervention", "Stretch", "drift", "interventions", "largest_jump", "reseeded_between", "stretches")


@dataclass(frozen=True)
class Intervention:
    """Something that does not follow from the step before.

    Attributes:
        step: the step that the run went on from.
        velocities: whether the atoms got new velocities there.
        electrons: whether the electrons were seeded anew there.
    """

    step: int
    velocities: bool
    electrons: bool

    @property
    def text(self) -> str:
        """What was done, in words."""
        return " and ".join(["new velocities"] * self.velocities + ["new seeds"] * self.electrons)


@dataclass(frozen=True, eq=False)
class Stretch:
    """Steps one after another without intervention that have a conserved quantity.

    Attributes:
        steps: shape (n_steps,).
        times: ps, shape (n_steps,).
        conserved: eV, shape (n_steps,).
    """

    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    conserved: NDArray[np.float64]


def interventions(graph: TrajectoryGraph, part: int) -> tuple[Intervention, ...]:
    """Return the interventions within a part, in order."""
    chunks = graph.chunks_of(part)
    last = (chunks[-1].last_step or 0) if chunks else 0
    velocities = {step for step, segment in graph.segments_of(part)[1:] if segment.temperature is not None}
    electrons = {step for step, segment in graph.segments_of(part)[1:] if segment.pattern is not None}
    electrons |= {chunk.first_step for chunk in chunks if "_again_" in chunk.name and chunk.repeats}
    return tuple(
        Intervention(step, step in velocities, step in electrons)
        for step in sorted(velocities | electrons)
        if step < last
    )


def reseeded_between(made: Sequence[Intervention], last_before: int, first_after: int) -> bool:
    """Return whether electrons were seeded anew between two steps."""
    return any(one.electrons and last_before <= one.step < first_after for one in made)


def stretches(part: TrajectoryPart, made: Sequence[Intervention]) -> list[Stretch]:
    """Return the stretches of a part in which a conserved quantity is known."""
    steps, times, values = part.steps, part.series("times"), part.series("conserved_quantities")
    starts = [int(steps[0]), *(one.step + 1 for one in made), int(steps[-1]) + 1]
    inside = [np.isfinite(values) & (steps >= first) & (steps < after) for first, after in pairwise(starts)]
    return [Stretch(steps[rows], times[rows], values[rows]) for rows in inside if rows.any()]


def drift(found: Sequence[Stretch], n_atoms: int) -> float | None:
    """Return the slope of the conserved quantity in eV per atom and ps.

    By least squares, with a height of its own for every stretch and one slope for all; None without two values in a
    stretch.

    Args:
        found: the stretches of a part.
        n_atoms: number of atoms.
    """
    above = below = 0.0
    for stretch in found:
        when = stretch.times - stretch.times.mean()
        energies = stretch.conserved - stretch.conserved.mean()
        above, below = above + float(when @ energies), below + float(when @ when)
    return round(above / below / n_atoms, 9) + 0.0 if below > 0 else None  # finer than what pw.x prints can tell


def largest_jump(found: Sequence[Stretch]) -> float | None:
    """Return the largest change in eV of the conserved quantity from one step to the next within a stretch."""
    jumps = [float(np.abs(np.diff(one.conserved)).max()) for one in found if len(one.steps) > 1]
    return max(jumps, default=None)
