from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.search.relaxation import Relaxer


@pytest.fixture
def rattled(parent: Configuration) -> list[Configuration]:
    """Four displaced geometries of both patterns."""
    random = np.random.default_rng(7)
    patterns = [(2, 3), (3, 2), (2, 3), (3, 2)]
    sizes = [0.0, 0.02, 0.05, 0.1]
    return [
        replace(
            parent,
            positions=parent.positions + size * random.standard_normal(parent.positions.shape),
            oxidation_states=np.array([*pattern, *parent.oxidation_states[2:]]),
        )
        for pattern, size in zip(patterns, sizes, strict=True)
    ]


def test_committee_forces_are_the_energy_gradient(committee, rattled) -> None:
    """Guards the tests below, which lean on this analytic potential."""
    configuration, step = rattled[2], 1e-4
    energies = []
    for sign in (1, -1):
        positions = configuration.positions.copy()
        positions[5, 1] += sign * step
        energies.append(committee.evaluate([configuration.moved_to(positions)])[0].energies)
    numeric = -(energies[0] - energies[1]) / (2 * step)
    assert committee.evaluate([configuration])[0].forces[:, 5, 1] == pytest.approx(numeric, rel=1e-5)


def test_relaxed_forces_vanish_and_energies_decrease(committee, rattled) -> None:
    results = Relaxer(committee, force_tolerance=0.01, max_steps=500).relax(rattled)
    for start, result in zip(rattled, results, strict=True):
        (again,) = committee.evaluate([result.configuration])
        assert result.converged
        assert np.abs(again.mean_forces).max() <= 0.01
        assert result.evaluation.energies == pytest.approx(again.energies)
        assert result.initial_energy == pytest.approx(committee.evaluate([start])[0].energy)
        assert again.energy < result.initial_energy
        assert (result.configuration.cell == start.cell).all()
        assert (result.configuration.oxidation_states == start.oxidation_states).all()


def test_rattled_geometries_of_equivalent_patterns_fall_into_the_same_minimum(committee, rattled) -> None:
    results = Relaxer(committee, force_tolerance=0.002, max_steps=1000).relax(rattled[1:])
    assert [one.evaluation.energy for one in results] == pytest.approx([results[0].evaluation.energy] * 3, abs=1e-3)


def test_path_of_a_configuration_does_not_depend_on_its_batch(committee, rattled) -> None:
    relaxer = Relaxer(committee, max_steps=40)
    together = relaxer.relax(rattled)
    for start, result in zip(rattled, together, strict=True):
        (alone,) = relaxer.relax([start])
        assert alone.steps == result.steps
        assert alone.configuration.positions == pytest.approx(result.configuration.positions, abs=1e-10)


def test_every_step_is_one_batch_of_what_is_not_converged(committee, rattled) -> None:
    seen: list[tuple[int, int, float]] = []
    results = Relaxer(committee, max_steps=500).relax(rattled, on_step=lambda *one: seen.append(one))
    expected = [sum(one.steps > step for one in results) for step in range(max(one.steps for one in results))]
    assert committee.batch_sizes == [len(rattled), *expected]
    assert [active for _, active, _ in seen] == expected
    assert min(expected) < len(rattled)


def test_relaxation_that_runs_out_of_steps_says_so(committee, rattled) -> None:
    (result,) = Relaxer(committee, max_steps=3).relax(rattled[3:])
    assert (result.steps, result.converged) == (3, False)
    assert result.max_force > 0.02


def test_no_steps_is_a_single_point(committee, rattled) -> None:
    (result,) = Relaxer(committee, max_steps=0).relax(rattled[:1])
    assert committee.batch_sizes == [1]
    assert (result.configuration.positions == rattled[0].positions).all()
    assert result.evaluation.energy == result.initial_energy


def test_no_atom_moves_farther_than_allowed_in_a_step(committee, rattled) -> None:
    crushed = rattled[3].moved_to(rattled[3].positions)
    crushed.positions[2] += 0.4
    (before,), (after,) = (Relaxer(committee, max_steps=steps).relax([crushed]) for steps in (4, 5))
    moved = np.linalg.norm(after.configuration.positions - before.configuration.positions, axis=1)
    assert 0 < moved.max() <= 0.1 + 1e-12


class _Breaking:
    """A potential that works for a number of calls and gives nan from then on."""

    def __init__(self, committee, calls: int) -> None:
        self.committee, self.calls = committee, calls

    def evaluate(self, configurations, *, stress=False):
        self.calls -= 1
        evaluations = self.committee.evaluate(configurations)
        broken = np.full(2, np.nan)
        return [CommitteeEvaluation(broken, one.forces) for one in evaluations] if self.calls < 0 else evaluations


def test_configuration_without_finite_numbers_stays_where_it_last_had_some(committee, rattled) -> None:
    (result,) = Relaxer(_Breaking(committee, 3)).relax(rattled[3:])
    (expected,) = Relaxer(committee, max_steps=2).relax(rattled[3:])
    assert not result.converged
    assert result.steps == 2
    assert result.configuration.positions == pytest.approx(expected.configuration.positions)


def test_start_without_finite_numbers_is_an_input_error(committee, rattled) -> None:
    with pytest.raises(InputError, match="no finite energy and forces for starting geometry 0"):
        Relaxer(_Breaking(committee, 0)).relax(rattled)


def test_nothing_to_relax_gives_nothing(committee) -> None:
    assert Relaxer(committee).relax([]) == []
