"""Molecular dynamics in sentences: how far it came, what switched, how sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from aiida_redoxmlp.report.dynamics_schema import DynamicsSummary, PartSummary, TrajectorySummary
from aiida_redoxmlp.report.wording import listing, pattern_label, share

__all__ = ("atom_label", "counted", "dynamics_certainty", "dynamics_headline", "part_name", "span")

_MOST_PATTERNS = 6


def atom_label(symbol: str, site: int) -> str:
    """Return an atom as pw.x counts them, from 1: ``Mn 5``."""
    return f"{symbol} {site + 1}"


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 step``, ``no hops``."""
    noun = singular if number == 1 else plural or f"{singular}s"
    return f"{number or 'no'} {noun}"


def part_name(trajectory: TrajectorySummary, number: int) -> str:
    """Return the name of a part, which is the trajectory's own where there is one part only."""
    return f"part {number} of {trajectory.name}" if len(trajectory.parts) > 1 else trajectory.name


def span(values: list[float], form: str, unit: str) -> str:
    """Return a value, or the range of several that differ in the digits shown."""
    low, high = format(min(values), form), format(max(values), form)
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def dynamics_headline(summary: DynamicsSummary) -> str:
    """Return what happened in a sentence."""
    if not summary.n_steps:
        return "There is no ionic step yet: no job has ended with one."
    several = len(summary.trajectories) > 1
    where = f"{counted(summary.n_steps, 'step')} of {summary.material}"
    where += f" in {len(summary.trajectories)} trajectories" if several else ""
    if not summary.n_labelled:
        return f"{where}: no step has whole occupations."
    what = counted(summary.n_switches, "switch of an oxidation state", "switches of oxidation states")
    hops = f" by {counted(summary.n_hops, 'electron hop')}" if summary.n_hops else ""
    return f"{where}: {what}{hops}; {counted(summary.n_ambiguous, 'step')}{_share_of(summary)} ambiguous."


def _share_of(summary: DynamicsSummary) -> str:
    verb = "is" if summary.n_ambiguous == 1 else "are"
    return f" ({share(summary.n_ambiguous / summary.n_labelled)}) {verb}" if summary.n_ambiguous else f" {verb}"


def dynamics_certainty(summary: DynamicsSummary) -> list[str]:
    """Return sentences on patterns, temperatures, conservation and the dataset; empty before the first step."""
    parts = [part for trajectory in summary.trajectories for part in trajectory.parts]
    return [*_patterns(parts), *_temperatures(summary, parts), *_conservation(summary, parts), *_dataset(summary)]


def _patterns(parts: list[PartSummary]) -> Iterator[str]:
    steps: Counter[tuple[int, ...]] = Counter()
    for part in parts:
        for one in part.patterns:
            steps[tuple(one.states)] += one.steps
    total = sum(steps.values())
    if not total:
        return
    if len(steps) == 1:
        yield f"The pattern is {pattern_label(next(iter(steps)))} in all {total} sure steps."
        return
    shown = [
        f"{pattern_label(states)} in {share(count / total)}" for states, count in steps.most_common(_MOST_PATTERNS)
    ]
    rest = len(steps) - len(shown)
    more = [f"{counted(rest, 'other pattern')} in the rest"] if rest else []
    yield f"Of the {total} sure steps the pattern is {listing([*shown, *more])}."


def _temperatures(summary: DynamicsSummary, parts: list[PartSummary]) -> Iterator[str]:
    means = [part.mean_temperature_k for part in parts if part.mean_temperature_k is not None]
    drawn = [one for trajectory in summary.trajectories for one in trajectory.temperatures_k]
    if means and drawn:
        thermostats = sorted({one.thermostat for one in summary.trajectories if one.thermostat != "none"})
        held = f", held by the thermostat {listing(thermostats)}" if thermostats else ""
        mean = span(means, ".0f", "K")
        yield f"Velocities were drawn at {span(drawn, '.0f', 'K')}{held}; the mean temperature is {mean}."


def _conservation(summary: DynamicsSummary, parts: list[PartSummary]) -> Iterator[str]:
    drifts = [part.drift_ev_per_atom_and_ps for part in parts if part.drift_ev_per_atom_and_ps is not None]
    if drifts and all(one.thermostat == "none" for one in summary.trajectories):
        sentence = f"The conserved quantity drifts by {span(drifts, '+.2g', 'eV per atom and ps')}"
        jumps = [abs(one.jump_mev) for two in summary.trajectories for one in two.chunks if one.jump_mev is not None]
        joints = counted(len(jumps), "joint")
        yield (
            f"{sentence}; across {joints} between jobs it changes by at most {max(jumps):.2g} meV."
            if jumps
            else (f"{sentence}.")
        )


def _dataset(summary: DynamicsSummary) -> Iterator[str]:
    if summary.n_independent is not None:
        verb = "is" if summary.n_independent == 1 else "are"
        yield (
            f"{summary.n_independent} of {summary.n_labelled} labelled steps {verb} independent of each other and "
            f"{'makes' if summary.n_independent == 1 else 'make'} the dataset."
        )
