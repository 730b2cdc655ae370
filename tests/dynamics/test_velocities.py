from __future__ import annotations

import numpy as np
import pytest
from ase import units
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.dynamics.velocities import (
    RYDBERG_TIME,
    kinetic_temperature,
    thermal_velocities,
    velocities_at_end,
    with_thermal_velocities,
)

MASSES = np.array([54.938, 54.938, 30.974, 15.999, 15.999, 6.94])


@given(st.integers(0, 1000), st.floats(10.0, 3000.0))
def test_thermal_velocities_have_the_temperature_and_no_momentum(seed, temperature):
    velocities = thermal_velocities(MASSES, temperature, seed)
    assert kinetic_temperature(MASSES, velocities) == pytest.approx(temperature)
    np.testing.assert_allclose(MASSES @ velocities, 0.0, atol=1e-12)


def test_seeds_decide_the_velocities():
    np.testing.assert_array_equal(thermal_velocities(MASSES, 300.0, 3), thermal_velocities(MASSES, 300.0, 3))
    assert not np.allclose(thermal_velocities(MASSES, 300.0, 3), thermal_velocities(MASSES, 300.0, 4))


def test_light_atoms_are_fast():
    drawn = np.array([thermal_velocities(MASSES, 600.0, seed) for seed in range(400)])
    energies = 0.5 * MASSES * (drawn**2).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(energies / energies.mean(), 1.0, atol=0.25)


def test_the_time_unit_is_that_of_pw():
    assert pytest.approx(2.9027, abs=1e-4) == 60.0 * RYDBERG_TIME  # "Time step = 60.00 a.u., 2.9027 femto-seconds"


def verlet(positions, velocities, forces_of, masses, timestep, n_steps):
    """The plain form of Verlet's algorithm, as pw.x has it."""
    path = [positions]
    for step in range(n_steps):
        acceleration = forces_of(path[-1]) / masses[:, None] * units.fs**2
        if step == 0:
            path.append(path[0] + velocities * timestep + 0.5 * acceleration * timestep**2)
        else:
            path.append(2 * path[-1] - path[-2] + acceleration * timestep**2)
    return np.array(path)


@given(st.integers(1, 9))
def test_a_run_that_goes_on_from_its_end_equals_an_unbroken_one(cut):
    start = np.random.default_rng(0).normal(size=(6, 3))

    def forces_of(positions):
        return -3.0 * positions - 0.5 * positions**3

    whole = verlet(start, thermal_velocities(MASSES, 900.0, 1), forces_of, MASSES, 2.0, 12)
    velocities = velocities_at_end(whole[cut - 1 : cut + 1], forces_of(whole[cut]), MASSES, 2.0)
    rest = verlet(whole[cut], velocities, forces_of, MASSES, 2.0, 12 - cut)
    np.testing.assert_allclose(rest, whole[cut:], atol=1e-11)


def test_atoms_that_come_in_move_and_the_cell_does_not():
    stayed = thermal_velocities(MASSES[:-2], 600.0, 1)
    velocities = with_thermal_velocities(stayed, MASSES, 2, 600.0, 5)
    assert velocities.shape == (6, 3)
    np.testing.assert_allclose(MASSES @ velocities, 0.0, atol=1e-12)
    np.testing.assert_allclose(np.diff(velocities[:4] - stayed, axis=0), 0.0, atol=1e-12)
