"""Molecular dynamics of one walker, a step at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.active_learning.exploration.charge_hops import ChargeHops
from aiida_redoxmlp.active_learning.exploration.frames import ExploredFrame
from aiida_redoxmlp.active_learning.exploration.integration import Integrator
from aiida_redoxmlp.active_learning.exploration.settings import Limits, Voigt, Walk
from aiida_redoxmlp.active_learning.exploration.snapshot import Snapshot
from aiida_redoxmlp.active_learning.exploration.starting_points import StartingPoint, random_of
from aiida_redoxmlp.active_learning.exploration.stops import Stop, StopKind, stop_after_step, stop_at
from aiida_redoxmlp.dynamics.velocities import kinetic_temperature, thermal_velocities
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("Walker", "WalkerRecord")


class WalkerRecord(BaseModel):
    """How far one walker came, and why no further."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="The `walker` of its frames.")
    kind: Literal["start", "hop", "relaxation", "walk"] = Field(
        description="'start': a starting point that was only looked at; 'hop': one with an ion on its way to a vacant "
        "site; 'walk': molecular dynamics."
    )
    structure: str = Field(description="Name of the given structure.")
    strain: Voigt = Field(description="Of its starting point: xx, yy, zz, yz, xz, xy.")
    rattle: float = Field(description="Of its starting point, in Å.")
    n_steps: int = Field(description="Steps it made.")
    n_steps_asked: int = Field(description="Steps it was to make, at most.")
    n_frames: int = Field(description="Frames that were kept.")
    time_fs: float = Field(0.0, description="Simulated time.")
    stopped: StopKind | None = Field(None, description="The limit it crossed; null for one that came to its end.")
    reason: str | None = Field(None, description="The same in one sentence.")
    converged: bool | None = Field(None, description="Whether a relaxation reached its tolerance.")
    hops_tried: int = Field(0, description="Hops of a charge that were tried.")
    hops_accepted: int = Field(0, description="Those that were taken.")

    @classmethod
    def of(
        cls, kind: Literal["start", "hop", "relaxation", "walk"], point: StartingPoint, **found: Any
    ) -> WalkerRecord:
        """Return the record of a walker from a starting point."""
        origin = {"structure": point.structure, "strain": point.strain, "rattle": point.rattle}
        return cls.model_validate({"name": point.name, "kind": kind, **origin, **found})


@dataclass(eq=False)
class Walker:
    """Molecular dynamics from one starting point.

    Attributes:
        name: what its frames are called after.
        point: where it started.
        walk: how it moves.
        hops: how its charges move, if they do.
        random: its own random numbers: its path does not depend on the walkers beside it.
        snapshot: where it is.
        velocities: Å/fs, shape (n_atoms, 3).
        stop: why it stopped, if it did; it stays at the last step within the limits.
        kept_step: step of the last frame that was kept.
        n_frames: frames that were kept.
        tried: hops that were tried.
        accepted: hops that were taken.
    """

    name: str
    point: StartingPoint
    walk: Walk
    hops: ChargeHops | None
    random: np.random.Generator
    snapshot: Snapshot
    velocities: NDArray[np.float64]
    stop: Stop | None = None
    kept_step: int = 0
    n_frames: int = 0
    tried: int = 0
    accepted: int = 0

    def __post_init__(self) -> None:
        self._masses: NDArray[np.float64] = atomic_masses[self.point.configuration.numbers]
        friction = self.walk.friction if self.walk.thermostat == "langevin" else 0.0
        self._integrator = Integrator(self._masses, self.walk.timestep, friction)

    @classmethod
    def starting(
        cls, name: str, point: StartingPoint, walk: Walk, hops: ChargeHops | None, snapshot: Snapshot, seed: int
    ) -> Walker:
        """Return a walker before its first step, with thermal velocities."""
        random = random_of(seed, name)
        masses: NDArray[np.float64] = atomic_masses[point.configuration.numbers]
        velocities = thermal_velocities(masses, walk.stages[0].temperature, int(random.integers(2**62)))
        return cls(name, point, walk, hops, random, snapshot.at(walk.stages[0].temperature), velocities)

    @property
    def active(self) -> bool:
        """Whether it goes on."""
        return self.stop is None and self.snapshot.step < self.walk.n_steps

    @property
    def target_temperature(self) -> float:
        """Temperature of the thermostat in the step that comes next, or the last one, in K."""
        return self.walk.temperature_at(min(self.snapshot.step + 1, self.walk.n_steps))

    def moved(self) -> Configuration:
        """Return where the next step leads; :meth:`arrive` has to follow."""
        here = self.snapshot
        positions, self.velocities = self._integrator.moved(
            here.configuration.positions, self.velocities, here.forces, self.target_temperature, self.random
        )
        return here.configuration.moved_to(positions)

    def arrive(self, configuration: Configuration, evaluation: CommitteeEvaluation, limits: Limits) -> None:
        """End a step, or stop before it where it leads beyond the limits."""
        there = Snapshot.of(configuration, evaluation, step=self.snapshot.step + 1)
        self.velocities = self._integrator.kicked(self.velocities, there.forces)
        there = there.at(kinetic_temperature(self._masses, self.velocities))
        self.stop = stop_after_step(self.snapshot, there, limits, self.walk.highest_temperature)
        if self.stop is None:
            self.snapshot = there

    @property
    def hops_due(self) -> bool:
        """Whether charges move after this step."""
        charges = self.walk.charges
        return charges is not None and self.stop is None and self.snapshot.step % charges.interval == 0

    def hop_to(self, configuration: Configuration, evaluation: CommitteeEvaluation, limits: Limits) -> None:
        """Take another pattern, or stop where it is beyond the limits."""
        there = Snapshot.of(configuration, evaluation, step=self.snapshot.step).at(self.snapshot.temperature)
        self.accepted += 1
        self.stop = stop_at(there, limits)
        if self.stop is None:
            self.snapshot = there
        else:
            self.stop = replace(self.stop, reason=f"After a hop of a charge: {self.stop.reason}")

    def frame(self) -> ExploredFrame | None:
        """Return the frame of this step if it is to be kept: at intervals, and where the walker ends."""
        step = self.snapshot.step
        if step == self.kept_step or (self.active and step % self.walk.frame_interval):
            return None
        self.kept_step = step
        self.n_frames += 1
        return ExploredFrame.of(self.snapshot, self.point.redox_sites, self.name, step * self.walk.timestep)

    def record(self) -> WalkerRecord:
        """Return how far it came."""
        return WalkerRecord.of(
            "walk",
            self.point,
            name=self.name,
            n_steps=self.snapshot.step,
            n_steps_asked=self.walk.n_steps,
            n_frames=self.n_frames,
            time_fs=self.snapshot.step * self.walk.timestep,
            stopped=None if self.stop is None else self.stop.kind,
            reason=None if self.stop is None else self.stop.reason,
            hops_tried=self.tried,
            hops_accepted=self.accepted,
        )
