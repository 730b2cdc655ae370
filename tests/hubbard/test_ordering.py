from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.ordering import hubbard_first, inverse, reordered

_KIND_NAMES = ("Li", "Mn1", "Mn2", "O", "P")


def _u(site: int, value: float = 4.0) -> Interaction:
    return Interaction(site, "3d", site, "3d", (0, 0, 0), value)


@st.composite
def _hubbard_systems(draw: st.DrawFn) -> tuple[list[Interaction], list[str]]:
    kinds = draw(st.lists(st.sampled_from(_KIND_NAMES), min_size=1, max_size=12))
    atoms = st.integers(0, len(kinds) - 1)
    shift = st.tuples(*[st.integers(-1, 1)] * 3)
    manifold = st.sampled_from(("3d", "2p"))
    pairs = st.builds(Interaction, atoms, manifold, atoms, manifold, shift, st.floats(-9.0, 9.0))
    return draw(st.lists(pairs | st.builds(_u, atoms, st.floats(0.0, 9.0)), max_size=12)), kinds


@given(_hubbard_systems(), st.data())
def test_reordering_and_handing_back_is_the_identity(
    system: tuple[list[Interaction], list[str]], data: st.DataObject
) -> None:
    interactions, kinds = system
    order = data.draw(st.permutations(range(len(kinds))))
    assert reordered(reordered(interactions, order), inverse(order)) == interactions


@given(_hubbard_systems(), st.data())
def test_an_interaction_follows_its_atoms(system: tuple[list[Interaction], list[str]], data: st.DataObject) -> None:
    interactions, kinds = system
    order = data.draw(st.permutations(range(len(kinds))))
    for before, after in zip(interactions, reordered(interactions, order), strict=True):
        assert (order[after.site], order[after.neighbour]) == (before.site, before.neighbour)
        assert (after.translation, after.value) == (before.translation, before.value)


@given(_hubbard_systems())
def test_no_atom_without_a_manifold_stands_before_one_that_has(system: tuple[list[Interaction], list[str]]) -> None:
    """What hp.x checks: pw.x takes all atoms of a kind as Hubbard atoms if one of them is."""
    interactions, kinds = system
    order = hubbard_first(interactions, kinds)
    assert sorted(order) == list(range(len(kinds)))
    active = {kinds[atom] for one in interactions for atom in (one.site, one.neighbour)}
    flags = [kinds[atom] in active for atom in order]
    assert flags == sorted(flags, reverse=True)


@given(_hubbard_systems())
def test_ordering_twice_changes_nothing(system: tuple[list[Interaction], list[str]]) -> None:
    interactions, kinds = system
    order = hubbard_first(interactions, kinds)
    again = hubbard_first(reordered(interactions, order), [kinds[old] for old in order])
    assert again == list(range(len(kinds)))


def test_ligands_with_v_come_between_metals_and_spectators() -> None:
    pair = Interaction(3, "3d", 1, "2p", (0, 0, 0), 0.5)
    order = hubbard_first([_u(3), pair], ["Li", "O", "Li", "Mn", "O"])
    assert order == [3, 1, 4, 0, 2]


@pytest.mark.parametrize("kinds", [["Mn1", "Mn2", "Mn1", "Mn2"], ["Mn2", "Mn1", "Mn1", "Mn3"], ["Mn"] * 4])
def test_new_kinds_of_the_metals_do_not_change_the_order(kinds: list[str]) -> None:
    """One order serves all cycles, however sites are relabelled in between."""
    assert hubbard_first([_u(site) for site in range(4)], [*kinds, "O", "Li"]) == [0, 1, 2, 3, 4, 5]


def test_v_between_two_manifolds_of_one_atom_is_no_u() -> None:
    assert _u(0).is_onsite
    assert not Interaction(0, "3d", 0, "4s", (0, 0, 0), 0.5).is_onsite
    assert not Interaction(0, "3d", 0, "3d", (0, 0, 1), 0.5).is_onsite
