"""What the numbers of each ionic step must obey, to the rounding of their printed digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.ewald import ewald_energy
from aiida_redoxmlp.redox.pw_output.geometry import Geometry
from aiida_redoxmlp.redox.pw_output.header import PwHeader
from aiida_redoxmlp.redox.pw_output.numbers import BOHR, KELVIN, GarbledBlockError
from aiida_redoxmlp.redox.pw_output.occupation_checks import check_occupations
from aiida_redoxmlp.redox.pw_output.step import StepNumbers

__all__ = ("check_ions", "check_steps")

_PRINTED = 5.1e-9
"""Largest rounding error of an energy in Ry and of a force in Ry/bohr, printed with eight decimals."""
_SUSCEPTIBILITY = 40.0
"""Change of the magnetization in the last SCF iteration, in μB, over the root of the accuracy before, in Ry.

Among 529 SCF cycles of manganese phosphates and oxides the largest was 3.6, and 22 at any earlier iteration.
"""
_MOST_IONS = 256
_KBAR = 147105.08
"""Ry/bohr³ in kbar; versions differ in the last digits."""


def check_steps(
    numbers: StepNumbers, header: PwHeader, last_iterations: NDArray[np.float64], earlier: NDArray[np.float64]
) -> None:
    """Compare the numbers of each step with each other.

    Args:
        numbers: one or more steps.
        header: the set-up of the run.
        last_iterations: number of the last SCF iteration whose heading is in the step, NaN where there is none.
        earlier: SCF accuracy in Ry and total and absolute magnetization of the SCF iteration before, or NaN, shape
            (steps, 3).

    Raises:
        GarbledBlockError: if two of them contradict each other by more than their rounding, in any of the steps.
    """
    _check_iterations(numbers.iterations, last_iterations)
    if numbers.occupations is not None:
        check_occupations(numbers.occupations)
    elif header.hubbard:
        raise GarbledBlockError("no occupation block for the last SCF iteration")
    _check_energy(numbers)
    _check_magnetization(numbers, earlier)
    _check_forces(numbers)
    _check_stress(numbers)
    _check_dynamics(numbers, len(header.kinds))


def check_ions(numbers: StepNumbers, header: PwHeader, geometry: Geometry) -> None:
    """Compare cell and positions of a single step with the electrostatic energy of the ions.

    A cell that was printed with six decimals gives that energy to some 1e-7 of it.

    Raises:
        GarbledBlockError: if the energy is another.
    """
    if numbers.ewald is None or not header.periodic or geometry.cell is None or geometry.positions is None:
        return
    if len(header.kinds) > _MOST_IONS:
        return
    found = ewald_energy(geometry.cell / BOHR, geometry.positions / BOHR, header.charges)
    length = abs(float(np.linalg.det(geometry.cell / BOHR))) ** (1 / 3)
    scale = abs(found) + float((header.charges**2).sum()) / length
    _refuse(np.abs(found - numbers.ewald) > 1e-6 * scale, "its positions do not have the printed energy of the ions")


def _refuse(wrong: NDArray[np.bool_], problem: str) -> None:
    if wrong.any():
        raise GarbledBlockError(problem)


def _check_iterations(iterations: NDArray[np.float64], last: NDArray[np.float64]) -> None:
    _refuse((iterations % 1 != 0) | (iterations < 1), "the number of SCF iterations is not a whole number")
    _refuse(
        np.isfinite(last) & (iterations != last),
        f"its last SCF iteration is number {last[0]:.0f}, but it ended after {iterations[0]:.0f}",
    )


def _check_energy(numbers: StepNumbers) -> None:
    internal = energy = numbers.energy
    if numbers.entropy is not None:
        internal, smearing = numbers.entropy.T
        _refuse(
            np.abs(internal + smearing - energy) > 3 * _PRINTED,
            "the total energy is not the internal energy with its smearing contribution",
        )
    if numbers.parts is not None:
        total = energy if numbers.parts_of_total else internal
        _refuse(
            np.abs(numbers.parts.sum(axis=1) - total) > (numbers.parts.shape[1] + 1) * _PRINTED,
            "the total energy is not the sum of its printed parts",
        )
    if numbers.new_energy is not None:
        _refuse(np.abs(numbers.new_energy - energy) > 1.1 * _PRINTED, "the total energy is printed with two values")
    if numbers.thermal is not None:
        kinetic, _, conserved = numbers.thermal.T
        _refuse(
            np.abs(energy + kinetic - conserved) > 3 * _PRINTED,
            "total and kinetic energy do not add up to the conserved quantity",
        )


def _check_magnetization(numbers: StepNumbers, earlier: NDArray[np.float64]) -> None:
    """Compare with the SCF iteration before, of which the error is of the order of the root of its accuracy."""
    if numbers.magnetization is not None:
        total, absolute = numbers.magnetization.T
        _refuse(np.abs(total) > absolute + 0.011, "the total magnetization is larger than the absolute one")
        if not numbers.gave_up:
            changes = np.abs(numbers.magnetization - earlier[:, 1:])
            far = 0.011 + _SUSCEPTIBILITY * np.sqrt(earlier[:, :1])
            _refuse(changes > far, "the magnetization is not that to which the SCF iterations converged")
    elif numbers.occupations is not None and numbers.occupations.shells[0].eigenvalues.shape[2] == 2:
        raise GarbledBlockError("the magnetization is missing")


def _check_forces(numbers: StepNumbers) -> None:
    if numbers.forces is None or numbers.total_force is None:
        return
    found = np.sqrt((numbers.forces**2).sum(axis=(1, 2)))
    _refuse(
        np.abs(found - numbers.total_force) > 6e-7 + _PRINTED * np.sqrt(numbers.forces[0].size),
        f"the forces add up to a total of {found[0]:.6f}, but the printed one is {numbers.total_force[0]:.6f}",
    )


def _check_stress(numbers: StepNumbers) -> None:
    if numbers.stress is None or numbers.pressure is None:
        return
    rydberg, kbar = numbers.stress[:, :, :3], numbers.stress[:, :, 3:]
    _refuse(np.abs(rydberg - rydberg.swapaxes(1, 2)) > _PRINTED, "the stress is not symmetric")
    _refuse(
        np.abs(rydberg * _KBAR - kbar) > 0.006 + _PRINTED * _KBAR + 1e-6 * np.abs(kbar),
        "the stress in Ry/bohr³ and that in kbar contradict each other",
    )
    mean = np.trace(kbar, axis1=1, axis2=2) / 3
    _refuse(np.abs(mean - numbers.pressure) > 0.011, "the pressure is not the mean of the stress")


def _check_dynamics(numbers: StepNumbers, n_atoms: int) -> None:
    """Compare the temperature with the kinetic energy: they fix the number of degrees of freedom."""
    if numbers.counter is not None:
        wrong = (numbers.counter % 1 != 0) | (numbers.counter < 1)
        _refuse(wrong, "the number of the time step is not a whole number")
    if numbers.thermal is not None:
        kinetic, temperature, _ = numbers.thermal.T
        cold = temperature < 1e-3
        freedom = np.round(2 * kinetic / (KELVIN * np.where(cold, 1.0, temperature)))
        freedom = np.where(cold, 3 * n_atoms, np.maximum(freedom, 1))
        found = freedom * KELVIN * temperature / 2
        wrong = (temperature < 0) | (freedom > 3 * n_atoms) | (np.abs(found - kinetic) > _PRINTED + found * 2e-6)
        _refuse(wrong, "temperature and kinetic energy contradict each other")
