from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from aiida import orm

from aiida_redoxmlp.calculations.hubbard import interactions_of, order_for_hp, with_interactions
from aiida_redoxmlp.calculations.hubbard_transforms import (
    same_hubbard_for_all,
    strained_with_hubbard,
    supercell_with_hubbard,
)
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction


def _bonds(structure):
    """Kinds, length and value of every pair."""
    atoms, kinds = structure.get_ase(), structure.get_site_kindnames()
    bonds = Counter()
    for one in interactions_of(structure):
        image = atoms.positions[one.neighbour] + np.array(one.translation) @ atoms.cell.array
        length = round(float(np.linalg.norm(image - atoms.positions[one.site])), 6)
        bonds[kinds[one.site], kinds[one.neighbour], length, one.value] += 1
    return bonds


@pytest.mark.parametrize("matrix", [np.diag([2, 2, 1]).tolist(), [[1, 1, 0], [0, 1, 1], [1, 0, 1]]])
def test_a_supercell_has_the_bonds_of_the_cell_once_a_cell(limnpo4, matrix):
    supercell = supercell_with_hubbard(limnpo4, orm.List(matrix))
    volume = round(np.linalg.det(matrix))
    assert len(supercell.sites) == volume * len(limnpo4.sites)
    assert supercell.get_cell_volume() == pytest.approx(volume * limnpo4.get_cell_volume())
    assert _bonds(supercell) == {bond: volume * count for bond, count in _bonds(limnpo4).items()}
    assert supercell.get_kind_names() == limnpo4.get_kind_names()


def test_the_supercells_atoms_do_not_overlap(licoo2):
    atoms = supercell_with_hubbard(licoo2, orm.List([[2, 0, 0], [1, 1, 0], [0, 1, 2]])).get_ase()
    distances = atoms.get_all_distances(mic=True) + 10 * np.eye(len(atoms))
    assert distances.min() == pytest.approx(1.92, abs=0.01)


def test_a_supercell_can_be_ordered_for_hp(licoo2):
    supercell = supercell_with_hubbard(licoo2, orm.List(np.diag([2, 1, 1]).tolist()))
    ordered = order_for_hp(supercell)["structure"]
    assert ordered.get_site_kindnames() == ["Co"] * 2 + ["O"] * 4 + ["Li"] * 2
    assert _bonds(ordered) == _bonds(supercell)


def test_a_very_oblique_supercell_is_refused(licoo2):
    with pytest.raises(InputError, match=r"3×3×3 supercell only; take a less oblique one\.$"):
        supercell_with_hubbard(licoo2, orm.List([[1, 3, 0], [0, 1, 0], [0, 0, 1]]))


def test_a_strained_cell_keeps_pairs_and_values(limnpo4):
    strain = np.array([[0.01, 0.02, 0.0], [0.02, -0.01, 0.0], [0.0, 0.0, 0.03]])
    strained = strained_with_hubbard(limnpo4, orm.List(strain.tolist()))
    assert strained.hubbard == limnpo4.hubbard
    assert strained.get_site_kindnames() == limnpo4.get_site_kindnames()
    before, after = limnpo4.get_ase(), strained.get_ase()
    assert after.cell.array == pytest.approx(before.cell.array @ (np.eye(3) + strain))
    assert after.get_scaled_positions(wrap=False) == pytest.approx(before.get_scaled_positions(wrap=False))


@pytest.mark.parametrize("strain", [(-1.0 * np.eye(3)).tolist(), [0.01, 0.01, 0.01]])
def test_a_strain_that_leaves_no_cell_is_refused(licoo2, strain):
    with pytest.raises(InputError, match="leaves no cell; give a 3×3 matrix"):
        strained_with_hubbard(licoo2, orm.List(strain))


def test_labels_for_a_potential_have_one_hamiltonian(limnpo4):
    values = iter([4.0, 6.0, *np.linspace(0.2, 0.6, 12)])
    found = with_interactions(
        limnpo4,
        [
            Interaction(one.site, one.manifold, one.neighbour, one.neighbour_manifold, one.translation, next(values))
            for one in interactions_of(limnpo4)
        ],
    )
    same = same_hubbard_for_all(limnpo4, found)
    assert {round(one.value, 9) for one in interactions_of(same) if one.is_onsite} == {5.0}
    assert {round(one.value, 9) for one in interactions_of(same) if not one.is_onsite} == {0.4}


def test_values_of_other_atoms_are_refused(limnpo4, licoo2):
    with pytest.raises(InputError, match="does not have the atoms of"):
        same_hubbard_for_all(limnpo4, licoo2)
