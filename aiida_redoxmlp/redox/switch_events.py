"""Which redox site switched its oxidation state, when, and where the electron went.

Only sure steps decide (:attr:`~aiida_redoxmlp.redox.trajectory_states.StatesAlongTrajectory.sure`). The definition:

1. The first sure step has the first pattern. A later sure step with another pattern is a *flicker* if any of its
   changed sites has its former state back at a sure step at most ``min_dwell`` steps later. Flickers count as
   ambiguous.
2. Between two successive sure steps that are no flickers, every site whose state differs has switched once. Whatever
   lies between them is bridged, so a switch within an ambiguous stretch is dated by that stretch.
3. Of the switches between the same two steps, those that lose an electron are paired with those that gain one: each
   pair is an electron hop.

Whole steps are compared, never single sites, so the charge of the sites after all events is that of the last pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory

__all__ = (
    "DEFAULT_MIN_DWELL",
    "ElectronHop",
    "SwitchEvent",
    "ambiguous_intervals",
    "electron_hops",
    "settled",
    "switch_events",
)

DEFAULT_MIN_DWELL = 2
"""Steps within which a state that is back was never left."""


@dataclass(frozen=True)
class SwitchEvent:
    """One site's change of oxidation state.

    Attributes:
        site: index of the atom.
        symbol: its chemical symbol.
        before: state before.
        after: state after.
        last_step_before: last sure step with the state before.
        first_step_after: first sure step with the state after.
        time_fs: middle of the interval between these two steps in fs, or None.
        temperature: mean instantaneous temperature in K from the one to the other, or None.
    """

    site: int
    symbol: str
    before: int
    after: int
    last_step_before: int
    first_step_after: int
    time_fs: float | None = None
    temperature: float | None = None

    @property
    def interval(self) -> tuple[int, int]:
        """Last step before and first step after."""
        return self.last_step_before, self.first_step_after


@dataclass(frozen=True)
class ElectronHop:
    """An electron that went from one site to another between two steps.

    Attributes:
        from_site: index of the atom whose state went up.
        to_site: index of the atom whose state went down.
        from_symbol: chemical symbol of the atom it left.
        to_symbol: chemical symbol of the atom it went to.
        last_step_before: last sure step before.
        first_step_after: first sure step after.
        unique: whether the switches of the interval can be paired in this way only.
        time_fs: middle of the interval in fs, or None.
        temperature: mean instantaneous temperature in K over the interval, or None.
    """

    from_site: int
    to_site: int
    from_symbol: str
    to_symbol: str
    last_step_before: int
    first_step_after: int
    unique: bool
    time_fs: float | None = None
    temperature: float | None = None


def settled(trajectory: StatesAlongTrajectory, *, min_dwell: int = DEFAULT_MIN_DWELL) -> NDArray[np.bool_]:
    """Return which steps are sure and no flicker, shape (n_steps,).

    Args:
        trajectory: the states.
        min_dwell: a state that is back within so many steps is a flicker; 0 for none.

    Raises:
        InputError: if ``min_dwell`` is negative.
    """
    if min_dwell < 0:
        raise InputError(f"A shortest dwell of {min_dwell} steps makes no sense; give 0 or more.")
    kept: NDArray[np.bool_] = trajectory.sure.copy()
    rows = np.flatnonzero(kept)
    steps, states = trajectory.steps[rows], trajectory.states[rows]
    current = 0
    place = _next_other(states, 0, current)
    while place is not None:
        last = int(np.searchsorted(steps, steps[place] + min_dwell, side="right"))
        changed = states[place] != states[current]
        if (states[place + 1 : last, changed] == states[current, changed]).any():
            kept[rows[place]] = False
        else:
            current = place
        place = _next_other(states, place, current)
    return kept


def _next_other(states: NDArray[np.int64], place: int, current: int) -> int | None:
    """Return the first place after ``place`` whose pattern is not that at ``current``."""
    start, size = place + 1, 64
    while start < len(states):
        differs = np.flatnonzero((states[start : start + size] != states[current]).any(axis=1))
        if differs.size:
            return start + int(differs[0])
        start, size = start + size, 4 * size
    return None


def switch_events(trajectory: StatesAlongTrajectory, *, min_dwell: int = DEFAULT_MIN_DWELL) -> tuple[SwitchEvent, ...]:
    """Return every switch, in order of time and then of the sites; see the module for the definition.

    Args:
        trajectory: the states.
        min_dwell: a state that is back within so many steps is a flicker; 0 for none.

    Raises:
        InputError: if ``min_dwell`` is negative.
    """
    rows = np.flatnonzero(settled(trajectory, min_dwell=min_dwell))
    switched = trajectory.states[rows[1:]] != trajectory.states[rows[:-1]]
    return tuple(
        _event(trajectory, int(column), int(rows[place]), int(rows[place + 1]))
        for place, column in zip(*np.nonzero(switched), strict=True)
    )


def _event(trajectory: StatesAlongTrajectory, column: int, before: int, after: int) -> SwitchEvent:
    times, temperatures = trajectory.times, trajectory.temperatures
    return SwitchEvent(
        site=trajectory.sites[column],
        symbol=trajectory.symbols[column],
        before=int(trajectory.states[before, column]),
        after=int(trajectory.states[after, column]),
        last_step_before=int(trajectory.steps[before]),
        first_step_after=int(trajectory.steps[after]),
        time_fs=None if times is None else _mean_of_known(times[[before, after]]),
        temperature=None if temperatures is None else _mean_of_known(temperatures[before : after + 1]),
    )


def _mean_of_known(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def electron_hops(events: Iterable[SwitchEvent]) -> tuple[ElectronHop, ...]:
    """Pair the switches between the same two steps that lose an electron with those that gain one.

    A switch by n electrons takes part in up to n hops. Where several sites lose and several gain at once, which went
    where cannot be known: they are paired in the order of the sites and are not ``unique``. Switches without a partner,
    as where electrons come from outside, give no hop.

    Args:
        events: the switches, in order of time.
    """
    found: list[ElectronHop] = []
    for _, group in groupby(events, key=lambda event: event.interval):
        found.extend(_hops_of_interval(list(group)))
    return tuple(found)


def _hops_of_interval(events: Sequence[SwitchEvent]) -> list[ElectronHop]:
    lost = [event for event in events for _ in range(event.after - event.before)]
    gained = [event for event in events for _ in range(event.before - event.after)]
    donors, acceptors = len({event.site for event in lost}), len({event.site for event in gained})
    # With one site on a side every electron of the other side goes there or comes from there, if none is left over.
    unique = (donors == 1 and len(lost) >= len(gained)) or (acceptors == 1 and len(gained) >= len(lost))
    return [
        ElectronHop(
            from_site=donor.site,
            to_site=acceptor.site,
            from_symbol=donor.symbol,
            to_symbol=acceptor.symbol,
            last_step_before=donor.last_step_before,
            first_step_after=donor.first_step_after,
            unique=unique,
            time_fs=donor.time_fs,
            temperature=donor.temperature,
        )
        for donor, acceptor in zip(lost, gained, strict=False)
    ]


def ambiguous_intervals(
    trajectory: StatesAlongTrajectory, *, min_dwell: int = DEFAULT_MIN_DWELL
) -> tuple[tuple[int, int], ...]:
    """Return first and last step of every run of steps that are not sure, flickers among them.

    Args:
        trajectory: the states.
        min_dwell: a state that is back within so many steps is a flicker; 0 for none.

    Raises:
        InputError: if ``min_dwell`` is negative.
    """
    doubtful = np.concatenate([[False], ~settled(trajectory, min_dwell=min_dwell), [False]])
    starts = np.flatnonzero(~doubtful[:-1] & doubtful[1:])
    ends = np.flatnonzero(doubtful[:-1] & ~doubtful[1:]) - 1
    return tuple(
        (int(trajectory.steps[start]), int(trajectory.steps[end])) for start, end in zip(starts, ends, strict=True)
    )
