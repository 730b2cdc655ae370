from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.space import VACANCY, ConfigurationSpace
from tests.search.spaces import LENGTH, LITHIUM, MANGANESE, brute_force, half_filled, rock_salt, spaces

STRUCTURES = Path(__file__).parents[2] / "examples" / "structures"
STATES = {"Mn": ["Mn2+", "Mn3+"]}


@settings(max_examples=30)
@given(spaces(), st.integers(0, 2**31))
def test_a_structure_goes_back_to_the_row_it_was_made_from(space: ConfigurationSpace, seed: int) -> None:
    rows = brute_force(space)
    random = np.random.default_rng(seed)
    row = rows[random.integers(len(rows))]
    made = space.configuration(row)
    displaced = made.moved_to(made.positions + random.uniform(-0.2, 0.2, made.positions.shape))
    assert (space.row_of(displaced) == row).all()
    chosen = [some[choice] for some, choice in zip(space.allowed, row, strict=True)]
    assert len(made) == len(space.parent) - chosen.count(VACANCY)
    assert made.total_charge == space.fixed_charge + sum(species.state for species in chosen)


def test_a_pattern_has_the_states_of_the_active_sites_and_goes_back_to_its_row() -> None:
    space = ConfigurationSpace.of(rock_salt((2, 1, 1), lithium=True), {"Mn": MANGANESE, "Li": LITHIUM}, total_charge=6)
    row = np.array([0, 0, 1, 1], dtype=np.int8)
    pattern = space.pattern(row)
    assert pattern == Pattern((0, 1, 2, 3), (2, 1, 3, 0))
    assert (space.row_of_pattern(pattern) == row).all()
    assert space.atomic_numbers(row[None]).tolist() == [[25, 3, 25, 0]]
    assert space.oxidation_states(row[None]).tolist() == [[2, 1, 3, 0]]


def test_a_state_of_two_elements_is_no_row() -> None:
    space = ConfigurationSpace.of(rock_salt((2, 1, 1)), {"Mn": ["Ni2+", "Mn2+"]}, total_charge=4)
    with pytest.raises(InputError, match=r"state \+2 of site 0 belongs to 2 of its allowed species Mn2\+, Ni2\+"):
        space.row_of_pattern(Pattern((0, 2), (2, 2)))


def test_what_a_site_may_not_hold_is_no_row() -> None:
    space = half_filled((2, 1, 1))
    made = space.configuration(np.array([0, 1], dtype=np.int8))
    with pytest.raises(InputError, match=r"Site 0 holds Mn4\+, but may hold Mn2\+, Mn3\+ only"):
        space.row_of(replace(made, oxidation_states=np.array([4, -2, 3, -2])))
    with pytest.raises(InputError, match="Site 0 holds X"):
        space.row_of(Configuration(made.numbers[1:], made.positions[1:], made.cell, made.oxidation_states[1:]))
    with pytest.raises(InputError, match=r"Atom 0 \(Mn\) is 1\.73 Å from the nearest of the 4 sites"):
        space.row_of(made.moved_to(made.positions + 1.0))


def test_spins_of_the_parent_are_kept_and_lower_the_symmetry() -> None:
    atoms = rock_salt((2, 1, 1))
    ferromagnetic = ConfigurationSpace.of(atoms, STATES, total_charge=5)
    atoms.new_array("spins", np.array([5, 0, -5, 0]))
    antiferromagnetic = ConfigurationSpace.of(atoms, STATES, total_charge=5)
    assert (count_distinct(ferromagnetic), count_distinct(antiferromagnetic)) == (1, 2)
    assert antiferromagnetic.configuration(np.array([0, 1], dtype=np.int8)).spins.tolist() == [5, 0, -5, 0]


def test_translations_of_the_supercell_are_operations_and_form_a_group() -> None:
    space = half_filled((4, 1, 1))
    assert {tuple(row) for row in space.permutations.tolist()} >= {(0, 1, 2, 3), (1, 2, 3, 0), (3, 2, 1, 0)}
    assert space.permutations[0].tolist() == [0, 1, 2, 3]
    assert len(space.permutations) == 8


def test_sites_with_other_allowed_species_are_not_equivalent() -> None:
    space = ConfigurationSpace.of(rock_salt((4, 1, 1)), {**STATES, 0: ["Mn3+", "Mn4+"]}, total_charge=None)
    assert {tuple(row) for row in space.permutations.tolist()} == {(0, 1, 2, 3), (0, 3, 2, 1)}


def test_elements_that_may_stand_on_the_same_sites_do_not_lower_the_symmetry_of_the_lattice() -> None:
    atoms = rock_salt((4, 1, 1))
    atoms.symbols[0] = "Ni"
    metals = ["Ni2+", "Mn4+"]
    space = ConfigurationSpace.of(atoms, {"Mn": metals, "Ni": metals}, total_charge=None, composition={"Ni": 1})
    assert len(space.permutations) == 8
    assert (count_configurations(space), count_distinct(space)) == (4, 1)


def _without_lithium(atoms: Atoms, removed: list[int]) -> Atoms:
    """The crystal with the lithium of some cubes removed and the rest displaced at random."""
    left = atoms.copy()
    del left[[2 * cube + 1 for cube in removed]]
    left.rattle(0.05, seed=3)
    return left


def test_distortions_after_the_removal_of_lithium_do_not_lower_the_symmetry_of_the_lattice() -> None:
    lattice = rock_salt((4, 1, 1), lithium=True)
    distorted = _without_lithium(lattice, [0, 1, 2, 3])
    alone = ConfigurationSpace.of(distorted, STATES, total_charge=10)
    assert len(alone.permutations) == 1
    with_parent = ConfigurationSpace.of(distorted, STATES, total_charge=10, lattice=lattice)
    assert len(with_parent.permutations) == 8


def test_lithium_that_stays_in_an_order_does_lower_it() -> None:
    lattice = rock_salt((4, 1, 1), lithium=True)
    distorted = _without_lithium(lattice, [0, 2])
    space = ConfigurationSpace.of(distorted, STATES, fixed_states={"Li": 1}, total_charge=12, lattice=lattice)
    assert len(space.permutations) == 4


def test_a_lattice_of_another_cell_is_refused() -> None:
    atoms = rock_salt((4, 1, 1))
    with pytest.raises(
        InputError, match=r"\(8 atoms, 16\.00 × 4\.00 × 4\.00 Å\) is not that of its lattice \(2 atoms, 4\.00 ×"
    ):
        _ = ConfigurationSpace.of(atoms, STATES, total_charge=10, lattice=rock_salt((1, 1, 1))).permutations


def test_free_numbers_leave_the_composition_open() -> None:
    atoms = rock_salt((2, 1, 1), lithium=True)
    free = ConfigurationSpace.of(atoms, {**STATES, "Li": LITHIUM}, total_charge=6)
    fixed = ConfigurationSpace.of(atoms, {**STATES, "Li": LITHIUM}, total_charge=6, composition={"Li": 2, "Mn2+": 2})
    assert (count_configurations(free), count_configurations(fixed)) == (1 + 4 + 1, 1)


@pytest.mark.parametrize(
    ("allowed", "options", "error", "message"),
    [
        (STATES, {"total_charge": 9}, ClosureError, r"charge \+9; the nearest they reach is \+6: change"),
        (STATES, {"total_charge": 0}, ClosureError, r"charge \+0; the nearest they reach is \+4: change"),
        ({"Mn": ["Mn2+", "Mn4+"]}, {"total_charge": 5}, ClosureError, r"the nearest they reach is \+4"),
        (STATES, {"composition": {"Mn3+": 1}}, ClosureError, r"the nearest they reach is \+5"),
        (STATES, {"composition": {"Mn3+": 3}}, InputError, r"has 3 Mn3\+, but the active sites can hold 0 to 2"),
        (STATES, {"composition": {"Mn": 1}}, InputError, "has 1 Mn, but the active sites can hold 2 to 2"),
        (STATES, {"composition": {"Fe": 1}}, InputError, r"names Fe, which no active site may hold; name one of Mn"),
        (STATES, {"composition": {"Mn3+": 1, "Mn2+": 2}}, InputError, r"has 1 Mn3\+, 2 Mn2\+ together"),
        ({"Mn": []}, {}, InputError, "Site 0 has 0 allowed species; give it at least one"),
        ({}, {}, InputError, "No site is active"),
        ({"Fe": ["Fe2+"]}, {}, InputError, "given for Fe, but the structure has none; its elements are Mn, O"),
        ({9: ["Fe2+"]}, {}, InputError, r"Active site 9 does not exist; the structure's atoms are 0 to 3"),
        ({"Mn": ["Mn2+", "Mangan"]}, {}, InputError, "'Mangan' is not a species"),
        ({"Mn": ["Mn2+", "Qq3+"]}, {}, InputError, "'Qq' is not a chemical symbol"),
        ({"Mn": ["Mn2+(up)"]}, {}, InputError, "sign of its moment"),
        ({"Mn": ["Mn2+", "X+"]}, {}, InputError, "vacancy with a charge"),
        (STATES, {"fixed_states": {"Li": 1}}, InputError, r"O \(atom 1\) has neither allowed species nor a fixed"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(allowed, options, error, message) -> None:
    with pytest.raises(error, match=message) as caught:
        ConfigurationSpace.of(rock_salt((2, 1, 1)), allowed, **options)
    assert "\n" not in str(caught.value)


def test_sites_that_coincide_are_refused() -> None:
    atoms = rock_salt((2, 1, 1)) + Atoms("Ni", positions=[[LENGTH - 0.1, 0, LENGTH]])
    with pytest.raises(InputError, match=r"Active site 2 \(Mn\) and atom 4 \(Ni\) coincide, 0\.10 Å apart"):
        ConfigurationSpace.of(atoms, STATES, total_charge=None)


def test_sites_are_named_once_and_in_order() -> None:
    parent = Configuration.from_ase(rock_salt((2, 1, 1)))
    species = (Species("Mn", 2), Species("Mn", 3))
    with pytest.raises(InputError, match=r"\[2, 0\] must be ascending"):
        ConfigurationSpace(parent, (2, 0), (species, species), None)
    with pytest.raises(InputError, match="given for 1 sites, but 2 are active"):
        ConfigurationSpace(parent, (0, 2), (species,), None)


def test_the_space_of_a_material_is_that_of_its_charges() -> None:
    chemistry = RedoxChemistry(allowed_states={"Mn": (2, 3)}, fixed_states={"Li": 1, "P": 5, "O": -2})
    space = ConfigurationSpace.of_redox_states(read(STRUCTURES / "beta-Li0.5MnPO4.cif"), chemistry)
    assert space.sites == (0, 1)
    assert (space.fixed_charge, space.total_charge) == (-5, 0)
    assert [space.pattern(np.array(row, dtype=np.int8)).label for row in ([0, 1], [1, 0])] == ["(2,3)", "(3,2)"]
    assert (count_configurations(space), count_distinct(space)) == (2, 1)
