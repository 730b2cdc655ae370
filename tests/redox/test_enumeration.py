from __future__ import annotations

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.enumeration import (
    charge_balanced_patterns,
    count_patterns,
    distinct_patterns,
)
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.symmetry import site_permutations

MANGANESE = {"Mn": [2, 3, 4]}
state_sets = st.lists(st.integers(-2, 6), min_size=1, max_size=3, unique=True)


def _group(generators: list[list[int]]) -> np.ndarray:
    """Close a set of permutations under composition."""
    group = {tuple(range(len(generators[0])))}
    while True:
        grown = group | {tuple(one[i] for i in other) for one in generators for other in group}
        if grown == group:
            return np.array(sorted(group))
        group = grown


@given(st.lists(state_sets, max_size=6), st.integers(-12, 30))
def test_count_agrees_with_brute_force(sites_allowed: list[list[int]], charge: int) -> None:
    assert count_patterns(sites_allowed, charge) == sum(sum(one) == charge for one in product(*sites_allowed))


@given(st.lists(st.sampled_from(["Mn", "Fe", "O"]), min_size=1, max_size=7), state_sets, state_sets, st.data())
def test_stream_is_every_balanced_pattern_once_in_ascending_order(
    symbols: list[str], manganese: list[int], iron: list[int], data: st.DataObject
) -> None:
    allowed = {"Mn": manganese, "Fe": iron}
    sites = [index for index, symbol in enumerate(symbols) if symbol != "O"]
    assignments = sorted(product(*(sorted(allowed[symbols[site]]) for site in sites)))
    if sites:
        charge = sum(data.draw(st.sampled_from(assignments)))
        found = [pattern.states for pattern in charge_balanced_patterns(symbols, sites, allowed, charge)]
        assert found == [one for one in assignments if sum(one) == charge]


def test_stream_does_not_wait_for_the_whole_enumeration() -> None:
    symbols = ["Mn"] * 400
    first = next(charge_balanced_patterns(symbols, range(400), {"Mn": [2, 3]}, 1000))
    assert first.states == (2,) * 200 + (3,) * 200


def test_count_of_a_large_cell_needs_no_enumeration() -> None:
    assert count_patterns([[2, 3]] * 200, 500) == comb(200, 100)


@given(st.lists(st.permutations(range(5)), min_size=1, max_size=2), st.integers(10, 20))
def test_orbits_partition_the_patterns(generators: list[list[int]], charge: int) -> None:
    group = _group(generators)
    patterns = list(charge_balanced_patterns(["Mn"] * 5, range(5), MANGANESE, charge))
    orbits = distinct_patterns(patterns, group)
    members = [member for orbit in orbits for member in orbit.members]
    assert sorted(members) == patterns
    for orbit in orbits:
        assert orbit.multiplicity == len(orbit.members)
        assert len(group) % orbit.multiplicity == 0
        assert all(member.canonical(group) == orbit.representative for member in orbit.members)


def test_half_lithiated_olivine_has_six_patterns_of_which_three_are_distinct(olivine: Atoms) -> None:
    symbols = olivine.get_chemical_symbols()
    sites = [index for index, symbol in enumerate(symbols) if symbol == "Mn"]
    patterns = list(charge_balanced_patterns(symbols, sites, {"Mn": [2, 3]}, 10))
    orbits = distinct_patterns(patterns, site_permutations(olivine))
    assert len(patterns) == 6
    assert [orbit.multiplicity for orbit in orbits] == [2, 2, 2]


def test_equivalent_patterns_have_the_same_distance_between_their_holes(olivine: Atoms) -> None:
    sites = [index for index, symbol in enumerate(olivine.get_chemical_symbols()) if symbol == "Mn"]
    patterns = [Pattern(tuple(sites), tuple(3 if s in pair else 2 for s in sites)) for pair in combinations(sites, 2)]
    for orbit in distinct_patterns(patterns, site_permutations(olivine)):
        distances = [
            olivine.get_distance(
                *(site for site, state in zip(sites, member.states, strict=True) if state == 3), mic=True
            )
            for member in orbit.members
        ]
        assert distances == pytest.approx([distances[0]] * len(distances))


def test_marking_a_part_of_equivalent_sites_lowers_the_symmetry(olivine: Atoms) -> None:
    sites = [index for index, symbol in enumerate(olivine.get_chemical_symbols()) if symbol == "Mn"][:3]
    patterns = list(charge_balanced_patterns(["Mn"] * len(olivine), sites, {"Mn": [2, 3]}, 7))
    orbits = distinct_patterns(patterns, site_permutations(olivine))
    assert sorted(member for orbit in orbits for member in orbit.members) == sorted(patterns)


def test_beta_has_one_distinct_pattern(beta: Atoms) -> None:
    patterns = list(charge_balanced_patterns(beta.get_chemical_symbols(), [0, 1], {"Mn": [2, 3]}, 5))
    (orbit,) = distinct_patterns(patterns, site_permutations(beta))
    assert [pattern.label for pattern in patterns] == ["(2,3)", "(3,2)"]
    assert orbit.members == tuple(patterns)


@pytest.mark.parametrize(
    ("sites", "allowed", "charge", "error", "message"),
    [
        ([0, 1], {"Mn": [2, 3]}, 7, ClosureError, r"charge \+7; they reach \+4 to \+6"),
        ([0, 1], {"Mn": [2, 4]}, 5, ClosureError, r"they reach \+4, \+6, \+8"),
        ([0, 1], {"Xx": [2]}, 5, InputError, "'Xx' is not a chemical symbol"),
        ([0, 2], {"Mn": [2, 3]}, 5, InputError, r"Site 2 is O, which has no allowed states .*: Mn"),
        ([0, 1], {"Mn": []}, 5, InputError, "Site 0 is Mn, which has no allowed states"),
        ([], {"Mn": [2, 3]}, 5, InputError, "no redox sites among its elements Mn, O"),
        ([0, 9], {"Mn": [2, 3]}, 5, InputError, "Redox site 9 does not exist; .* 0 to 2"),
        ([0, -1], {"Mn": [2, 3]}, 5, InputError, "Redox site -1 does not exist"),
    ],
)
def test_what_cannot_be_enumerated_is_said_at_once_in_a_sentence(
    sites: list[int], allowed: dict[str, list[int]], charge: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        charge_balanced_patterns(["Mn", "Mn", "O"], sites, allowed, charge)


def test_too_many_patterns_are_refused_before_the_first() -> None:
    with pytest.raises(InputError, match=rf"{comb(40, 20)} patterns over 40 .* more than the 1000 allowed"):
        charge_balanced_patterns(["Mn"] * 40, range(40), {"Mn": [2, 3]}, 100, max_patterns=1000)
