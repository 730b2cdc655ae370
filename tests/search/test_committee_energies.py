"""Energies of configurations are those of the structures they stand for."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mace")

from ase.build import bulk

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.committee_energies import CommitteeEnergies
from aiida_redoxmlp.search.enumeration import all_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.testing import toy_frames

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("encoding", ["species", "embedding", "species+spin"])
def test_rows_have_the_energies_of_their_structures(make_committee, encoding):
    parent = toy_frames(1, seed=5)[0].configuration
    allowed = {"Mn": ["Mn2+", "Mn3+"], 2: ["O2-", "X"]}
    space = ConfigurationSpace.of(parent, allowed, total_charge=None)
    potential = make_committee(encoding)
    rows = np.concatenate([block.rows for block in all_configurations(space)])
    assert len(rows) == 8
    found = CommitteeEnergies(space, potential)(rows)
    structures = [potential.encoding.with_usual_spins(space.configuration(row)) for row in rows]
    expected = [one.energies for one in potential.evaluate(structures)]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert len(np.unique(found[:, 0].round(6))) == len(rows)


def test_species_the_committee_lacks_is_refused(make_committee):
    parent = toy_frames(1)[0].configuration
    space = ConfigurationSpace.of(parent, {"Mn": ["Mn2+", "Mn4+"]}, total_charge=None)
    with pytest.raises(InputError, match=r"does not know the species Mn4\+"):
        CommitteeEnergies(space, make_committee())(np.array([[0, 1]], dtype=np.int8))


@pytest.mark.parametrize("encoding", ["species", "embedding"])
def test_equivalent_rows_have_one_energy(make_committee, encoding):
    lattice = bulk("MnO", "rocksalt", a=4.4, cubic=True)
    space = ConfigurationSpace.of(lattice, {"Mn": ["Mn2+", "Mn3+"]}, fixed_states={"O": -2}, total_charge=2)
    random = np.random.default_rng(3)
    row = random.permutation([0, 0, 1, 1]).astype(np.int8)
    images = np.array([row[permutation] for permutation in space.permutations])
    found = CommitteeEnergies(space, make_committee(encoding))(images)
    assert len(np.unique(images, axis=0)) > 1
    np.testing.assert_allclose(found, np.tile(found[0], (len(images), 1)), rtol=0, atol=1e-9)
