from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.ground_state import GroundState, GroundStateSettings, find_ground_state
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.strategies.contract import Problem
from aiida_redoxmlp.search.strategies.registry import STRATEGIES, strategy_settings
from aiida_redoxmlp.search.strategies.tempering import Tempering, TemperingSettings
from aiida_redoxmlp.testing.planted import PlantedProblem, planted_loops, planted_wave
from tests.search.spaces import LITHIUM, METALS, brute_force, rock_salt

QUICK = {
    "exhaustive": {},
    "tempering": {"steps": 200},
    "annealing": {"steps": 150},
    "evolution": {},
    "surrogate": {"initial": 30, "candidates": 12, "models": 4, "chains": 8, "steps_a_site": 10},
}

TINY = {
    **QUICK,
    "tempering": {"steps": 10},
    "annealing": {"steps": 10},
    "evolution": {"population": 10, "elite": 2, "children": 5, "patience": 2},
    "surrogate": {"initial": 10, "candidates": 5, "models": 2, "chains": 2, "most_patience": 3},
}


def search(problem: PlantedProblem, name: str, seed: int = 0, **settings) -> GroundState:
    return find_ground_state(
        problem.space,
        problem.committee(),
        GroundStateSettings(
            strategy=strategy_settings(name, **QUICK[name]),
            **{"seed": seed, "runs": 1, "budget": None, **settings},
        ),
    )


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize(
    "problem",
    [
        planted_loops((3, 2, 2), 1),
        planted_loops((3, 2, 2), 2, nonlinearity=0.25),
        planted_wave((4, 3, 1), 1),
    ],
    ids=["loops", "many-body", "wave"],
)
def test_every_strategy_finds_the_planted_optimum(name: str, problem: PlantedProblem) -> None:
    found = search(problem, name)
    assert found.runs[0].energy == pytest.approx(problem.lowest, abs=1e-9)
    assert found.ranking.means[0] == pytest.approx(problem.lowest, abs=1e-9)
    assert found.proven == (name == "exhaustive")


def test_planted_optima_are_the_lowest_of_all_configurations() -> None:
    for problem in (planted_loops((2, 2, 2), 3), planted_loops((3, 2, 1), 3), planted_wave((4, 2, 1), 3)):
        assert problem.energy(brute_force(problem.space)).min() == pytest.approx(problem.lowest, abs=1e-9)


def test_waves_have_the_symmetry_of_the_lattice() -> None:
    problem = planted_wave((4, 2, 1), 5)
    rows = brute_force(problem.space)
    for permutation in problem.space.permutations:
        assert problem.energy(rows[:, permutation]) == pytest.approx(problem.energy(rows), abs=1e-9)


@pytest.mark.parametrize("name", STRATEGIES)
def test_lithium_metals_and_charges_are_searched_together(name: str) -> None:
    space = ConfigurationSpace.of(
        rock_salt((2, 2, 1), lithium=True),
        {"Mn": METALS, "Li": LITHIUM},
        total_charge=14,
        composition={"Li": 2, "Ni": 2, "Co": 1},
    )
    random = np.random.default_rng(4)
    width = int(space.rules.sizes.max())
    pairs = random.normal(size=(8 * width, 8 * width))

    def energies(rows):
        """Random pairs, averaged over the symmetry."""
        values = np.zeros(len(rows))
        for permutation in space.permutations:
            filled = np.eye(width)[rows[:, permutation]].reshape(len(rows), -1)
            values += ((filled @ pairs) * filled).sum(axis=1) / len(space.permutations)
        return values[:, None]

    found = find_ground_state(
        space, energies, GroundStateSettings(strategy=strategy_settings(name, **QUICK[name]), runs=1, budget=None)
    )
    assert found.ranking.means[0] == pytest.approx(energies(brute_force(space)).min(), abs=1e-9)


def test_tempering_samples_boltzmanns_distribution() -> None:
    space = ConfigurationSpace.of(
        rock_salt((5, 1, 1)), {"Mn": ["Mn2+", "Mn3+", "Mn4+"], 2: ["Mn2+", "Mn3+"]}, total_charge=14
    )
    rows, fields = brute_force(space), np.random.default_rng(0).normal(size=5)
    problem = Problem.of(space, lambda some: _symmetric(some, fields, space)[:, None])
    ladders = 400
    settings = TemperingSettings(
        temperatures=3, ladders=ladders, steps=60, lowest_temperature=0.3, highest_temperature=2.0, swap_every=2
    )
    strategy = Tempering(settings, problem, np.random.default_rng(1))
    visits = np.zeros((3, len(rows)))
    number = {row.tobytes(): place for place, row in enumerate(rows)}
    for step in range(settings.steps):
        strategy.advance()
        if step >= 20:
            for place, row in enumerate(strategy.rows):
                visits[place % 3, number[row.tobytes()]] += 1
    for count, temperature in zip(visits, strategy.temperatures, strict=False):
        weights = np.exp(-_symmetric(rows, fields, space) / temperature)
        assert count / count.sum() == pytest.approx(weights / weights.sum(), abs=0.012)


def _symmetric(rows, fields, space):
    """Fields on the sites and one between neighbours, averaged over the symmetry."""
    images = np.stack([rows[:, permutation] for permutation in space.permutations])
    return (images @ fields + 0.5 * (images * np.roll(images, 1, axis=2)).sum(axis=2)).mean(axis=0)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_budget_is_never_exceeded(name: str) -> None:
    problem = planted_loops((3, 2, 2), 1)
    seen = []

    def energies(rows):
        seen.extend(row.tobytes() for row in rows)
        return problem.committee()(rows)

    budget = 924 if name == "exhaustive" else 70
    settings = GroundStateSettings(strategy=strategy_settings(name, **QUICK[name]), budget=budget)
    found = find_ground_state(problem.space, energies, settings)
    assert len(seen) == len(set(seen)) == found.n_evaluated <= budget


def test_a_space_too_large_for_exhaustive_search_says_how_large() -> None:
    with pytest.raises(InputError, match=r"924 distinct configurations, but 900 evaluations .* 'surrogate'"):
        search(planted_loops((3, 2, 2), 1), "exhaustive", budget=900)


def test_unknown_strategies_and_keys_are_refused() -> None:
    with pytest.raises(InputError, match="annealing, evolution, exhaustive, surrogate, tempering"):
        strategy_settings("magic")
    with pytest.raises(ValidationError, match="step"):
        strategy_settings("annealing", step=3)
    with pytest.raises(ValidationError, match="make it smaller"):
        strategy_settings("evolution", elite=40)
    with pytest.raises(ValidationError, match="swap the two"):
        strategy_settings("tempering", lowest_temperature=2.0, highest_temperature=1.0)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_space_of_one_configuration_is_searched_at_once(name: str) -> None:
    space = ConfigurationSpace.of(rock_salt((2, 2, 1)), {"Mn": ["Mn2+", "Mn3+"]}, total_charge=8)
    settings = GroundStateSettings(strategy=strategy_settings(name, **TINY[name]))
    found = find_ground_state(space, lambda rows: np.ones((len(rows), 2)), settings)
    assert (found.n_evaluated, found.ranking.rows.tolist(), found.complete) == (1, [[0, 0, 0, 0]], True)


@pytest.mark.parametrize("name", STRATEGIES)
def test_equal_energies_are_no_obstacle(name: str) -> None:
    space = planted_loops((2, 2, 2), 0).space
    settings = GroundStateSettings(strategy=strategy_settings(name, **TINY[name]))
    found = find_ground_state(space, lambda rows: np.full((len(rows), 2), -1e4), settings)
    assert found.ranking.means[0] == -1e4
    assert found.complete
