"""From the frames and walkers of an exploration to its typed output."""

from __future__ import annotations

from collections import Counter

from aiida_redoxmlp.active_learning.candidates import formula_of
from aiida_redoxmlp.active_learning.exploration.exploring import Exploration
from aiida_redoxmlp.runners.explore_job import ExploreOutput

__all__ = ("explore_output",)


def explore_output(found: Exploration, *, wall_time: float, device: str) -> ExploreOutput:
    """Return the output of an exploration.

    Args:
        found: frames and walkers.
        wall_time: seconds it took.
        device: where the committee ran.
    """
    walks = [walker for walker in found.walkers if walker.kind == "walk"]
    patterns: dict[str, Counter[str]] = {}
    for frame in found.frames:
        patterns.setdefault(formula_of(frame.configuration), Counter())[frame.pattern.label] += 1
    return ExploreOutput(
        n_frames=len(found.frames),
        n_steps=sum(walker.n_steps for walker in walks),
        n_steps_asked=sum(walker.n_steps_asked for walker in walks),
        n_stopped=dict(sorted(Counter(one.stopped for one in found.walkers if one.stopped is not None).items())),
        walkers=list(found.walkers),
        patterns={formula: dict(sorted(counts.items())) for formula, counts in sorted(patterns.items())},
        largest_force_spreads_ev_per_angstrom=[frame.uncertainty.largest_force_spread for frame in found.frames],
        warnings=list(found.warnings),
        wall_time_s=wall_time,
        device=device,
    )
