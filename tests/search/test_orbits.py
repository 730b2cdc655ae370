from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.search import orbits
from aiida_redoxmlp.search.enumeration import distinct_configurations, first_configuration
from aiida_redoxmlp.search.orbits import members_of_orbits, orbits_first
from aiida_redoxmlp.search.space import ConfigurationSpace
from tests.search.spaces import brute_force, half_filled, spaces
from tests.search.spaces import orbits as orbits_by_hand

OLIVINE = Path(__file__).parents[2] / "examples" / "structures" / "LiMnPO4.cif"


@settings(max_examples=40)
@given(spaces(), st.integers(1, 40))
def test_one_of_every_orbit_comes_before_a_second_of_any(space: ConfigurationSpace, number: int) -> None:
    rows = brute_force(space)
    classes = orbits_by_hand(space, rows)
    listed, places, multiplicities = orbits_first(space, number)
    assert len({tuple(row) for row in listed.tolist()}) == len(listed) == min(number, len(rows))
    smallest = sorted(classes)
    for row, place, multiplicity in zip(listed.tolist(), places.tolist(), multiplicities.tolist(), strict=True):
        assert tuple(row) in {tuple(member) for member in classes[smallest[place]]}
        assert multiplicity == len(classes[smallest[place]])
    n_first = min(len(classes), number)
    assert [tuple(row) for row in listed[:n_first].tolist()] == smallest[:n_first]
    seen = [places[:end].tolist().count(place) for end, place in enumerate(places.tolist())]
    assert seen == sorted(seen)


@settings(max_examples=20)
@given(spaces())
def test_the_first_configuration_is_the_smallest(space: ConfigurationSpace) -> None:
    assert first_configuration(space).tolist() == brute_force(space)[0].tolist()


def test_no_more_orbits_are_enumerated_than_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def watched(space: ConfigurationSpace, *, block_size: int):
        for block in distinct_configurations(space, block_size=block_size):
            made.append(len(block))
            yield block

    monkeypatch.setattr(orbits, "distinct_configurations", watched)
    listed, _, _ = orbits_first(half_filled((4, 4, 2)), 8)
    assert len(listed) == 8
    assert len(made) == 1


def test_half_lithiated_olivine_has_six_patterns_in_three_pairs() -> None:
    """Two of four Mn are 3+; equivalent patterns have the same distance between them."""
    atoms = read(OLIVINE)
    space = ConfigurationSpace.of(
        atoms, {"Mn": ["Mn2+", "Mn3+"]}, fixed_states={"Li": 1, "P": 5, "O": -2}, total_charge=2
    )
    (block,) = distinct_configurations(space)
    assert block.multiplicities.tolist() == [2, 2, 2]
    members, places = members_of_orbits(space, block.rows)
    assert len(members) == 6
    distances = [atoms.get_distance(*np.array(space.sites)[row == 1].tolist(), mic=True) for row in members]
    for place in range(3):
        own = np.array(distances)[places == place]
        assert own == pytest.approx(own[0])
