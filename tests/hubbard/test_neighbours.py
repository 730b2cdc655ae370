from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.neighbours import IntersiteRule, neighbour_interactions, split_manifold


def _nearest(first: str, second: str) -> IntersiteRule:
    return IntersiteRule(between=(first, second), nearest=True)


def _distance(atoms: Atoms, pair: Interaction) -> float:
    image = atoms.positions[pair.neighbour] + np.array(pair.translation) @ atoms.cell.array
    return float(np.linalg.norm(image - atoms.positions[pair.site]))


def test_cobalt_has_its_six_oxygens(licoo2: Atoms) -> None:
    pairs = neighbour_interactions(licoo2, [_nearest("Co-3d", "O-2p")])
    assert len(pairs) == 6
    assert len(set(pairs)) == 6
    assert {(pair.site, pair.manifold, pair.neighbour_manifold) for pair in pairs} == {(0, "3d", "2p")}
    assert Counter(pair.neighbour for pair in pairs) == {1: 3, 2: 3}
    assert [_distance(licoo2, pair) for pair in pairs] == pytest.approx([1.919] * 6, abs=5e-3)


def test_each_manganese_of_beta_limnpo4_has_its_octahedron(demo_atoms: Atoms) -> None:
    pairs = neighbour_interactions(demo_atoms, [_nearest("Mn-3d", "O-2p")])
    assert Counter(pair.site for pair in pairs) == {0: 6, 1: 6}
    assert all(2.0 < _distance(demo_atoms, pair) < 2.2 for pair in pairs)


def test_a_jahn_teller_distorted_octahedron_stays_whole(limno2: Atoms) -> None:
    pairs = neighbour_interactions(limno2, [_nearest("Mn-3d", "O-2p")])
    lengths = np.array([_distance(limno2, pair) for pair in pairs])
    assert Counter(pair.site for pair in pairs) == {0: 6, 1: 6}
    assert ((lengths > 2.25).sum(), (lengths < 2.0).sum()) == (4, 8)


def test_a_square_plane_does_not_take_the_far_ligands(tenorite: Atoms) -> None:
    pairs = neighbour_interactions(tenorite, [_nearest("Cu-3d", "O-2p")])
    assert set(Counter(pair.site for pair in pairs).values()) == {4}


def test_a_pair_is_the_same_from_either_end(licoo2: Atoms) -> None:
    from_cobalt = neighbour_interactions(licoo2, [_nearest("Co-3d", "O-2p")])
    from_oxygen = neighbour_interactions(licoo2, [_nearest("O-2p", "Co-3d")])
    turned = {
        (pair.neighbour, pair.site, tuple(-one for one in pair.translation))
        for pair in from_oxygen
        if (pair.manifold, pair.neighbour_manifold) == ("2p", "3d")
    }
    assert turned == {(pair.site, pair.neighbour, pair.translation) for pair in from_cobalt}


def test_pairs_of_one_sublattice_come_once(licoo2: Atoms) -> None:
    """Co has six Co around it, so there are three pairs an atom."""
    pairs = neighbour_interactions(licoo2, [IntersiteRule(between=("Co-3d", "Co-3d"), within=2.9)])
    assert len(pairs) == 3
    ends = {pair.translation for pair in pairs} | {tuple(-one for one in pair.translation) for pair in pairs}
    assert len(ends) == 6


def test_rules_for_different_manifolds_of_one_pair_are_all_kept(licoo2: Atoms) -> None:
    pairs = neighbour_interactions(licoo2, [_nearest("Co-3d", "O-2p"), _nearest("Co-3d", "O-2s")])
    assert Counter(pair.neighbour_manifold for pair in pairs) == {"2p": 6, "2s": 6}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(shift=st.tuples(*[st.floats(0.0, 1.0)] * 3), strain=st.floats(-0.03, 0.03))
def test_the_pairs_do_not_depend_on_the_origin(licoo2: Atoms, shift: tuple[float, ...], strain: float) -> None:
    moved = licoo2.copy()
    moved.set_cell(moved.cell.array * (1 + strain), scale_atoms=True)
    moved.positions += np.array(shift) @ moved.cell.array
    moved.wrap()
    pairs = neighbour_interactions(moved, [_nearest("Co-3d", "O-2p")])
    assert [_distance(moved, pair) for pair in pairs] == pytest.approx([1.919 * (1 + strain)] * 6, abs=5e-3)


def test_a_neighbour_outside_the_3x3x3_supercell_is_refused(licoo2: Atoms) -> None:
    with pytest.raises(
        InputError, match=r"^The O at \d\.\d\d Å from Co \(atom 0\) lies .* cells away, but .*\.$"
    ) as caught:
        neighbour_interactions(licoo2, [IntersiteRule(between=("Co-3d", "O-2p"), within=6.0)])
    assert "3×3×3" in str(caught.value)
    assert ". " not in str(caught.value)


def test_a_rule_without_a_pair_is_refused(licoo2: Atoms) -> None:
    with pytest.raises(InputError, match=r"no O within 1\.5 Å of any Co; check"):
        neighbour_interactions(licoo2, [IntersiteRule(between=("Co-3d", "O-2p"), within=1.5)])
    with pytest.raises(InputError, match=r"no F within 3\.5 Å"):
        neighbour_interactions(licoo2, [_nearest("Co-3d", "F-2p")])


@pytest.mark.parametrize("reach", [{}, {"within": 2.5, "nearest": True}, {"within": -1.0}])
def test_a_rule_needs_one_reach(reach: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        IntersiteRule(between=("Co-3d", "O-2p"), **reach)


@pytest.mark.parametrize("name", ["Mn", "Mn3d", "-3d", "Mn-d3", "Mn-3dd", "Mn-3x"])
def test_a_misspelt_manifold_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="such as Mn-3d"):
        split_manifold(name)
