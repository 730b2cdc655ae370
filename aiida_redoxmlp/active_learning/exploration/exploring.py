"""Exploration of what a committee does not know: relaxations and walkers in batches, stopped and resumed at will."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aiida_redoxmlp.active_learning.exploration.charge_hops import ChargeHops
from aiida_redoxmlp.active_learning.exploration.charges import move_charges
from aiida_redoxmlp.active_learning.exploration.frames import ExploredFrame
from aiida_redoxmlp.active_learning.exploration.relaxing import relax_points
from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.active_learning.exploration.snapshot import Snapshot
from aiida_redoxmlp.active_learning.exploration.starting_points import (
    GivenStructure,
    StartingPoint,
    starting_points,
    with_states,
)
from aiida_redoxmlp.active_learning.exploration.stops import stop_at
from aiida_redoxmlp.active_learning.exploration.storage import Storage, Stored, fingerprint_of
from aiida_redoxmlp.active_learning.exploration.walkers import Walker, WalkerRecord
from aiida_redoxmlp.active_learning.uncertainty import collapse_of
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.search.relaxation import relaxed_at_once

__all__ = ("Exploration", "explore")

_SAME_ENERGY = 0.001
"""Difference in eV that rounding on another machine can make."""


@dataclass(frozen=True, eq=False)
class Exploration:
    """What an exploration found.

    Attributes:
        frames: structures within the limits, of starting points, relaxations and walks.
        walkers: how far each of them came, and why no further.
        warnings: what limits the result, in sentences.
        complete: whether it came to its end; otherwise it was stopped and can be resumed.
    """

    frames: tuple[ExploredFrame, ...]
    walkers: tuple[WalkerRecord, ...]
    warnings: tuple[str, ...]
    complete: bool


def explore(
    potential: CommitteePotential,
    structures: Mapping[str, GivenStructure],
    chemistry: RedoxChemistry,
    settings: ExplorationSettings,
    *,
    checkpoints: Path | None = None,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Exploration:
    """Look for structures that a committee does not know.

    Stopped or killed at any moment and started again with the same checkpoints, it ends like an unbroken exploration.

    Args:
        potential: the committee.
        structures: what to explore from, by name; of several states of charge if they are.
        chemistry: charges of the material.
        settings: walks, relaxations, variations and limits.
        checkpoints: folder to store the exploration in, and to resume it from.
        on_progress: sees a dictionary at the start, after every checkpoint and when a walker stops.
        should_stop: asked after every step.

    Raises:
        InputError: for structures that cannot be explored, species that the committee does not know, or checkpoints
            of another exploration.
        ClosureError: if no pattern closes the charge of a structure.
    """
    running = _Running(potential, structures, chemistry, settings, checkpoints, on_progress, should_stop)
    complete = running.relax() and running.walk()
    return running.result(complete)


class _StoppedError(Exception):
    """Ends a batch of relaxations in the middle."""


class _Running:
    """An exploration between two steps."""

    def __init__(
        self,
        potential: CommitteePotential,
        structures: Mapping[str, GivenStructure],
        chemistry: RedoxChemistry,
        settings: ExplorationSettings,
        checkpoints: Path | None,
        on_progress: Callable[[dict[str, Any]], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._potential, self._chemistry, self._settings = potential, chemistry, settings
        self._report, self._should_stop = on_progress or (lambda _: None), should_stop or (lambda: False)
        self._storage = Storage(checkpoints, fingerprint_of(structures, chemistry, settings))
        points = starting_points(structures, chemistry, settings)
        if self._storage.exists:
            self._stored, arrays = self._storage.restore(points, potential.encoding)
            snapshots = self._require_same_energies()
            self._walkers = self._new_walkers(snapshots)
            self._storage.restore_walkers(self._walkers, arrays, potential.encoding)
        else:
            points = with_states(points, potential, chemistry, settings.patterns)
            self._walkers = self._new_walkers(self._begin(points))
            self._store()
        self._report({"event": "started", "starting_points": len(points), "walkers": len(self._walkers)})

    def relax(self) -> bool:
        """Relax what is left to relax, and tell whether that came to its end."""
        settings, stored = self._settings, self._stored
        if settings.relaxations is None:
            return True
        points = [point for point, trusted in zip(stored.points, stored.trusted, strict=True) if trusted]
        points = [point for point in points if not (point.rattle or point.on_hop)]
        while stored.n_relaxed < len(points):
            left = points[stored.n_relaxed :]
            batch = left[: relaxed_at_once(self._potential.device, max(len(one.configuration) for one in points))]
            try:
                records, frames = relax_points(
                    batch, self._potential, settings.relaxations, settings.limits, settings.seed, on_step=self._relaxing
                )
            except _StoppedError:
                return False
            stored.records += records
            stored.frames += frames
            stored.n_relaxed += len(batch)
            self._store()
            self._report({"event": "relaxed", "done": stored.n_relaxed, "of": len(points)})
        return True

    def walk(self) -> bool:
        """Let the walkers go, and tell whether all came to their end."""
        last = time.monotonic()
        while active := [walker for walker in self._walkers if walker.active]:
            self._step(active)
            stopping = self._should_stop()
            ended = not any(walker.active for walker in active)
            if stopping or ended or time.monotonic() - last >= self._settings.checkpoint_interval:
                self._store()
                self._report(self._progress())
                last = time.monotonic()
            if stopping and not ended:
                return False
        return True

    def result(self, complete: bool) -> Exploration:
        """Return what was found so far."""
        records = (*self._stored.records, *(walker.record() for walker in self._walkers))
        frames = tuple(self._stored.frames)
        return Exploration(frames, records, tuple(self._warnings(frames, records)), complete)

    def _begin(self, points: list[StartingPoint]) -> list[Snapshot]:
        """Evaluate the starting points, and keep those within the limits."""
        evaluations = self._potential.evaluate([point.configuration for point in points])
        snapshots = [
            Snapshot.of(point.configuration, evaluation) for point, evaluation in zip(points, evaluations, strict=True)
        ]
        stops = [stop_at(snapshot, self._settings.limits) for snapshot in snapshots]
        self._stored = Stored(
            points,
            trusted=[stop is None for stop in stops],
            first_energies=evaluations[0].energies.tolist(),
            records=[
                WalkerRecord.of(
                    "hop" if point.on_hop else "start",
                    point,
                    n_steps=0,
                    n_steps_asked=0,
                    n_frames=int(stop is None),
                    stopped=None if stop is None else stop.kind,
                    reason=None if stop is None else stop.reason,
                )
                for point, stop in zip(points, stops, strict=True)
            ],
            frames=[
                ExploredFrame.of(snapshot, point.redox_sites, point.name)
                for point, snapshot, stop in zip(points, snapshots, stops, strict=True)
                if stop is None
            ],
        )
        return snapshots

    def _require_same_energies(self) -> list[Snapshot]:
        """Refuse checkpoints of another model; return stand-ins for the starting points' evaluations.

        Raises:
            InputError: if the first starting point has other energies than were stored.
        """
        (evaluation,) = self._potential.evaluate([self._stored.points[0].configuration])
        then = np.array(self._stored.first_energies)
        same = then.shape == evaluation.energies.shape and np.abs(then - evaluation.energies).max() <= _SAME_ENERGY
        if self._stored.trusted[0] and not same:
            raise InputError(
                "The checkpoints are of an exploration with another model; remove their folder to start anew, or give "
                "another."
            )
        first = Snapshot.of(self._stored.points[0].configuration, evaluation)
        return [first] * len(self._stored.points)

    def _new_walkers(self, snapshots: list[Snapshot]) -> list[Walker]:
        """Return walkers before their first step, from all starting points within the limits."""
        stored, encoding, walkers = self._stored, self._potential.encoding, []
        hops_walk = self._settings.ion_hops is not None and self._settings.ion_hops.walks
        for point, trusted, snapshot in zip(stored.points, stored.trusted, snapshots, strict=True):
            walking = trusted and (not point.on_hop or hops_walk)
            for number, walk in enumerate(self._settings.walks if walking else (), start=1):
                hopping = walk.charges is not None
                hops = ChargeHops(point.configuration, point.spins, self._chemistry, encoding) if hopping else None
                for copy in range(1, walk.copies + 1):
                    name = f"{point.name}, walk {number}.{copy}"
                    walkers.append(Walker.starting(name, point, walk, hops, snapshot, self._settings.seed))
        return walkers

    def _step(self, active: list[Walker]) -> None:
        """Move all active walkers by one step, with one batch, and then their charges."""
        limits = self._settings.limits
        moved = [walker.moved() for walker in active]
        for walker, there, evaluation in zip(active, moved, self._potential.evaluate(moved), strict=True):
            walker.arrive(there, evaluation, limits)
        move_charges(active, self._potential, self._chemistry, limits, self._settings.patterns)
        for walker in active:
            frame = walker.frame()
            if frame is not None:
                self._stored.frames.append(frame)
            if walker.stop is not None:
                self._report({"event": "stopped", "walker": walker.name, "reason": walker.stop.reason})

    def _relaxing(self, step: int, active: int, force: float) -> None:
        """Report a step of relaxations."""
        self._report({"event": "relaxing", "step": step, "active": active, "max_force_ev_per_angstrom": force})
        if self._should_stop():
            raise _StoppedError

    def _store(self) -> None:
        self._storage.write(self._stored, self._walkers)

    def _progress(self) -> dict[str, Any]:
        return {
            "event": "exploring",
            "steps": sum(walker.snapshot.step for walker in self._walkers),
            "of": sum(walker.walk.n_steps for walker in self._walkers),
            "walking": sum(walker.active for walker in self._walkers),
            "frames": len(self._stored.frames),
        }

    def _warnings(self, frames: tuple[ExploredFrame, ...], records: tuple[WalkerRecord, ...]) -> list[str]:
        """Return sentences on what limits the result."""
        warnings = []
        collapsed = collapse_of([frame.uncertainty for frame in frames], self._potential.n_members)
        if collapsed is not None:
            warnings.append(collapsed)
        for kind, what in (
            ("start", "starting points"),
            ("hop", "structures along hops of ions"),
            ("walk", "walks"),
            ("relaxation", "relaxations"),
        ):
            some = [record for record in records if record.kind == kind]
            stopped = [record for record in some if record.stopped is not None]
            if some and len(stopped) == len(some):
                warnings.append(
                    f"All {len(some)} {what} are beyond the limits, the first because: {stopped[0].reason} Train on "
                    "more structures like these, or raise the limits."
                )
        return warnings
