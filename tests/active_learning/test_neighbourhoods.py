from __future__ import annotations

import numpy as np
import pytest

from aiida_redoxmlp.active_learning.neighbourhoods import Neighbourhoods, neighbour_requests
from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from tests.active_learning.bond_committee import tilted

HERE = {"one": tilted(0), "two": tilted(1)}


def test_every_structure_is_asked_at_rest_before_it_is_moved(chemistry: RedoxChemistry) -> None:
    found = neighbour_requests(HERE, chemistry, Neighbourhoods(n_labels=8, rattle=0.05, strain=0.01))
    assert [one.structure for one in found] == ["one", "two"] * 4
    assert {one.request.wanted.states for one in found} == {(2, 3), (3, 2)}
    for one in found[:4]:
        assert np.array_equal(one.request.structure.positions, HERE[one.structure].positions)
    for one in found[4:]:
        moved = one.request.structure.positions - HERE[one.structure].positions
        assert 0.01 < np.abs(moved).max() < 1.0
        assert not np.array_equal(one.request.structure.cell, HERE[one.structure].cell)
    assert len({one.request.key for one in found}) == 8


def test_the_seed_decides_and_nothing_is_asked_twice(chemistry: RedoxChemistry) -> None:
    settings = Neighbourhoods(n_labels=6)
    first, second = (neighbour_requests(HERE, chemistry, settings) for _ in range(2))
    asked = {one.request.key for one in first}
    assert asked == {one.request.key for one in second}
    later = neighbour_requests(HERE, chemistry, settings, asked)
    assert len(later) == 6
    assert not asked & {one.request.key for one in later}


def test_what_has_no_neighbours_is_refused(chemistry: RedoxChemistry) -> None:
    with pytest.raises(InputError, match="no structure to label neighbours of"):
        neighbour_requests({}, chemistry, Neighbourhoods())
    with pytest.raises(ClosureError):
        neighbour_requests(HERE, RedoxChemistry(total_charge=9, allowed_states={"Mn": (2, 3)}), Neighbourhoods())
