"""One step of Langevin dynamics; without friction it is velocity Verlet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray

__all__ = ("Integrator",)


@dataclass(frozen=True, eq=False)
class Integrator:
    """BAOAB splitting of Langevin dynamics, with one evaluation of the forces a step.

    Source: B. Leimkuhler and C. Matthews, Appl. Math. Res. eXpress 2013, 34 (2013): a half kick, half a drift, the
    exact solution of friction and noise, half a drift, and a half kick by the new forces. Without friction it is the
    velocity form of L. Verlet, Phys. Rev. 159, 98 (1967). Noise leaves the centre of mass at rest, so that
    3 n_atoms - 3 degrees of freedom have the temperature.

    Attributes:
        masses: u, shape (n_atoms,).
        timestep: fs.
        friction: 1/fs; 0 for none.
    """

    masses: NDArray[np.float64]
    timestep: float
    friction: float = 0.0

    def kicked(self, velocities: NDArray[np.float64], forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return velocities (Å/fs) after half a step under forces (eV/Å), shapes (n_atoms, 3)."""
        kicked: NDArray[np.float64] = velocities + 0.5 * self.timestep * forces / self.masses[:, None] * units.fs**2
        return kicked

    def moved(
        self,
        positions: NDArray[np.float64],
        velocities: NDArray[np.float64],
        forces: NDArray[np.float64],
        temperature: float,
        random: np.random.Generator,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return positions and velocities of a step up to its last half kick, which needs the new forces.

        Args:
            positions: Å, shape (n_atoms, 3).
            velocities: Å/fs, shape (n_atoms, 3).
            forces: eV/Å, shape (n_atoms, 3).
            temperature: K, of the noise.
            random: source of the noise; none is drawn without friction.
        """
        half = 0.5 * self.timestep
        velocities = self.kicked(velocities, forces)
        positions = positions + half * velocities
        if self.friction:
            velocities = self._thermalised(velocities, temperature, random)
        return positions + half * velocities, velocities

    def _thermalised(
        self, velocities: NDArray[np.float64], temperature: float, random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return velocities after friction and noise for a step."""
        decay = np.exp(-self.friction * self.timestep)
        width = np.sqrt(units.kB * temperature * (1 - decay**2) / self.masses)[:, None] * units.fs
        mixed = decay * velocities + width * random.standard_normal(velocities.shape)
        thermalised: NDArray[np.float64] = mixed - self.masses @ mixed / self.masses.sum()
        return thermalised
