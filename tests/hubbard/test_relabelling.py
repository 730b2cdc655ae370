from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.relabelling import averaged_within_kinds, by_element, relabelled_kinds, why_not_one_state

_TOLERANCE = 0.1


def _kinds(symbols, values, states=None, signs=None, *, kinds=None, tolerance=_TOLERANCE):
    """Kinds after the first cycle: every site with a U has had one of its own."""
    before = kinds or [f"{symbol}{n + 1}" if n in values else symbol for n, symbol in enumerate(symbols)]
    new, _ = relabelled_kinds(symbols, before, values, states or {}, signs or {}, tolerance)
    return new


def _u(site, value):
    return Interaction(site, "3d", site, "3d", (0, 0, 0), value)


def test_sites_of_different_states_have_different_kinds():
    """U of Mn2+ and Mn3+ in β-Li0.5MnPO4, even if they happened to agree."""
    assert _kinds(["Mn", "Mn", "O"], {0: 3.95, 1: 5.86}, {0: 2, 1: 3}, {0: 1, 1: -1}) == ["Mn1", "Mn2", "O"]
    assert _kinds(["Mn", "Mn", "O"], {0: 5.0, 1: 5.0}, {0: 2, 1: 3}, {0: 1, 1: 1}) == ["Mn1", "Mn2", "O"]


def test_opposite_moments_stay_apart():
    assert _kinds(["Ni", "Ni", "O"], {0: 5.0, 1: 5.0}, {0: 2, 1: 2}, {0: 1, 1: -1}) == ["Ni1", "Ni2", "O"]


def test_opposite_moments_stay_apart_where_no_state_is_known():
    """Only the kinds say so: pw.x would make atoms of one kind equivalent, and their moments alike."""
    assert _kinds(["Fe", "Fe"], {0: 4.0, 1: 4.0}, kinds=["Fe1", "Fe2"]) == ["Fe1", "Fe2"]
    assert _kinds(["Fe", "Fe"], {0: 4.0, 1: 4.0}, kinds=["Fe", "Fe"]) == ["Fe", "Fe"]


def test_sites_of_one_state_share_a_kind_up_to_the_tolerance():
    states, signs = dict.fromkeys(range(4), 2), dict.fromkeys(range(4), 1)
    assert _kinds(["Mn"] * 4, {0: 4.0, 1: 4.5, 2: 4.05, 3: 4.48}, states, signs) == ["Mn1", "Mn2", "Mn1", "Mn2"]
    assert _kinds(["Mn"] * 4, dict.fromkeys(range(4), 4.0), states, signs) == ["Mn"] * 4


def test_the_closest_values_are_joined_first():
    """Equivalent sites must not be separated because a third one is just within reach of one of them."""
    values = {0: 4.0, 1: 4.1 - 1e-7, 2: 4.1 + 1e-7}
    assert _kinds(["Mn"] * 3, values, dict.fromkeys(range(3), 2)) == ["Mn1", "Mn2", "Mn2"]


def test_an_element_with_and_without_u_has_two_kinds():
    assert _kinds(["Mn", "Mn", "O"], {1: 4.0}, {1: 2}, kinds=["Mn", "Mn1", "O"]) == ["Mn", "Mn1", "O"]
    before = ["Mn1", "Mn2", "Mn3", "O"]
    assert _kinds(["Mn", "Mn", "Mn", "O"], {1: 4.0, 2: 6.0}, {1: 2, 2: 3}, kinds=before) == ["Mn1", "Mn2", "Mn3", "O"]


@st.composite
def _cells(draw):
    n = draw(st.integers(2, 9))
    symbols = draw(st.lists(st.sampled_from(("Mn", "Fe", "O")), min_size=n, max_size=n))
    metals = [atom for atom, symbol in enumerate(symbols) if symbol != "O"]
    pick = lambda values: {atom: draw(values) for atom in metals}  # noqa: E731
    return symbols, pick(st.floats(2.0, 8.0)), pick(st.sampled_from((2, 3))), pick(st.sampled_from((-1, 1)))


@given(_cells(), st.sampled_from((0.0, 0.1, 1.0)))
def test_a_kind_has_one_element_one_state_one_sign_and_u_within_the_tolerance(cell, tolerance):
    symbols, values, states, signs = cell
    before = [f"{symbol}{n + 1}" if n in values else symbol for n, symbol in enumerate(symbols)]
    kinds, taken = relabelled_kinds(symbols, before, values, states, signs, tolerance)
    assert len(set(kinds)) <= 10
    assert taken == tolerance or len(set(before)) > 10 - 1
    for kind in set(kinds):
        members = [atom for atom, name in enumerate(kinds) if name == kind]
        assert len({(symbols[n], states.get(n), signs.get(n), n in values) for n in members}) == 1
        spread = [values[n] for n in members if n in values]
        assert not spread or max(spread) - min(spread) <= taken


@given(_cells())
def test_the_same_groups_have_the_same_names_in_the_next_cycle(cell):
    symbols, values, states, signs = cell
    first = _kinds(symbols, values, states, signs)
    assert _kinds(symbols, values, states, signs, kinds=first) == first


@given(_cells(), st.randoms(use_true_random=False))
def test_noise_does_not_change_kinds_that_are_far_apart(cell, random):
    symbols, values, states, signs = cell
    apart = {atom: round(value) + 0.0 for atom, value in values.items()}
    first = _kinds(symbols, apart, states, signs)
    noisy = {atom: value + random.uniform(-0.02, 0.02) for atom, value in apart.items()}
    assert _kinds(symbols, noisy, states, signs, kinds=first) == first


def test_sites_do_not_join_and_split_in_turns():
    """Three sites as wide as the tolerance, give or take 0.02 eV: once together, they stay."""
    states = dict.fromkeys(range(3), 2)
    kinds = _kinds(["Mn"] * 3, {0: 4.0, 1: 4.06, 2: 4.09}, states)
    assert kinds == ["Mn"] * 3
    for width in (0.11, 0.09, 0.12):
        kinds = _kinds(["Mn"] * 3, {0: 4.0, 1: 4.06, 2: 4.0 + width}, states, kinds=kinds)
        assert kinds == ["Mn"] * 3
    assert len(set(_kinds(["Mn"] * 3, {0: 4.0, 1: 4.06, 2: 4.2}, states, kinds=kinds))) == 2


def test_more_kinds_than_quantum_espresso_takes_share_one_rather_than_fail():
    """Twelve sites, each with another U; O leaves room for nine kinds."""
    symbols, values = ["Mn"] * 12 + ["O"], {n: 4.0 + 0.2 * n for n in range(12)}
    kinds, taken = relabelled_kinds(symbols, [*["Mn"] * 12, "O"], values, dict.fromkeys(range(12), 2), {}, 0.05)
    assert taken > 0.05
    assert len(set(kinds)) <= 10


def test_more_states_than_kinds_are_refused():
    symbols = ["Mn", "Fe", "Co"] * 4 + ["O"]
    states = {n: 2 + n // 6 for n in range(12)}
    signs = {n: 1 if n % 2 else -1 for n in range(12)}
    with pytest.raises(InputError, match=r"fall into 13 kinds by state and moment alone, .* at most 10; take"):
        _kinds(symbols, dict.fromkeys(range(12), 4.0), states, signs)


@given(st.lists(st.tuples(st.sampled_from(("Mn1", "Mn2", "Fe")), st.floats(0.0, 10.0)), min_size=1, max_size=12))
def test_averaging_within_kinds_preserves_the_mean_and_leaves_one_u_a_kind(sites):
    kinds = [kind for kind, _ in sites]
    interactions = [_u(n, value) for n, (_, value) in enumerate(sites)]
    averaged = averaged_within_kinds(interactions, kinds, dict.fromkeys(range(len(sites)), 0.0))
    for kind in set(kinds):
        before = [one.value for one in interactions if kinds[one.site] == kind]
        after = [one.value for one in averaged if kinds[one.site] == kind]
        assert len(set(after)) == 1
        assert np.mean(after) == pytest.approx(np.mean(before))


def _pair(site, neighbour, value, *, turned=False):
    if turned:
        return Interaction(neighbour, "2p", site, "3d", (0, 0, -1), value)
    return Interaction(site, "3d", neighbour, "2p", (0, 0, 1), value)


def test_v_of_equally_distant_pairs_is_averaged_from_whichever_end_it_is_written():
    """1.92499 and 1.92501 Å are on either side of a step of rounding, and one distance to pw.x."""
    pairs = [_pair(0, 1, 0.4), _pair(0, 2, 0.6), _pair(0, 3, 0.8, turned=True), _pair(0, 1, 0.1)]
    distances = {0: 1.92499, 1: 1.92501, 2: 1.925, 3: 2.3}
    averaged = averaged_within_kinds(pairs, ["Mn", "O", "O", "O"], distances)
    assert [one.value for one in averaged] == pytest.approx([0.6, 0.6, 0.6, 0.1])


def test_v_to_different_kinds_is_not_averaged():
    averaged = averaged_within_kinds([_pair(0, 2, 0.4), _pair(1, 2, 0.6)], ["Mn1", "Mn2", "O"], {0: 2.0, 1: 2.0})
    assert [one.value for one in averaged] == [0.4, 0.6]


def test_one_hamiltonian_has_one_value_an_element_and_a_pair_of_elements():
    interactions = [_u(0, 4.0), _u(1, 6.0), _pair(0, 2, 0.4), _pair(1, 2, 0.8, turned=True), _u(2, 8.0)]
    assert [one.value for one in by_element(interactions, ["Mn", "Mn", "O"])] == pytest.approx(
        [5.0, 5.0, 0.6, 0.6, 8.0]
    )


def test_a_kind_whose_sites_ended_in_different_states_is_named():
    assert why_not_one_state(["Mn", "Mn", "Mn"], {0: 2, 1: 2, 2: 2}) is None
    assert why_not_one_state(["Mn1", "Mn2"], {0: 2, 1: 3}) is None
    sentence = why_not_one_state(["Mn", "Mn"], {0: 2, 1: 3})
    assert sentence is not None
    assert sentence.startswith("The sites of kind Mn ended in the states +2 and +3")
