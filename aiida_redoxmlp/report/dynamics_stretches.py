"""A trajectory between interventions: where velocities or electrons began anew, and how well energy is conserved between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.report.dynamics_trajectory import TrajectoryGraph, TrajectoryPart

__all__ = ("Intervention", "conserved_since", "drift", "interventions", "largest_jump", "reseeded_between")


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
        done = ["new velocities"] * self.velocities + ["new seeds"] * self.electrons
        return " and ".join(done)


def interventions(graph: TrajectoryGraph, part: TrajectoryPart) -> tuple[Intervention, ...]:
    """Return the interventions after the first step of a part, in order."""
    found: dict[int, Intervention] = {}
    for step, segment in graph.segments_of(part.number)[1:]:
        found[step] = Intervention(step, segment.temperature is not None, segment.pattern is not None)
    for chunk in graph.chunks_of(part.number):
        if "_again_" in chunk.name and chunk.repeats:
            same = found.get(chunk.first_step)
            found[chunk.first_step] = Intervention(chunk.first_step, same is not None and same.velocities, electrons=True)
    last = int(part.steps[-1])
    return tuple(one for step, one in sorted(found.items()) if step < last and one.text)


def reseeded_between(made: tuple[Intervention, ...], last_before: int, first_after: int) -> bool:
    """Return whether electrons were seeded anew between two steps."""
    return any(one.electrons and last_before <= one.step < first_after for one in made)


def conserved_since(part: TrajectoryPart, made: tuple[Intervention, ...]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return steps and conserved quantity in eV of every stretch without intervention that has a value."""
    steps, values = part.steps, part.series("conserved_quantities")
    known = np.isfinite(values)
    starts = [int(steps[0]), *(one.step + 1 for one in made), int(steps[-1]) + 1]
    inside = [known & (steps >= first) & (steps < last) for first, last in zip(starts[:-1], starts[1:], strict=True)]
    return [(steps[rows], values[rows]) for rows in inside if rows.any()]


def drift(part: TrajectoryPart, made: tuple[Intervention, ...]) -> float | None:
    """Return the slope of the conserved quantity in eV per atom and ps.

    By least squares, with a height of its own for every stretch and one slope for all; None without two values in a
    stretch.
    """
    times = dict(zip(part.steps.tolist(), part.series("times").tolist(), strict=True))
    above = below = 0.0
    for steps, values in conserved_since(part, made):
        when = np.array([times[step] for step in steps.tolist()])
        when -= when.mean()
        above, below = above + float(when @ values), below + float(when @ when)
    return above / below / len(part.trajectory.symbols) if below > 0 else None


def largest_jump(part: TrajectoryPart, made: tuple[Intervention, ...]) -> float | None:
    """Return the largest change in eV of the conserved quantity between two steps without intervention."""
    jumps = [float(np.abs(np.diff(values)).max()) for _, values in conserved_since(part, made) if len(values) > 1]
    return max(jumps, default=None)
