"""Relaxations of starting points that stop where they leave what the committee knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiida_redoxmlp.active_learning.exploration.frames import ExploredFrame
from aiida_redoxmlp.active_learning.exploration.settings import Limits, Relaxations
from aiida_redoxmlp.active_learning.exploration.snapshot import Snapshot
from aiida_redoxmlp.active_learning.exploration.starting_points import StartingPoint, displaced, random_of
from aiida_redoxmlp.active_learning.exploration.stops import Stop, stop_at
from aiida_redoxmlp.active_learning.exploration.walkers import WalkerRecord
from aiida_redoxmlp.engines.contract import CommitteeEvaluation, CommitteePotential
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.search.relaxation import RelaxationResult, Relaxer

__all__ = ("relax_points",)


def relax_points(
    points: Sequence[StartingPoint],
    potential: CommitteePotential,
    settings: Relaxations,
    limits: Limits,
    seed: int,
    *,
    on_step: Callable[[int, int, float], None] | None = None,
) -> tuple[list[WalkerRecord], list[ExploredFrame]]:
    """Relax starting points in one batch.

    Args:
        points: where to start, with states.
        potential: the committee.
        settings: tolerance, steps and displacements before.
        limits: where relaxations stop.
        seed: of the displacements.
        on_step: as :meth:`~aiida_redoxmlp.search.relaxation.Relaxer.relax` takes it.

    Returns:
        One record a relaxation, and the frames of all of them.
    """
    paths = [_Path(point, settings, limits) for point in points]
    starts = [displaced(one.point.configuration, settings.rattle, random_of(seed, one.name)) for one in paths]
    relaxer = Relaxer(potential, force_tolerance=settings.force_tolerance, max_steps=settings.max_steps)
    found = relaxer.relax(
        starts, on_step=on_step, is_trusted=lambda place, there, evaluation: paths[place].goes_on(there, evaluation)
    )
    for path, result in zip(paths, found, strict=True):
        path.end(result)
    records = [path.record(result) for path, result in zip(paths, found, strict=True)]
    return records, [frame for path in paths for frame in path.frames]


class _Path:
    """The frames of one relaxation."""

    def __init__(self, point: StartingPoint, settings: Relaxations, limits: Limits) -> None:
        self.name = f"{point.name}, relaxation"
        self.point, self._settings, self._limits = point, settings, limits
        self.frames: list[ExploredFrame] = []
        self._stop: Stop | None = None
        self._step = 0

    def goes_on(self, configuration: Configuration, evaluation: CommitteeEvaluation) -> bool:
        """Tell whether a geometry is within the limits, and keep it if its turn has come."""
        there = Snapshot.of(configuration, evaluation, step=self._step + 1)
        self._stop = stop_at(there, self._limits)
        if self._stop is not None:
            return False
        self._step += 1
        if self._step % self._settings.frame_interval == 0:
            self._keep(there)
        return True

    def end(self, result: RelaxationResult) -> None:
        """Keep the last geometry."""
        last = Snapshot.of(result.configuration, result.evaluation, step=self._step)
        beyond = stop_at(last, self._limits) if self._step == 0 else None
        self._stop = self._stop or beyond
        if beyond is None and not (self.frames and self.frames[-1].step == self._step):
            self._keep(last)

    def record(self, result: RelaxationResult) -> WalkerRecord:
        """Return how far it came."""
        return WalkerRecord.of(
            "relaxation",
            self.point,
            name=self.name,
            n_steps=result.steps,
            n_steps_asked=self._settings.max_steps,
            n_frames=len(self.frames),
            stopped=None if self._stop is None else self._stop.kind,
            reason=None if self._stop is None else self._stop.reason,
            converged=result.converged,
        )

    def _keep(self, snapshot: Snapshot) -> None:
        self.frames.append(ExploredFrame.of(snapshot, self.point.redox_sites, self.name))
