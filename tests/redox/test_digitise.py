from __future__ import annotations

from itertools import product
from math import inf, isclose, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.digitise import digitise
from aiida_redoxmlp.redox.digitise_likelihood import (
    best_closed_assignments,
    count_log_likelihoods,
    state_log_likelihoods,
)
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.occupations import SiteOccupations
from aiida_redoxmlp.redox.pw_output import read_pw_output

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pw"
TABLE = RedoxTable.default()
D5 = np.array([[0.98, 0.99, 0.99, 1.0, 1.0], [0.02, 0.03, 0.03, 0.09, 0.11]])
D4 = np.array([[0.54, 0.98, 0.99, 0.99, 1.0], [0.04, 0.05, 0.06, 0.16, 0.21]])

_occupations = st.lists(st.floats(-0.01, 1.01), min_size=10, max_size=10).map(
    lambda values: np.sort(np.array(values).reshape(2, 5), axis=1)
)


def _sites(*eigenvalues):
    return [SiteOccupations(index, f"Mn{index + 1}", values) for index, values in enumerate(eigenvalues)]


def _digitised(folder: str):
    steps = read_pw_output(FIXTURES / folder / "pw.out").steps
    return [digitise(step.occupations, step.symbols, 0, TABLE) for step in steps]


def test_antiferromagnetic_fixture_is_manganese_2_and_3_without_doubt():
    (found,) = _digitised("scf_afm")
    assert found.states == found.naive_states == (2, 3)
    assert found.d_counts == found.spins == (5, 4)
    assert found.moment_signs == (1, -1)
    assert found.closed
    assert not found.ambiguous
    assert found.confidences.min() > 0.95
    assert found.margin > 10


def test_ferromagnetic_fixture_closes_with_less_confidence():
    (found,) = _digitised("scf_fm")
    assert found.states == (2, 3)
    assert found.closed
    assert not found.ambiguous
    assert found.moment_signs == (1, 1)
    assert found.confidences.min() < 0.85
    assert found.confidences.min() < _digitised("scf_afm")[0].confidences.min()


def test_dynamics_closes_until_the_count_gains_an_electron_that_never_came():
    found = _digitised("md")
    assert [assignment.closed for assignment in found] == [True] * 6 + [False] * 2
    assert [assignment.ambiguous for assignment in found] == [False] * 6 + [True] * 2
    assert {assignment.states for assignment in found} == {(2, 3)}
    assert found[6].naive_states == found[7].naive_states == (2, 2)
    margins = [assignment.margin for assignment in found]
    assert margins == sorted(margins, reverse=True)


def test_oxidation_states_cover_every_atom_and_close():
    step = read_pw_output(FIXTURES / "scf_afm" / "pw.out").steps[0]
    found = digitise(step.occupations, step.symbols, 0, TABLE)
    assert found.oxidation_states(step.symbols).tolist() == [2, 3, 5, -2, -2, -2, -2, 5, -2, -2, -2, -2, 1]
    assert found.pattern.label == "(2,3)"


def test_unpolarised_levels_count_twice():
    paired = np.array([[0.2, 0.2, 0.99, 0.99, 0.99]] * 2)
    found = digitise([SiteOccupations(0, "Co", paired)], ["Co", "N"], 0, TABLE.with_overrides({"N": -3}))
    assert (found.states, found.d_counts, found.spins, found.moment_signs) == ((3,), (6,), (0,), (0,))


def test_f_shells_are_read_like_d_shells():
    cerium3 = np.array([[0.01] * 6 + [0.99], [0.01] * 7])
    cerium4 = np.full((2, 7), 0.1)
    sites = [SiteOccupations(0, "Ce", cerium3), SiteOccupations(1, "Ce", cerium4)]
    found = digitise(sites, ["Ce", "Ce", "O", "O", "O", "O"], -1, TABLE)
    assert found.states == (3, 4)
    assert found.d_counts == (1, 0)


def test_hubbard_sites_that_are_no_redox_sites_are_not_used():
    oxygen = SiteOccupations(1, "O", np.full((2, 3), 0.9))
    found = digitise([oxygen, *_sites(D5)], ["Mn", "O"], 0, TABLE)
    assert found.sites == (0,)


def test_a_single_closed_assignment_has_infinite_margin():
    found = digitise(_sites(D5), ["Mn", "O"], 0, TABLE)
    assert found.margin == inf
    assert not found.ambiguous


def test_states_that_the_eigenvalues_contradict_are_ambiguous_even_without_alternative():
    found = digitise(_sites(D4), ["Mn", "O"], 0, TABLE)
    assert found.states == (2,)
    assert found.naive_states == (3,)
    assert found.ambiguous


def test_a_count_that_closes_with_states_not_allowed_is_ambiguous():
    monovalent = np.array([[0.99] * 5, [0.01] * 4 + [0.99]])
    tetravalent = np.array([[0.1, 0.3, 0.99, 0.99, 0.99], [0.01] * 5])
    found = digitise(_sites(monovalent, tetravalent), ["Mn", "Mn"], 5, TABLE)
    assert found.closed
    assert found.naive_states == (1, 4)
    assert found.states == (2, 3)
    assert found.ambiguous


def test_a_charge_out_of_reach_names_what_is_reachable():
    with pytest.raises(ClosureError, match=r"total charge \+9: with Mn=2/3.* from \+0 to \+1"):
        digitise(_sites(D5), ["Mn", "O"], 9, TABLE.with_overrides({"Mn": {"states": [2, 3]}}))


def test_a_charge_in_a_gap_of_the_states_does_not_close():
    with pytest.raises(ClosureError):
        digitise(_sites(D5), ["Mn"], 3, TABLE.with_overrides({"Mn": {"states": [2, 4]}}))


@pytest.mark.parametrize(
    ("sites", "symbols", "message"),
    [
        ([], ["Li", "O"], "Li, O has no redox site"),
        ([], ["Mn", "O"], r"Atom 1 \(Mn\) is a redox site but has no occupations of its 3d"),
        ([SiteOccupations(0, "Mn", np.zeros((2, 3)))], ["Mn"], "no occupations of its 3d"),
        (_sites(D5), ["Mn", "S"], "S has no single usual charge"),
    ],
)
def test_what_is_missing_is_named(sites, symbols, message):
    with pytest.raises(InputError, match=message):
        digitise(sites, symbols, 0, TABLE)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_the_numbers_of_full_levels_are_a_probability_distribution(eigenvalues):
    logs = count_log_likelihoods(np.array(eigenvalues), 0.88, 0.02)
    assert isclose(np.exp(logs).sum(), 1.0, rel_tol=1e-9)


@given(st.lists(st.floats(0.7, 1), min_size=1, max_size=6))
def test_the_numbers_of_full_levels_agree_with_enumeration(eigenvalues):
    full = 1 / (1 + np.exp(-(np.array(eigenvalues) - 0.88) / 0.02))
    expected = np.zeros(len(full) + 1)
    for choice in product((0, 1), repeat=len(full)):
        expected[sum(choice)] += np.prod(np.where(choice, full, 1 - full))
    np.testing.assert_allclose(np.exp(count_log_likelihoods(np.array(eigenvalues), 0.88, 0.02)), expected, rtol=1e-8)


def test_likelihoods_stay_finite_where_probabilities_underflow():
    logs = count_log_likelihoods(np.array([0.0, 0.0, 1.0]), 0.88, 1e-5)
    assert np.isfinite(logs).all()
    assert logs.argmax() == 1


@st.composite
def _problems(draw):
    size = draw(st.integers(1, 5))
    states = [sorted(draw(st.sets(st.integers(-2, 5), min_size=1, max_size=4))) for _ in range(size)]
    scores = [np.array([draw(st.floats(-50, 0)) for _ in allowed]) for allowed in states]
    return states, scores, draw(st.integers(-4, 15))


@given(_problems())
@settings(max_examples=200)
def test_dynamic_programming_finds_the_two_best_of_all_assignments(problem):
    states, scores, charge = problem
    everything = sorted(
        (
            sum(score[allowed.index(state)] for state, allowed, score in zip(choice, states, scores, strict=True))
            for choice in product(*states)
            if sum(choice) == charge
        ),
        reverse=True,
    )
    found = best_closed_assignments(states, scores, charge)
    np.testing.assert_allclose([likelihood for _, likelihood in found], everything[:2], rtol=0, atol=1e-9)
    assert all(sum(assignment) == charge for assignment, _ in found)
    assert len({assignment for assignment, _ in found}) == len(found)


@given(st.lists(_occupations, min_size=1, max_size=5), st.integers(2, 20))
def test_an_assignment_always_closes_the_charge(eigenvalues, charge):
    table = TABLE.with_overrides({"Mn": {"states": [2, 3, 4]}})
    assume(2 * len(eigenvalues) <= charge <= 4 * len(eigenvalues))
    found = digitise(_sites(*eigenvalues), ["Mn"] * len(eigenvalues), charge, table)
    assert sum(found.states) == charge
    assert np.all((found.confidences >= 0) & (found.confidences <= 1))
    assert found.margin >= 0
    if not found.closed:
        assert found.ambiguous


@given(st.lists(_occupations, min_size=2, max_size=4), st.data())
def test_permuting_the_sites_permutes_the_states(eigenvalues, data):
    order = data.draw(st.permutations(range(len(eigenvalues))))
    charge = data.draw(st.integers(2 * len(eigenvalues), 4 * len(eigenvalues)))
    symbols = ["Mn"] * len(eigenvalues)
    before = digitise(_sites(*eigenvalues), symbols, charge, TABLE)
    after = digitise(_sites(*(eigenvalues[index] for index in order)), symbols, charge, TABLE)
    assert isclose(before.margin, after.margin, abs_tol=1e-6)
    assume(before.margin > 1e-6)
    assert after.states == tuple(before.states[index] for index in order)


@given(st.floats(0.5, 0.86), st.floats(0.001, 0.3))
def test_a_clearer_level_raises_confidence_and_margin(level, step):
    def found(value):
        return digitise(_sites(D5, np.vstack([[value, *D4[0, 1:]], D4[1]])), ["Mn", "Mn"], 5, TABLE)

    vague, clear = found(level), found(level - step)
    assert clear.confidences[1] >= vague.confidences[1]
    assert clear.margin >= vague.margin


def test_margin_is_the_log_odds_of_the_two_patterns():
    eigenvalues = [np.array([[full, 1, 1, 1, 1], [0] * 5]) for full in (0.9, 0.7)]
    found = digitise(_sites(*eigenvalues), ["Mn", "Mn"], 5, TABLE)
    manganese = TABLE.elements["Mn"]
    first, second = (np.exp(state_log_likelihoods(values, manganese)) for values in eigenvalues)
    two, three = manganese.states.index(2), manganese.states.index(3)
    assert isclose(found.margin, log(first[two] * second[three] / (first[three] * second[two])), rel_tol=1e-9)
