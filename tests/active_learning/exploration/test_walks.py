from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import units
from ase.data import atomic_masses

from aiida_redoxmlp.active_learning.exploration.charge_hops import ChargeHops
from aiida_redoxmlp.active_learning.exploration.exploring import explore
from aiida_redoxmlp.active_learning.exploration.integration import Integrator
from aiida_redoxmlp.active_learning.exploration.settings import (
    ChargeMoves,
    ExplorationSettings,
    Limits,
    Stage,
    Walk,
)
from aiida_redoxmlp.active_learning.exploration.starting_points import GivenStructure
from aiida_redoxmlp.dynamics.velocities import thermal_velocities
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from tests.active_learning.exploration.spring_committee import STIFFNESS, SpringCommittee, lattice

NO_LIMITS = Limits(force_spread=None, closest=0.0, energy_jump=None, temperature_factor=None)


def kinetic_energy(masses: np.ndarray, velocities: np.ndarray) -> float:
    return float(0.5 * (masses[:, None] * (velocities / units.fs) ** 2).sum())


def chemistry_of(start: Configuration) -> RedoxChemistry:
    return RedoxChemistry(total_charge=start.total_charge, allowed_states={"Mn": (2, 3)})


def walked(committee: SpringCommittee, start: Configuration, walk: Walk, **changes):
    settings = ExplorationSettings(walks=(walk,), **{"limits": NO_LIMITS, **changes})
    return explore(committee, {"cell": GivenStructure(start)}, chemistry_of(start), settings)


def test_without_thermostat_the_energy_is_conserved_to_second_order_in_the_time_step() -> None:
    """A larger error than the symplectic one, or one that grows, would be seen in either ratio."""
    start = lattice(2, (2, 3))
    masses = atomic_masses[start.numbers]
    rng = np.random.default_rng(0)

    def largest_error(timestep: float, n_steps: int) -> float:
        step = Integrator(masses, timestep)
        positions, velocities = start.positions, thermal_velocities(masses, 600.0, 1)
        energies = []
        for _ in range(n_steps):
            forces = -STIFFNESS * (positions - start.positions)
            positions, velocities = step.moved(positions, velocities, forces, 600.0, rng)
            velocities = step.kicked(velocities, -STIFFNESS * (positions - start.positions))
            potential = 0.5 * STIFFNESS * ((positions - start.positions) ** 2).sum()
            energies.append(kinetic_energy(masses, velocities) + potential)
        return float(np.ptp(energies))

    coarse, fine, long = largest_error(2.0, 1000), largest_error(1.0, 2000), largest_error(2.0, 10000)
    assert coarse / fine == pytest.approx(4.0, rel=0.1)
    assert long == pytest.approx(coarse, rel=0.05)


def test_a_walk_without_thermostat_conserves_the_energy() -> None:
    start = lattice(2, (2, 3))
    walk = Walk(stages=(Stage(n_steps=400, temperature=500.0),), timestep=1.0, thermostat="none", frame_interval=1)
    found = walked(SpringCommittee(start.positions), start, walk)
    frames = [frame for frame in found.frames if "walk" in frame.walker]
    degrees = 3 * len(start) - 3
    totals = [frame.energy + 0.5 * degrees * units.kB * frame.temperature for frame in frames]
    assert len(frames) == 400
    assert np.ptp([frame.energy for frame in frames]) > 0.1
    assert np.ptp(totals) < 0.002


def test_langevin_walkers_have_the_temperature_and_the_spread_of_positions_of_the_stage() -> None:
    start, temperature = lattice(8, (2, 3) * 4), 700.0
    walk = Walk(
        stages=(Stage(n_steps=3000, temperature=temperature),), friction=0.03, timestep=2.0, copies=4, frame_interval=10
    )
    found = walked(SpringCommittee(start.positions), start, walk)
    frames = [frame for frame in found.frames if "walk" in frame.walker and frame.step > 200]
    assert np.mean([frame.temperature for frame in frames]) == pytest.approx(temperature, rel=0.05)
    n_free = 3 * len(start) - 3  # the centre of mass stays where it is
    energy = np.mean([frame.energy for frame in frames])
    assert energy == pytest.approx(0.5 * n_free * units.kB * temperature, rel=0.05)


def test_a_ramp_heats_as_its_stages_say() -> None:
    walk = Walk(
        stages=(Stage(n_steps=100, temperature=100.0, end_temperature=500.0), Stage(n_steps=50, temperature=500.0))
    )
    assert [walk.temperature_at(step) for step in (0, 25, 100, 101, 150)] == [100.0, 200.0, 500.0, 500.0, 500.0]
    start = lattice(4, (2, 3, 2, 3))
    walk = Walk(
        stages=(Stage(n_steps=1500, temperature=100.0, end_temperature=900.0),), friction=0.05, copies=6, timestep=2.0
    )
    found = walked(SpringCommittee(start.positions), start, walk)
    thirds = [[f.temperature for f in found.frames if low < f.step <= low + 500] for low in (0, 500, 1000)]
    assert [np.mean(third) for third in thirds] == pytest.approx([233, 500, 767], rel=0.1)


def cost(states: tuple[int, ...]) -> float:
    """Charges repel their neighbours, and the first site holds one best."""
    return 0.04 * sum(a == b == 3 for a, b in zip(states, (*states[1:], states[0]), strict=True)) - 0.03 * (
        states[0] == 3
    )


def test_hops_at_fixed_ions_have_boltzmann_weights() -> None:
    start = lattice(4, (3, 3, 2, 2))
    committee = SpringCommittee(start.positions, cost)
    hops = ChargeHops(start, None, chemistry_of(start), committee.encoding)
    random, temperature, n = np.random.default_rng(3), 500.0, 8_000
    here, seen = start, Counter()
    energies: dict[tuple[int, ...], float] = {}
    for _ in range(n):
        there = hops.proposed(here, random)
        if there is not None:
            change = cost(tuple(there.oxidation_states[:4])) - cost(tuple(here.oxidation_states[:4]))
            here = there if hops.is_accepted(change, temperature, random) else here
        pattern = tuple(here.oxidation_states[:4].tolist())
        energies[pattern] = cost(pattern)
        seen[pattern] += 1
    weights = {pattern: np.exp(-energy / (units.kB * temperature)) for pattern, energy in energies.items()}
    assert len(seen) == 6
    for pattern, weight in weights.items():
        assert seen[pattern] / n == pytest.approx(weight / sum(weights.values()), abs=0.03)


def test_walkers_that_hop_visit_patterns_by_their_weights() -> None:
    start = lattice(2, (2, 3))
    committee = SpringCommittee(start.positions, lambda states: 0.05 * (states[0] == 3))
    walk = Walk(
        stages=(Stage(n_steps=1000, temperature=600.0),),
        charges=ChargeMoves(interval=1, attempts=2),
        copies=2,
        frame_interval=1,
    )
    found = walked(committee, start, walk)
    share = np.mean([frame.pattern.states == (3, 2) for frame in found.frames if frame.step])
    ratio = np.exp(-0.05 / (units.kB * 600.0))
    assert share == pytest.approx(ratio / (1 + ratio), abs=0.04)
    record = found.walkers[-1]
    assert record.hops_tried == 2000
    assert 0 < record.hops_accepted < record.hops_tried


def test_adiabatic_walkers_follow_the_lowest_pattern() -> None:
    start = lattice(2, (3, 2))
    committee = SpringCommittee(start.positions, lambda states: 0.05 * (states[0] == 3))
    walk = Walk(
        stages=(Stage(n_steps=10, temperature=300.0),),
        charges=ChargeMoves(mode="adiabatic", interval=4),
        frame_interval=1,
    )
    found = walked(committee, start, walk)
    states = [frame.pattern.states for frame in found.frames]
    assert states == [(3, 2)] * 4 + [(2, 3)] * 7
    assert (found.walkers[-1].hops_tried, found.walkers[-1].hops_accepted) == (2, 1)
