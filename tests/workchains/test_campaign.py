"""The campaign's decisions, on process nodes made by hand; whole campaigns run in tests/engine_runs."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from aiida import orm

from aiida_redoxmlp.calculations.conclusion import conclude
from aiida_redoxmlp.calculations.datasets import merge_datasets, split_dataset
from aiida_redoxmlp.calculations.structures import list_patterns, seed_structure, with_positions
from aiida_redoxmlp.data.dataset import DatasetData


def ranking(*energies):
    states = ([2, 3], [3, 2], [2, 2])
    return orm.Dict(
        {
            "patterns": [
                {
                    "states": states[rank],
                    "orbit": 0,
                    "multiplicity": 2,
                    "energy_ev": energy,
                    "energy_std_ev": 0.01,
                }
                for rank, energy in enumerate(energies)
            ]
        }
    )


def verdict(found, wanted):
    return orm.Dict({"wanted": wanted, "found": found, "landed": found == wanted, "confidence": 0.98})


def frames(make_frame, energy):
    return DatasetData.from_frames([replace(make_frame(), energy=energy)])


def test_patterns_of_the_demo_are_one_orbit_of_two(demo_structure, chemistry):
    listing = list_patterns(demo_structure, orm.Dict(chemistry), orm.Int(8)).get_dict()
    assert listing["sites"] == [0, 1]
    assert sorted(one["states"] for one in listing["patterns"]) == [[2, 3], [3, 2]]
    assert {one["orbit"] for one in listing["patterns"]} == {0}
    assert {one["multiplicity"] for one in listing["patterns"]} == {2}
    assert sum(listing["oxidation_states"]) == -5
    assert (listing["n_patterns"], listing["n_distinct"]) == (2, 1)


def test_of_millions_of_patterns_only_those_that_are_labelled_are_listed(demo_atoms, chemistry):
    structure = orm.StructureData(ase=demo_atoms.repeat((3, 2, 2)))
    listing = list_patterns(structure, orm.Dict(chemistry), orm.Int(8)).get_dict()
    assert [one["orbit"] for one in listing["patterns"]] == list(range(8))
    assert {sum(one["states"]) for one in listing["patterns"]} == {60}
    assert listing["n_patterns"] == comb(24, 12)
    assert comb(24, 12) / 96 < listing["n_distinct"] < comb(24, 12) / 4


def test_seed_keeps_hubbard_parameters_and_gives_each_site_its_kind(demo_structure, chemistry):
    seed = orm.Dict(
        {
            "magnetic_order": "antiferromagnetic",
            "pre_distortion": 1.0,
            "strength": 2.0,
            "pseudo_electrons": {"Mn": 7.0, "P": 5.0, "O": 6.0, "Li": 3.0},
        }
    )
    made = seed_structure(demo_structure, orm.List([2, 3]), orm.Dict(chemistry), seed)
    structure = made["structure"]
    assert structure.get_site_kindnames()[:2] == ["Mn1", "Mn2"]
    assert [(one.atom_index, one.value) for one in structure.hubbard.parameters] == [(0, 4.5), (1, 4.5)]
    parameters = made["parameters"].get_dict()
    magnetization = parameters["SYSTEM"]["starting_magnetization"]
    assert magnetization["Mn1"] == pytest.approx(5 / 7)
    assert magnetization["Mn2"] == pytest.approx(-4 / 7)
    assert parameters["ELECTRONS"]["mixing_fixed_ns"] == 10

    bonds = structure.get_ase().get_all_distances(mic=True)
    assert sorted(bonds[0, 3:])[1] > sorted(bonds[1, 3:])[1]


@pytest.mark.parametrize(("pattern", "signs"), [([2, 3], (1, -1)), ([3, 2], (-1, 1))])
def test_moments_follow_the_pattern_in_charge_order(demo_structure, chemistry, pattern, signs):
    options = {"magnetic_order": "charge_ordered", "pre_distortion": 0.0, "strength": 1.0}
    seed = orm.Dict({**options, "pseudo_electrons": {"Mn": 7.0, "P": 5.0, "O": 6.0, "Li": 3.0}})
    made = seed_structure(demo_structure, orm.List(pattern), orm.Dict(chemistry), seed)
    moments = made["parameters"].get_dict()["SYSTEM"]["starting_magnetization"]
    assert tuple(np.sign([moments["Mn1"], moments["Mn2"]])) == signs


def test_geometry_is_taken_over_with_the_hubbard_parameters(demo_structure, demo_atoms):
    demo_atoms.positions += 0.05
    moved = with_positions(demo_structure, orm.StructureData(ase=demo_atoms))
    assert moved.get_ase().positions == pytest.approx(demo_atoms.positions)
    assert len(moved.hubbard.parameters) == 2


def test_merging_keeps_equal_frames_once(aiida_profile, make_frame):
    one = DatasetData.from_frames([make_frame(0), make_frame(1)])
    other = DatasetData.from_frames([make_frame(1), make_frame(2)])
    assert merge_datasets(a=one, b=other).n_frames == 3


def test_test_frames_are_whole_trajectories_of_every_pattern(aiida_profile, make_frame):
    runs = {"a": (2, 3), "b": (3, 2), "c": (2, 3), "d": (3, 2)}
    lengths = {"a": 4, "b": 4, "c": 12, "d": 12}
    dataset = DatasetData.from_frames(
        [make_frame(step, states, group=group) for group, states in runs.items() for step in range(lengths[group])]
    )
    parts = split_dataset(dataset, orm.Float(0.2))
    assert {frame.group for frame in parts["test"].frames} == {"a", "b"}
    assert {frame.group for frame in parts["training"].frames} == {"c", "d"}
    assert parts["summary"]["patterns"] == {
        "(2,3)": {"training": 12, "test": 4},
        "(3,2)": {"training": 12, "test": 4},
    }
    assert parts["summary"].creator == parts["test"].creator


def test_seed_of_the_split_is_an_input(aiida_profile, make_frame):
    dataset = DatasetData.from_frames([make_frame(step, group=group) for group in "abcdefgh" for step in range(2)])
    held_out = {
        tuple(split_dataset(dataset, orm.Float(0.2), orm.Int(seed))["summary"]["held_out"]) for seed in range(6)
    }
    assert len(held_out) > 1


def test_dft_decides_among_the_patterns_it_confirmed(aiida_profile, make_frame):
    conclusion = conclude(
        ranking(-10.0, -9.9),
        rank_0_verdict=verdict([2, 3], [2, 3]),
        rank_0_frames=frames(make_frame, -9.80),
        rank_1_verdict=verdict([3, 2], [3, 2]),
        rank_1_frames=frames(make_frame, -9.95),
    ).get_dict()
    assert conclusion["ground_state"] == [3, 2]
    assert conclusion["decided_by"] == "dft"
    assert conclusion["gap_ev"] == pytest.approx(0.15)


def test_pattern_that_dft_did_not_confirm_is_no_ground_state(aiida_profile, make_frame):
    conclusion = conclude(
        ranking(-10.0, -9.9),
        rank_0_verdict=verdict([3, 2], [2, 3]),
        rank_0_frames=frames(make_frame, -9.99),
        rank_1_verdict=verdict([3, 2], [3, 2]),
        rank_1_frames=frames(make_frame, -9.95),
    ).get_dict()
    assert conclusion["ground_state"] == [3, 2]
    assert conclusion["patterns"][0]["pattern_found_by_dft"] == [3, 2]
    assert conclusion["gap_ev"] is None


def test_without_a_check_the_potential_decides(aiida_profile):
    conclusion = conclude(ranking(-10.0, -9.9)).get_dict()
    assert conclusion["ground_state"] == [2, 3]
    assert conclusion["decided_by"] == "potential"
