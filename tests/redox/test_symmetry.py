from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.symmetry import site_permutations


@pytest.fixture(params=["beta", "olivine", "beta_supercell"])
def structure(request: pytest.FixtureRequest, beta: Atoms, olivine: Atoms) -> Atoms:
    return {"beta": beta, "olivine": olivine, "beta_supercell": beta.repeat((1, 2, 1))}[request.param]


def test_operations_form_a_group(structure: Atoms) -> None:
    permutations = site_permutations(structure)
    rows = {tuple(row) for row in permutations.tolist()}
    assert permutations[0].tolist() == list(range(len(structure)))
    assert len(rows) == len(permutations)
    assert all(sorted(row) == list(range(len(structure))) for row in rows)
    assert {tuple(first[second].tolist()) for first in permutations for second in permutations} == rows


def test_operations_keep_elements_and_distances(structure: Atoms) -> None:
    distances = structure.get_all_distances(mic=True)
    for permutation in site_permutations(structure):
        assert (structure.numbers[permutation] == structure.numbers).all()
        assert distances[np.ix_(permutation, permutation)] == pytest.approx(distances, abs=1e-3)


def test_olivine_has_the_eight_operations_of_pnma(olivine: Atoms) -> None:
    assert len(site_permutations(olivine)) == 8


def test_symmetry_of_half_delithiated_beta_maps_the_two_manganese_onto_each_other(beta: Atoms) -> None:
    assert {tuple(row) for row in site_permutations(beta)[:, :2].tolist()} == {(0, 1), (1, 0)}


def test_translations_of_a_supercell_are_operations(beta: Atoms) -> None:
    assert len(site_permutations(beta.repeat((1, 1, 2)))) == 2 * len(site_permutations(beta))


def test_labels_tell_atoms_of_an_element_apart(beta: Atoms) -> None:
    labels = beta.numbers.copy()
    labels[1] = 99
    assert {tuple(row) for row in site_permutations(beta, labels=labels)[:, :2].tolist()} == {(0, 1)}


def test_displaced_atom_lowers_the_symmetry_only_beyond_the_tolerance(beta: Atoms) -> None:
    symmetric = len(site_permutations(beta))
    beta.positions[-1] += [0.03, 0.02, 0.01]
    assert len(site_permutations(beta, symprec=0.001)) == 1
    assert len(site_permutations(beta, symprec=0.1)) == symmetric


def test_coinciding_atoms_are_an_input_error() -> None:
    atoms = Atoms("Mn2", positions=[[0, 0, 0], [0, 0, 0]], cell=[4, 4, 4], pbc=True)
    with pytest.raises(InputError, match="no symmetry of Mn2"):
        site_permutations(atoms)
