from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.search import enumeration
from aiida_redoxmlp.search.canonical import CanonicalForms
from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.enumeration import all_configurations, distinct_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace
from tests.search.spaces import LITHIUM, METALS, brute_force, half_filled, orbits, rock_salt, spaces


def _rows(blocks) -> list[list[int]]:
    return [row for block in blocks for row in block.rows.tolist()]


@settings(max_examples=40)
@given(spaces(), st.sampled_from([1, 7, 1 << 16]))
def test_the_stream_is_every_configuration_once_in_ascending_order(space: ConfigurationSpace, endings: int) -> None:
    with _at_most_endings(endings):
        assert _rows(all_configurations(space, block_size=5)) == brute_force(space).tolist()


@settings(max_examples=60)
@given(spaces(), st.sampled_from([1, 7, 1 << 16]))
def test_distinct_configurations_are_the_smallest_of_each_orbit_and_orbits_partition_the_space(
    space: ConfigurationSpace, endings: int
) -> None:
    rows = brute_force(space)
    classes = orbits(space, rows)
    with _at_most_endings(endings):
        blocks = list(distinct_configurations(space, block_size=5))
    assert [tuple(row) for row in _rows(blocks)] == sorted(classes)
    sizes = np.concatenate([block.multiplicities for block in blocks]).tolist()
    assert sizes == [len(classes[smallest]) for smallest in sorted(classes)]
    assert sum(sizes) == len(rows)


@contextmanager
def _at_most_endings(number: int) -> Iterator[None]:
    """Split rows early, as those of large cells are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enumeration, "_MOST_ENDINGS", number)
        yield


def test_20_half_filled_sites_are_reduced_to_burnsides_number() -> None:
    space = half_filled((5, 2, 2))
    total = distinct = 0
    for block in distinct_configurations(space):
        assert space.rules.obeyed(block.rows).all()
        total += int(block.multiplicities.sum())
        distinct += len(block)
    assert total == count_configurations(space) == comb(20, 10)
    assert distinct == count_distinct(space)


def test_the_stream_of_a_space_too_large_to_hold_begins_at_once() -> None:
    space = ConfigurationSpace.of(
        rock_salt((4, 4, 2), lithium=True), {"Mn": METALS, "Li": LITHIUM}, total_charge=112, composition={"Li": 16}
    )
    block = next(distinct_configurations(space, block_size=100))
    assert len(block) >= 100
    assert space.rules.obeyed(block.rows).all()
    assert (CanonicalForms.of(space).canonical(block.rows[:50]) == block.rows[:50]).all()
    assert (np.diff(np.lexsort(block.rows.T[::-1])) == 1).all()


def test_blocks_are_about_as_large_as_asked_for() -> None:
    space = half_filled((4, 3, 2))
    sizes = [len(block) for block in islice(all_configurations(space, block_size=1000), 5)]
    assert all(1000 <= size < 1000 + comb(16, 8) for size in sizes)
