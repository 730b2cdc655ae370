from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from aiida_redoxmlp.search.bayesian_regression import fit_linear
from aiida_redoxmlp.search.moves import Moves, random_configurations
from aiida_redoxmlp.search.pair_basis import PairBasis
from aiida_redoxmlp.search.pair_model import anneal, fit_pairs
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.testing.planted import planted_loops, planted_wave, square_or_cubic_space
from tests.search.spaces import LITHIUM, METALS, rock_salt, spaces


def some_rows(space: ConfigurationSpace, number: int, seed: int = 0):
    return random_configurations(space, Moves(space.rules), number, np.random.default_rng(seed))


@settings(max_examples=20, deadline=None)
@given(spaces())
def test_correlations_do_not_change_under_symmetry(space: ConfigurationSpace) -> None:
    basis, rows = PairBasis(space), some_rows(space, 5)
    for permutation in space.permutations:
        assert basis.correlations(rows[:, permutation]) == pytest.approx(basis.correlations(rows), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(spaces())
def test_fields_and_interactions_give_the_energy_of_the_correlations(space: ConfigurationSpace) -> None:
    basis, rows = PairBasis(space), some_rows(space, 5)
    coefficients = np.random.default_rng(1).normal(size=basis.n_correlations)
    fields, interactions = basis.interactions(coefficients)
    functions = basis.functions(rows)
    energies = coefficients[0] + functions @ fields + 0.5 * ((functions @ interactions) * functions).sum(axis=1)
    assert basis.correlations(rows) @ coefficients == pytest.approx(energies, abs=1e-9)


def test_a_cubic_cell_of_4_has_as_many_pairs_as_distances() -> None:
    basis = PairBasis(square_or_cubic_space((4, 4, 4)))
    squares = {x * x + y * y + z * z for x in range(3) for y in range(3) for z in range(3)} - {0}
    assert basis.n_points == 1
    assert (basis.distances / 4.0) ** 2 == pytest.approx(sorted(squares))


def test_the_shortest_pairs_are_kept() -> None:
    space = square_or_cubic_space((4, 2, 1), rattle=0.1)
    everything, few = PairBasis(space), PairBasis(space, most_pairs=10)
    assert len(everything.distances) == 28
    assert few.distances.tolist() == everything.distances[:10].tolist()
    rows = some_rows(space, 4)
    assert few.correlations(rows).tolist() == everything.correlations(rows)[:, : few.n_correlations].tolist()


@pytest.mark.parametrize("problem", [planted_wave((4, 4, 2), 0), planted_loops((3, 2, 2), 0)], ids=["wave", "loops"])
def test_pair_energies_are_learnt_exactly(problem) -> None:
    rows, unseen = some_rows(problem.space, 120), some_rows(problem.space, 50, seed=1)
    energies = problem.energy(rows)
    model = fit_pairs(PairBasis(problem.space), rows, energies, low_energy_width=energies.std())
    predicted, deviations = model.predict(unseen)
    assert predicted == pytest.approx(problem.energy(unseen), abs=1e-4)
    assert (deviations < 1e-3).all()


def test_species_and_vacancies_are_learnt_together() -> None:
    space = ConfigurationSpace.of(
        rock_salt((2, 2, 1), lithium=True), {"Mn": METALS, "Li": LITHIUM}, total_charge=14, composition={"Li": 2}
    )
    basis, rows, unseen = PairBasis(space), some_rows(space, 200), some_rows(space, 50, seed=1)
    coefficients = np.random.default_rng(1).normal(size=basis.n_correlations)
    model = fit_pairs(basis, rows, basis.correlations(rows) @ coefficients, low_energy_width=10.0)
    assert model.predict(unseen)[0] == pytest.approx(basis.correlations(unseen) @ coefficients, abs=1e-2)


def test_uncertainties_are_the_errors_where_data_are_few() -> None:
    problem = planted_loops((4, 2, 2), 1)
    rows, unseen = some_rows(problem.space, 40), some_rows(problem.space, 400, seed=1)
    energies = problem.energy(rows)
    model = fit_pairs(PairBasis(problem.space), rows, energies, low_energy_width=1e3)
    predicted, deviations = model.predict(unseen)
    errors = (predicted - problem.energy(unseen)) / deviations
    assert 0.5 < errors.std() < 2.0


def test_samples_of_the_posterior_have_its_mean_and_deviation() -> None:
    random = np.random.default_rng(0)
    features, coefficients = random.normal(size=(20, 6)), random.normal(size=6)
    targets = features @ coefficients + 0.1 * random.normal(size=20)
    posterior = fit_linear(features, targets, [np.ones(6)], np.ones(20))
    unseen = random.normal(size=(5, 6))
    drawn = posterior.sample(20000, random) @ unseen.T
    assert drawn.mean(axis=0) == pytest.approx(posterior.predict(unseen), abs=0.005)
    assert drawn.std(axis=0) == pytest.approx(posterior.uncertainty(unseen), rel=0.05)


def test_noise_and_prior_are_found_from_the_data() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 40))
    widths = np.exp(-np.arange(40) / 5)
    targets = features @ (0.5 * widths * random.normal(size=40)) + 0.05 * random.normal(size=400)
    posterior = fit_linear(features, targets, [np.ones(40), widths], np.ones(400))
    assert posterior.noise == pytest.approx(0.05, rel=0.3)
    assert posterior.scale == pytest.approx(0.5, rel=0.5)
    assert posterior.widths is widths


def test_annealing_in_the_model_finds_its_lowest_configuration() -> None:
    problem = planted_wave((4, 2, 2), 2)
    basis, rows = PairBasis(problem.space), some_rows(problem.space, 60)
    energies = problem.energy(rows)
    model = fit_pairs(basis, rows, energies, low_energy_width=energies.std())
    random = np.random.default_rng(3)
    found = anneal(basis, model.coefficients[None], rows[:16], Moves(problem.space.rules), 300, random)
    assert problem.space.rules.obeyed(found).all()
    assert problem.energy(found).min() == pytest.approx(problem.lowest, abs=1e-9)
