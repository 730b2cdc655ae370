"""A walker at one step, as the committee sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.active_learning.uncertainty import uncertainty_of
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("Snapshot",)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A structure with the committee's opinion.

    Attributes:
        configuration: the atoms with their states.
        energy: committee mean in eV.
        forces: committee mean in eV/Å, shape (n_atoms, 3).
        energy_spread: standard deviation of the energy over the members in eV per atom.
        force_spreads: as in :class:`~aiida_redoxmlp.active_learning.uncertainty.Uncertainty`, eV/Å, shape (n_atoms,).
        temperature: instantaneous temperature in K; 0 at rest.
        step: steps the walker has made.
    """

    configuration: Configuration
    energy: float
    forces: NDArray[np.float64]
    energy_spread: float
    force_spreads: NDArray[np.float64]
    temperature: float = 0.0
    step: int = 0

    @classmethod
    def of(cls, configuration: Configuration, evaluation: CommitteeEvaluation, *, step: int = 0) -> Snapshot:
        """Return what a committee says of a structure."""
        (uncertainty,) = uncertainty_of([evaluation])
        return cls(
            configuration=configuration,
            energy=evaluation.energy,
            forces=evaluation.mean_forces,
            energy_spread=uncertainty.energy_spread,
            force_spreads=uncertainty.force_spreads,
            step=step,
        )

    @property
    def is_finite(self) -> bool:
        """Whether energies and forces of all members are numbers."""
        numbers = (self.energy, self.energy_spread)
        return bool(np.isfinite(numbers).all() and np.isfinite(self.force_spreads).all())

    def at(self, temperature: float) -> Snapshot:
        """Return the same with an instantaneous temperature in K."""
        return replace(self, temperature=temperature)
