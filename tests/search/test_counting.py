from __future__ import annotations

import time
from math import comb

from hypothesis import given, settings

from aiida_redoxmlp.search.counting import count_configurations, count_distinct, count_fixed
from aiida_redoxmlp.search.space import ConfigurationSpace
from tests.search.spaces import LITHIUM, METALS, brute_force, half_filled, image, orbits, rock_salt, spaces


@settings(max_examples=40)
@given(spaces())
def test_the_number_of_configurations_is_that_of_brute_force(space: ConfigurationSpace) -> None:
    assert count_configurations(space) == len(brute_force(space)) > 0


@settings(max_examples=40)
@given(spaces())
def test_burnsides_number_of_orbits_is_that_of_brute_force(space: ConfigurationSpace) -> None:
    assert count_distinct(space) == len(orbits(space, brute_force(space)))


@settings(max_examples=15)
@given(spaces())
def test_each_operation_fixes_as_many_configurations_as_brute_force_finds(space: ConfigurationSpace) -> None:
    rows = brute_force(space)
    fixed = [sum((image(row, one) == row).all() for row in rows) for one in space.permutations]
    assert count_fixed(space.rules, space.permutations).tolist() == fixed


def test_half_filled_24_sites_have_2704156_patterns() -> None:
    space = half_filled((4, 3, 2))
    assert count_configurations(space) == comb(24, 12) == 2_704_156


def test_numbers_beyond_machine_words_are_exact() -> None:
    space = half_filled((5, 4, 4))
    assert count_configurations(space) == comb(80, 40)


def test_64_sites_are_counted_at_once() -> None:
    space = ConfigurationSpace.of(
        rock_salt((4, 4, 2), lithium=True),
        {"Mn": METALS, "Li": LITHIUM},
        total_charge=112,
        composition={"Li": 16, "Ni": 24, "Co": 4},
    )
    start = time.perf_counter()
    total, distinct = count_configurations(space), count_distinct(space)
    assert time.perf_counter() - start < 10  # seconds; brute force would take longer than the universe is old
    assert total == comb(32, 16) * comb(32, 24) * comb(8, 4) * comb(24, 20)
    assert total / len(space.permutations) < distinct < total
