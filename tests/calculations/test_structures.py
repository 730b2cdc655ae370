from __future__ import annotations

import pytest
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase.build import bulk

from aiida_redoxmlp.calculations.structures import seed_structure

SEED = {
    "magnetic_order": "ferromagnetic",
    "pre_distortion": 0.0,
    "strength": 1.0,
    "pseudo_electrons": {"Co": 17.0, "O": 6.0},
}


@pytest.fixture
def cobalt_oxide(aiida_profile):
    """Two formula units of rock-salt CoO with U on Co and V to a neighbour in the next cell."""
    atoms = bulk("CoO", "rocksalt", a=4.2).repeat((2, 1, 1))
    structure = HubbardStructureData.from_structure(orm.StructureData(ase=atoms))
    for site in (0, 2):
        structure.append_hubbard_parameter(site, "3d", site, "3d", 5.0, hubbard_type="U")
    structure.append_hubbard_parameter(0, "3d", 3, "2p", 0.5, translation=[-1, 0, 0], hubbard_type="V")
    return structure


def _redox(low_spin):
    return orm.Dict({"total_charge": 2, "allowed_states": {"Co": [3]}, "low_spin": low_spin})


def test_low_spin_species_reach_the_seed_without_spin_polarisation(cobalt_oxide):
    made = seed_structure(cobalt_oxide, orm.List([3, 3]), _redox(["Co3+"]), orm.Dict(SEED))
    system = made["parameters"].get_dict()["SYSTEM"]
    assert system["nspin"] == 1
    assert "starting_magnetization" not in system
    assert {(spin, kind) for _, spin, kind, _ in system["starting_ns_eigenvalue"]} == {(1, "Co1"), (1, "Co2")}


def test_the_same_pattern_in_high_spin_is_magnetic(cobalt_oxide):
    made = seed_structure(cobalt_oxide, orm.List([3, 3]), _redox([]), orm.Dict(SEED))
    system = made["parameters"].get_dict()["SYSTEM"]
    assert "nspin" not in system
    assert system["starting_magnetization"] == pytest.approx({"Co1": 4 / 17, "Co2": 4 / 17})


def test_u_and_v_stay_on_their_sites(cobalt_oxide):
    made = seed_structure(cobalt_oxide, orm.List([3, 3]), _redox(["Co3+"]), orm.Dict(SEED))
    assert made["structure"].hubbard.parameters == cobalt_oxide.hubbard.parameters
    assert made["structure"].get_site_kindnames() == ["Co1", "O", "Co2", "O"]
