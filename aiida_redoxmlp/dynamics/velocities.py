"""Velocities of the atoms: from a temperature, and from where a run stopped."""

from __future__ import annotations

import numpy as np
from ase import units
from numpy.typing import NDArray

__all__ = ("RYDBERG_TIME", "kinetic_temperature", "thermal_velocities", "velocities_at_end", "with_thermal_velocities")

RYDBERG_TIME = 4.8377687e-2
"""Rydberg atomic unit of time, ħ/Ry, in fs; the unit of pw.x's ``dt``."""


def thermal_velocities(masses: NDArray[np.float64], temperature: float, seed: int) -> NDArray[np.float64]:
    """Draw velocities at exactly this temperature, with the centre of mass at rest.

    Args:
        masses: u, shape (n_atoms,).
        temperature: K, counted with 3 n_atoms - 3 degrees of freedom as pw.x does.
        seed: the same seed gives the same velocities.

    Returns:
        Å/fs, shape (n_atoms, 3).
    """
    drawn = np.random.default_rng(seed).normal(size=(len(masses), 3)) / np.sqrt(masses)[:, None]
    drawn -= masses @ drawn / masses.sum()
    return np.asarray(drawn * np.sqrt(temperature / kinetic_temperature(masses, drawn)))


def kinetic_temperature(masses: NDArray[np.float64], velocities: NDArray[np.float64]) -> float:
    """Return the temperature in K of atoms with these masses (u) and velocities (Å/fs).

    The centre of mass has no share in it: 3 n_atoms - 3 degrees of freedom.
    """
    kinetic_energy = 0.5 * float((masses[:, None] * (velocities / units.fs) ** 2).sum())
    return 2 * kinetic_energy / (max(3 * len(masses) - 3, 1) * units.kB)


def velocities_at_end(
    positions: NDArray[np.float64], forces: NDArray[np.float64], masses: NDArray[np.float64], timestep: float
) -> NDArray[np.float64]:
    """Return the velocities with which a Verlet run goes on as if it had not stopped.

    The velocity form of Verlet's algorithm, L. Verlet, Phys. Rev. 159, 98 (1967): started at the last positions with
    v = (r - r_before)/Δt + F Δt/2m, its first step r + v Δt + F Δt²/2m is where the unbroken run goes, 2r - r_before
    + F Δt²/m.

    Args:
        positions: of the last two steps in Å, shape (2, n_atoms, 3).
        forces: of the last step in eV/Å, shape (n_atoms, 3).
        masses: u, shape (n_atoms,).
        timestep: fs.

    Returns:
        Å/fs, shape (n_atoms, 3).
    """
    acceleration = forces / masses[:, None] * units.fs**2
    return np.asarray((positions[1] - positions[0]) / timestep + 0.5 * acceleration * timestep)


def with_thermal_velocities(
    velocities: NDArray[np.float64], masses: NDArray[np.float64], n_new: int, temperature: float, seed: int
) -> NDArray[np.float64]:
    """Append thermal velocities for atoms that came in last, and bring the centre of mass to rest.

    Args:
        velocities: of the atoms that stayed in Å/fs, shape (n_atoms - n_new, 3).
        masses: of all atoms in u, shape (n_atoms,).
        n_new: atoms that came in.
        temperature: K.
        seed: the same seed gives the same velocities.
    """
    if n_new:
        spread = np.sqrt(units.kB * temperature / masses[-n_new:])[:, None] * units.fs
        velocities = np.vstack([velocities, spread * np.random.default_rng(seed).normal(size=(n_new, 3))])
    return np.asarray(velocities - masses @ velocities / masses.sum())
