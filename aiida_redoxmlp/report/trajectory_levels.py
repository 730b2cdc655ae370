"""What a trajectory's plot shows: runs of one state, the levels that decide it, events and ambiguous stretches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.redox.switch_events import (
    DEFAULT_MIN_DWELL,
    ElectronHop,
    SwitchEvent,
    ambiguous_intervals,
    electron_hops,
    switch_events,
)
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory

__all__ = ("StateRun", "TrajectoryPicture", "deciding_levels", "envelope", "picture_of")


@dataclass(frozen=True)
class StateRun:
    """Successive steps over which a site is in one state.

    Attributes:
        row: number of the site among the redox sites.
        species: species label, such as ``Mn3+``.
        start: where the run begins, in steps; half a step before its first step.
        length: in steps.
    """

    row: int
    species: str
    start: float
    length: float


@dataclass(frozen=True, eq=False)
class TrajectoryPicture:
    """The contents of the plot.

    Attributes:
        trajectory: the states.
        names: name of each redox site, its symbol and number from 1.
        runs: the colour strip.
        last_full: smallest eigenvalue counted as full, nan for an empty shell, shape (n_steps, n_sites).
        first_empty: largest eigenvalue counted as empty, nan for a full shell, shape (n_steps, n_sites).
        bands: threshold and width of each way the levels are read, ascending.
        events: the switches.
        hops: the electron hops.
        doubtful: start and length, in steps, of each ambiguous stretch.
    """

    trajectory: StatesAlongTrajectory
    names: tuple[str, ...]
    runs: tuple[StateRun, ...]
    last_full: NDArray[np.float64]
    first_empty: NDArray[np.float64]
    bands: tuple[tuple[float, float], ...]
    events: tuple[SwitchEvent, ...]
    hops: tuple[ElectronHop, ...]
    doubtful: tuple[tuple[float, float], ...]

    @property
    def species(self) -> tuple[str, ...]:
        """Every species label that occurs, sorted."""
        return tuple(sorted({run.species for run in self.runs}))


def picture_of(
    trajectory: StatesAlongTrajectory, table: RedoxTable, *, min_dwell: int = DEFAULT_MIN_DWELL
) -> TrajectoryPicture:
    """Collect what the plot shows.

    Args:
        trajectory: the states.
        table: the table they were read with.
        min_dwell: a state that is back within so many steps was never left.
    """
    levels = [
        deciding_levels(
            trajectory.eigenvalues[:, row], trajectory.states[:, row], table.elements[symbol].valence_electrons
        )
        for row, symbol in enumerate(trajectory.symbols)
    ]
    elements = {table.elements[symbol] for symbol in trajectory.symbols}
    events = switch_events(trajectory, min_dwell=min_dwell)
    return TrajectoryPicture(
        trajectory=trajectory,
        names=tuple(f"{symbol} {site + 1}" for symbol, site in zip(trajectory.symbols, trajectory.sites, strict=True)),
        runs=tuple(run for row in range(len(trajectory.sites)) for run in _runs(trajectory, row)),
        last_full=np.stack([full for full, _ in levels], axis=1),
        first_empty=np.stack([empty for _, empty in levels], axis=1),
        bands=tuple(sorted({(element.threshold, element.width) for element in elements})),
        events=events,
        hops=electron_hops(events),
        doubtful=tuple(
            (first - 0.5, last - first + 1.0) for first, last in ambiguous_intervals(trajectory, min_dwell=min_dwell)
        ),
    )


def deciding_levels(
    eigenvalues: NDArray[np.float64], states: NDArray[np.int64], valence_electrons: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest eigenvalue counted as full and the largest counted as empty, each of shape (n_steps,).

    The assigned state says how many levels are full, valence electrons - state: the largest of both spin channels.

    Args:
        eigenvalues: of one site, shape (n_steps, 2, n_levels); rows of nan are no levels.
        states: its assigned states, shape (n_steps,).
        valence_electrons: electrons of the element outside the closed core.
    """
    n_steps = len(states)
    ordered = np.sort(eigenvalues.reshape(n_steps, -1), axis=1)  # nan comes last
    n_levels = np.isfinite(ordered).sum(axis=1)
    # A nan at either end stands for the level that an empty or full shell does not have.
    padded = np.full((n_steps, ordered.shape[1] + 2), np.nan)
    padded[:, 1:-1] = ordered
    first_full = np.clip(n_levels - (valence_electrons - states), 0, n_levels) + 1
    rows = np.arange(n_steps)
    return padded[rows, first_full], padded[rows, first_full - 1]


def envelope(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return the rows that draw the same line as all of them, where there are more rows than pixels.

    First and last row, and of each of ``most`` equal pieces the rows of its smallest and its largest value.

    Args:
        values: shape (n_rows,); nan is not drawn.
        most: number of pieces; with fewer than three rows a piece all rows are returned.
    """
    n_rows = len(values)
    width = n_rows // most
    if width < 3:
        return np.arange(n_rows)
    pieces = values[: width * most].reshape(most, width)
    starts = width * np.arange(most)
    lowest = starts + np.where(np.isnan(pieces), np.inf, pieces).argmin(axis=1)
    highest = starts + np.where(np.isnan(pieces), -np.inf, pieces).argmax(axis=1)
    rest = np.arange(width * most, n_rows)
    return np.unique(np.concatenate([[0], lowest, highest, rest, [n_rows - 1]])).astype(np.intp)


def _runs(trajectory: StatesAlongTrajectory, row: int) -> list[StateRun]:
    """Return the runs of one site; where steps are missing a run ends, so that the gap is seen."""
    states, steps = trajectory.states[:, row], trajectory.steps
    usual = int(np.median(np.diff(steps))) if len(steps) > 1 else 1
    starts = np.flatnonzero(np.r_[True, (np.diff(states) != 0) | (np.diff(steps) > usual)])
    ends = np.r_[starts[1:], len(steps)] - 1
    return [
        StateRun(
            row=row,
            species=Species(trajectory.symbols[row], int(states[start])).label,
            start=float(steps[start]) - 0.5 * usual,
            length=float(steps[end] - steps[start] + usual),
        )
        for start, end in zip(starts, ends, strict=True)
    ]
