"""U and V over the cycles of their self-consistency, with the oxidation state of each site."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.report.figures.style import species_colours
from aiida_redoxmlp.report.hubbard_schema import HubbardCycle, HubbardPairValue, HubbardSummary
from aiida_redoxmlp.report.hubbard_wording import species_of
from aiida_redoxmlp.report.wording import charge

__all__ = ("Course", "HubbardCycles", "Panel", "collect")

_STEP = 0.09
_WIDEST = 0.36
_SAME_HEIGHT = 0.015


@dataclass(frozen=True, eq=False)
class Course:
    """One line: U of a site, or V of a site with its neighbours of one element.

    Attributes:
        name: such as ``Mn2``, or ``Mn2–O`` for V.
        suffix: the state of the last cycle in brackets, such as `` (3+)``; empty where none is known.
        values: eV, shape (n_cycles + 1,): what was put in first, then what each cycle found; a mean for V.
        lows: smallest over the pairs, the same for U; shape (n_cycles + 1,).
        highs: largest over the pairs; shape (n_cycles + 1,).
        species: species label of the site in every cycle.
        n_values: number of pairs; 1 for U.
    """

    name: str
    suffix: str
    values: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    species: tuple[str, ...]
    n_values: int


@dataclass(frozen=True, eq=False)
class Panel:
    """U or V.

    Attributes:
        symbol: ``U`` or ``V``.
        courses: the lines.
        change: largest change in the last cycle, in eV.
        tolerance: eV, or None where it is not known.
    """

    symbol: str
    courses: tuple[Course, ...]
    change: float
    tolerance: float | None

    @property
    def title(self) -> str:
        """Whether it converged, with the numbers that say so."""
        if self.tolerance is None:
            return f"{self.symbol}: last change {self.change:.3g} eV"
        verdict = "converged" if self.change <= self.tolerance else "not converged"
        return f"{self.symbol} {verdict}: last change {self.change:.3g} eV, tolerance {self.tolerance:g} eV"

    @property
    def span(self) -> tuple[float, float]:
        """Range of the axis in eV, tolerance included."""
        margin = self.tolerance or 0.0
        low = min(float(course.lows.min()) for course in self.courses)
        high = max(float(course.highs.max()) for course in self.courses)
        low = min(low, *(float(course.values[-1]) - margin for course in self.courses))
        high = max(high, *(float(course.values[-1]) + margin for course in self.courses))
        room = 0.06 * max(high - low, 0.01)
        return low - room, high + room

    @property
    def offsets(self) -> list[float]:
        """Shift of every line after cycle 0, so that ranges and lines that coincide are all seen."""
        n_lines = len(self.courses)
        low, high = self.span
        values = np.sort([course.values for course in self.courses], axis=0)
        apart = np.diff(values, axis=0)[:, 1:].min(initial=np.inf) > _SAME_HEIGHT * (high - low)
        if apart and all(course.n_values == 1 for course in self.courses):
            return [0.0] * n_lines
        step = min(_STEP, _WIDEST / max(n_lines - 1, 1))
        return [step * (index - (n_lines - 1) / 2) for index in range(n_lines)]


@dataclass(frozen=True, eq=False)
class HubbardCycles:
    """All cycles.

    Attributes:
        panels: U, and V where there is any.
        n_cycles: number of cycles; the input is cycle 0.
        changed: cycles whose pattern is another one than before.
        ambiguous: cycles whose pattern is ambiguous.
        colours: colour of every species label that occurs.
    """

    panels: tuple[Panel, ...]
    n_cycles: int
    changed: tuple[int, ...]
    ambiguous: tuple[int, ...]
    colours: dict[str, str]

    @property
    def species(self) -> tuple[str, ...]:
        """The species labels, those of one element together, by state."""
        return tuple(sorted(self.colours))


def collect(summary: HubbardSummary) -> HubbardCycles | None:
    """Prepare the figure, or None before the first cycle is closed."""
    cycles = summary.cycles
    if not cycles:
        return None
    last = cycles[-1]
    panels = [Panel("U", _onsite(cycles), last.change_u_ev, summary.tolerance_u_ev)]
    if last.pairs:
        panels.append(Panel("V", _intersite(cycles), last.change_v_ev, summary.tolerance_v_ev))
    species = [name for panel in panels for course in panel.courses for name in course.species]
    return HubbardCycles(
        panels=tuple(panels),
        n_cycles=len(cycles),
        changed=tuple(cycle.number for cycle in cycles if cycle.pattern_changed),
        ambiguous=tuple(cycle.number for cycle in cycles if cycle.ambiguous),
        colours=species_colours(species, {site.element for site in last.sites if site.oxidation_state is not None}),
    )


def _onsite(cycles: Sequence[HubbardCycle]) -> tuple[Course, ...]:
    """One line a site."""
    courses = []
    for index, last in enumerate(cycles[-1].sites):
        values = np.array([cycles[0].sites[index].u_in_ev, *(cycle.sites[index].u_out_ev for cycle in cycles)])
        species = tuple(species_of(cycle.sites[index]) for cycle in cycles)
        courses.append(Course(last.label, _suffix(last.oxidation_state), values, values, values, species, 1))
    return tuple(courses)


def _intersite(cycles: Sequence[HubbardCycle]) -> tuple[Course, ...]:
    """One line a site and element of its neighbours; pairs that symmetry makes alike are one point."""
    groups: dict[tuple[int, str, str, str], list[int]] = defaultdict(list)
    for index, pair in enumerate(cycles[-1].pairs):
        groups[pair.site, pair.neighbour_element, pair.manifold, pair.neighbour_manifold].append(index)
    sites = {site.site: site for site in cycles[-1].sites}
    courses = []
    for (site, neighbour, _, _), members in groups.items():
        rows = [[cycles[0].pairs[index].v_in_ev for index in members]]
        rows += [[cycle.pairs[index].v_out_ev for index in members] for cycle in cycles]
        table = np.array(rows)
        lows, highs = table.min(axis=1), table.max(axis=1)
        first: HubbardPairValue = cycles[-1].pairs[members[0]]
        courses.append(
            Course(
                name=f"{first.label}–{neighbour}",
                suffix=_suffix(sites[site].oxidation_state) if site in sites else "",
                values=table.mean(axis=1).clip(lows, highs),  # equal values have a mean a rounding error away
                lows=lows,
                highs=highs,
                species=tuple(_species_at(cycle, site) or first.label for cycle in cycles),
                n_values=len(members),
            )
        )
    return tuple(courses)


def _species_at(cycle: HubbardCycle, site: int) -> str | None:
    return next((species_of(one) for one in cycle.sites if one.site == site), None)


def _suffix(state: int | None) -> str:
    return "" if state is None else f" ({charge(state)})"
