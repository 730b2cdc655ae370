"""Relaxation of many configurations at once against a committee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.engines.contract import CommitteeEvaluation, CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("FireSettings", "RelaxationResult", "Relaxer", "relaxed_at_once")

_ATOMS_AT_ONCE = {"cuda": 4096, "cpu": 512}
"""Atoms of the configurations that are relaxed together; a job that is killed repeats no more than these."""


def relaxed_at_once(device: str, n_atoms: int) -> int:
    """Return how many configurations of ``n_atoms`` atoms are relaxed together on a device."""
    return max(1, _ATOMS_AT_ONCE.get(device, min(_ATOMS_AT_ONCE.values())) // n_atoms)


@dataclass(frozen=True)
class FireSettings:
    """Parameters of FIRE in the notation of the paper; unit masses, times in Å (amu/eV)^½.

    Source: E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), with the time steps ASE uses for unit
        masses.

    Attributes:
        dt_start: time step at the start.
        dt_max: upper bound on the time step.
        n_min: steps downhill before the time step grows.
        f_inc: growth of the time step.
        f_dec: cut of the time step after a step uphill.
        alpha_start: mixing of the velocity with the force's direction at the start.
        f_alpha: decay of that mixing.
        max_displacement: largest displacement of an atom in a step, in Å.
    """

    dt_start: float = 0.1
    dt_max: float = 1.0
    n_min: int = 5
    f_inc: float = 1.1
    f_dec: float = 0.5
    alpha_start: float = 0.1
    f_alpha: float = 0.99
    max_displacement: float = 0.1


@dataclass(frozen=True, eq=False)
class RelaxationResult:
    """Where the relaxation of one configuration ended.

    Attributes:
        configuration: the final geometry.
        evaluation: the committee there.
        initial_energy: committee mean at the start in eV.
        max_force: largest component of the mean force at the end in eV/Å.
        converged: whether that is within the tolerance.
        steps: number of displacements.
    """

    configuration: Configuration
    evaluation: CommitteeEvaluation
    initial_energy: float
    max_force: float
    converged: bool
    steps: int


@dataclass(eq=False)
class _Walker:
    """FIRE's state of one configuration."""

    configuration: Configuration
    velocity: NDArray[np.float64]
    dt: float
    alpha: float
    evaluation: CommitteeEvaluation
    initial_energy: float
    downhill_steps: int = 0
    steps: int = 0
    failed: bool = False

    @property
    def max_force(self) -> float:
        return float(np.abs(self.evaluation.mean_forces).max())

    def next_configuration(self, fire: FireSettings) -> Configuration:
        """Advance velocity, time step and mixing, and return the displaced configuration."""
        forces = self.evaluation.mean_forces
        power = float((forces * self.velocity).sum())
        if power > 0:
            direction = forces / np.linalg.norm(forces)
            self.velocity = (1 - self.alpha) * self.velocity + self.alpha * np.linalg.norm(self.velocity) * direction
            if self.downhill_steps > fire.n_min:
                self.dt = min(self.dt * fire.f_inc, fire.dt_max)
                self.alpha *= fire.f_alpha
            self.downhill_steps += 1
        else:
            self.velocity = np.zeros_like(self.velocity)
            self.alpha = fire.alpha_start
            self.downhill_steps = 0
            # The very first step has no velocity and is not uphill.
            self.dt *= fire.f_dec if self.steps else 1.0
        self.velocity = self.velocity + self.dt * forces
        displacement = self.dt * self.velocity
        longest = float(np.linalg.norm(displacement, axis=1).max())
        displacement *= min(1.0, fire.max_displacement / longest) if longest else 1.0
        return self.configuration.moved_to(self.configuration.positions + displacement)

    def accept(self, configuration: Configuration, evaluation: CommitteeEvaluation, *, trusted: bool) -> None:
        """Take a displacement, or stop where the potential is not trusted or no longer gives finite numbers."""
        if trusted and _is_finite(evaluation):
            self.configuration, self.evaluation = configuration, evaluation
            self.steps += 1
        else:
            self.failed = True


class Relaxer:
    """Relaxes configurations with FIRE in fixed cells, evaluating all unfinished ones in one batch a step.

    Every configuration has its own time step and mixing, so the path of one does not depend on its batch.

    Args:
        potential: the committee; its mean forces drive the relaxation.
        force_tolerance: largest force component at the end in eV/Å.
        max_steps: largest number of displacements of a configuration.
        fire: parameters of FIRE.
    """

    def __init__(
        self,
        potential: CommitteePotential,
        *,
        force_tolerance: float = 0.02,
        max_steps: int = 200,
        fire: FireSettings | None = None,
    ) -> None:
        self._potential = potential
        self._force_tolerance = force_tolerance
        self._max_steps = max_steps
        self._fire = fire or FireSettings()

    def relax(
        self,
        configurations: Sequence[Configuration],
        *,
        on_step: Callable[[int, int, float], None] | None = None,
        is_trusted: Callable[[int, Configuration, CommitteeEvaluation], bool] | None = None,
    ) -> list[RelaxationResult]:
        """Relax configurations.

        A configuration for which the potential stops giving finite numbers stays where it last gave some, not
        converged.

        Args:
            configurations: starting geometries, in any sizes.
            on_step: called after every step with its number, how many configurations are not done and the
                largest force component in eV/Å.
            is_trusted: asked before a displacement is taken, with the place of the configuration, its geometry and the
                committee there; where it says no, the configuration stays where it was, not converged.

        Raises:
            InputError: if a starting geometry has no finite energy and forces.
        """
        walkers = self._start(configurations)
        places = {id(walker): place for place, walker in enumerate(walkers)}
        for step in range(1, self._max_steps + 1):
            active = [walker for walker in walkers if not walker.failed and walker.max_force > self._force_tolerance]
            if not active:
                break
            moved = [walker.next_configuration(self._fire) for walker in active]
            for walker, configuration, evaluation in zip(active, moved, self._potential.evaluate(moved), strict=True):
                trusted = is_trusted is None or is_trusted(places[id(walker)], configuration, evaluation)
                walker.accept(configuration, evaluation, trusted=trusted)
            if on_step is not None:
                on_step(step, len(active), max(walker.max_force for walker in active))
        return [
            RelaxationResult(
                configuration=walker.configuration,
                evaluation=walker.evaluation,
                initial_energy=walker.initial_energy,
                max_force=walker.max_force,
                converged=walker.max_force <= self._force_tolerance,
                steps=walker.steps,
            )
            for walker in walkers
        ]

    def _start(self, configurations: Sequence[Configuration]) -> list[_Walker]:
        """Evaluate the starting geometries."""
        if not configurations:
            return []
        evaluations = self._potential.evaluate(configurations)
        for index, evaluation in enumerate(evaluations):
            if not _is_finite(evaluation):
                raise InputError(
                    f"The potential gives no finite energy and forces for starting geometry {index} "
                    f"({len(configurations[index])} atoms); check its cell and that no two atoms coincide."
                )
        return [
            _Walker(
                configuration=configuration,
                velocity=np.zeros_like(configuration.positions),
                dt=self._fire.dt_start,
                alpha=self._fire.alpha_start,
                evaluation=evaluation,
                initial_energy=evaluation.energy,
            )
            for configuration, evaluation in zip(configurations, evaluations, strict=True)
        ]


def _is_finite(evaluation: CommitteeEvaluation) -> bool:
    return bool(np.isfinite(evaluation.energies).all() and np.isfinite(evaluation.forces).all())
