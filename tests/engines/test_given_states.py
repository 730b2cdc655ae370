from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies

from aiida_redoxmlp.engines.calculator import CommitteeCalculator
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.given_states import spins_of_atoms, states_of_atoms
from aiida_redoxmlp.engines.number_table import number_table
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.testing import toy_frames

SPECIES = [Species("Li", 1), Species("Mn", 2), Species("Mn", 3), Species("O", -2)]
SYMBOLS = ["Mn", "O", "Mn", "Li"]
ENCODING = Encoding.for_species("species", SPECIES)
SPINS = {Species("Mn", 2): (5,), Species("Mn", 3): (4, 2), Species("O", -2): (0,), Species("Li", 1): (0,)}
WITH_SPINS = Encoding.for_species("species+spin", SPECIES, SPINS)


@pytest.mark.parametrize("wanted", [[3, 2], [3, -2, 2, 1], {"Mn": [3, 2]}, {"Mn": (3, 2), "Li": 1}, np.array([3, 2])])
def test_every_way_to_say_a_pattern_means_the_same(wanted):
    assert states_of_atoms(SYMBOLS, wanted, ENCODING).tolist() == [3, -2, 2, 1]


def test_one_state_for_an_element_is_that_of_all_its_atoms():
    assert states_of_atoms(SYMBOLS, {"Mn": 2}, ENCODING).tolist() == [2, -2, 2, 1]


def test_nothing_has_to_be_said_where_nothing_is_open():
    assert states_of_atoms(["Li", "O"], None, ENCODING).tolist() == [1, -2]
    assert states_of_atoms(SYMBOLS, None, Encoding.for_species("none", SPECIES)).tolist() == [0, 0, 0, 0]


@given(strategies.lists(strategies.sampled_from([2, 3]), min_size=1, max_size=6), strategies.randoms())
def test_the_order_of_other_elements_does_not_matter(pattern, random):
    symbols = ["Mn"] * len(pattern) + ["O"] * 4
    random.shuffle(symbols)
    states = states_of_atoms(symbols, pattern, ENCODING)
    assert [state for state, symbol in zip(states, symbols, strict=True) if symbol == "Mn"] == pattern
    assert {state for state, symbol in zip(states, symbols, strict=True) if symbol == "O"} == {-2}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, r"several oxidation states of Mn \(2, 3\); give one for each of the 2 Mn"),
        ({"Li": 1}, r"several oxidation states of Mn"),
        ([2, 3, 2], r"3 oxidation states were given; give one for each of the 4 atoms, or one for each of the 2 .*Mn"),
        ({"Mn": [2]}, r"1 oxidation states were given for Mn, of which the structure has 2"),
        ({"Mn": [2, 3], "Fe": 2}, r"for Fe, of which the structure has 0"),
    ],
)
def test_what_does_not_fit_the_atoms_is_refused(wanted, told):
    with pytest.raises(InputError, match=told):
        states_of_atoms(SYMBOLS, wanted, ENCODING)


def test_unknown_element_is_refused_by_every_encoding():
    for name in ("species", "none"):
        with pytest.raises(InputError, match="does not know Fe; it knows Li, Mn, O"):
            states_of_atoms(["Fe"], [2], Encoding.for_species(name, SPECIES))


def test_only_atoms_with_unpaired_electrons_need_a_spin():
    states = states_of_atoms(SYMBOLS, [3, 2], WITH_SPINS)
    assert spins_of_atoms(SYMBOLS, states, [-4, 5], WITH_SPINS).tolist() == [-4, 0, 5, 0]
    assert spins_of_atoms(SYMBOLS, states, {"Mn": [-2, 5]}, WITH_SPINS).tolist() == [-2, 0, 5, 0]
    with pytest.raises(InputError, match=r"several spins of Mn \(-5, -4, -2, 2, 4, 5\).*array 'spins'"):
        spins_of_atoms(SYMBOLS, states, None, WITH_SPINS)


def test_spins_are_not_taken_by_a_potential_without_them():
    states = states_of_atoms(SYMBOLS, [3, 2], ENCODING)
    assert spins_of_atoms(SYMBOLS, states, None, ENCODING) is None
    with pytest.raises(InputError, match="'species', which has no spins"):
        spins_of_atoms(SYMBOLS, states, [5, 4], ENCODING)


class SumOfStates:
    """The energy is the sum of squared states."""

    encoding = Encoding.for_species("species", [Species("Mn", 2), Species("Mn", 3), Species("O", -2)])
    n_members = 1
    device = "cpu"

    def evaluate(self, configurations, *, stress=False):
        return [
            CommitteeEvaluation(np.array([float((one.oxidation_states**2).sum())]), np.zeros((1, len(one), 3)))
            for one in configurations
        ]


def test_states_given_to_the_calculator_need_no_array_and_contradict_none():
    atoms = toy_frames(1)[0].configuration.to_ase()
    del atoms.arrays["oxidation_states"]
    atoms.calc = CommitteeCalculator(SumOfStates(), {"Mn": [2, 3]})
    assert atoms.get_potential_energy() == 4 + 9 + 4 + 4
    atoms.calc = CommitteeCalculator(SumOfStates(), [3, 3])
    assert atoms.get_potential_energy() == 9 + 9 + 4 + 4
    atoms.set_array("oxidation_states", np.array([2, 3, -2, -2]))
    with pytest.raises(InputError, match="array 'oxidation_states' that differs from what was given"):
        atoms.get_potential_energy()


def test_number_table_names_every_kind_once_with_the_real_mass():
    rows = {row.name: row for row in number_table(WITH_SPINS)}
    assert set(rows) == {
        "Li+", "O2-", "Mn2+ spin +5", "Mn2+ spin -5",
        "Mn3+ spin +4", "Mn3+ spin -4", "Mn3+ spin +2", "Mn3+ spin -2",
    }  # fmt: skip
    assert len({row.atomic_number for row in rows.values()}) == len(rows)
    assert {row.mass for row in rows.values() if row.element == "Mn"} == {54.938044}
    blind = {row.name: row.atomic_number for row in number_table(Encoding.for_species("none", SPECIES))}
    assert blind == {"Li": 3, "O": 8, "Mn": 25}
    shared = {row.name: row.atomic_number for row in number_table(Encoding.for_species("embedding", SPECIES))}
    assert shared == {"Li+": 3, "O2-": 8, "Mn2+": 25, "Mn3+": 25}
