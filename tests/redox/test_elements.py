from __future__ import annotations

import pytest
from ase.data import atomic_numbers, chemical_symbols
from pymatgen.core import Element

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import FIXED_STATES, RedoxTable

TABLE = RedoxTable.default()


def _symbols(first: str, last: str) -> list[str]:
    return chemical_symbols[atomic_numbers[first] : atomic_numbers[last] + 1]


@pytest.mark.parametrize(("shell", "first", "last"), [("3d", "Sc", "Zn"), ("4d", "Y", "Cd"), ("5d", "Hf", "Au")])
def test_d_metals_count_the_electrons_of_their_group(shell, first, last):
    for symbol in _symbols(first, last):
        assert TABLE.elements[symbol].shell == shell
        assert TABLE.elements[symbol].valence_electrons == Element(symbol).group


def test_lanthanides_count_the_electrons_above_xenon():
    for symbol in _symbols("La", "Lu"):
        assert TABLE.elements[symbol].shell == "4f"
        assert TABLE.elements[symbol].valence_electrons == atomic_numbers[symbol] - 54


def test_manganese_2_has_five_d_electrons_and_cerium_3_one_f_electron():
    assert TABLE.elements["Mn"].valence_electrons - 2 == 5
    assert TABLE.elements["Ce"].valence_electrons - 3 == 1


@pytest.mark.parametrize("symbol", sorted(TABLE.elements))
def test_usual_states_hold_the_common_ones_and_only_known_ones(symbol):
    states = set(TABLE.elements[symbol].states)
    assert set(Element(symbol).common_oxidation_states) <= states <= set(Element(symbol).oxidation_states)


@pytest.mark.parametrize("symbol", sorted(FIXED_STATES))
def test_fixed_charges_are_common_oxidation_states(symbol):
    assert FIXED_STATES[symbol] in Element(symbol).common_oxidation_states


@pytest.mark.parametrize("symbol", ["S", "N", "C"])
def test_elements_with_several_charges_have_to_be_given(symbol):
    with pytest.raises(InputError, match=symbol):
        TABLE.fixed_state(symbol)
    assert TABLE.with_overrides({symbol: -2}).fixed_state(symbol) == -2


def test_metals_with_one_usual_state_are_spectators_until_given_more():
    assert not TABLE.is_redox("La")
    assert TABLE.fixed_state("Zn") == 2
    opened = TABLE.with_overrides({"La": {"states": [2, 3]}})
    assert opened.is_redox("La")
    assert opened.elements["La"].states == (2, 3)


def test_redox_sites_are_the_redox_atoms_in_order():
    assert TABLE.redox_sites(["O", "Mn", "Li", "Fe", "La"]) == (1, 3)


def test_a_redox_element_can_be_demoted_to_a_spectator():
    demoted = TABLE.with_overrides({"Fe": {"fixed": 3}})
    assert demoted.redox_sites(["Fe", "Mn"]) == (1,)
    assert demoted.fixed_state("Fe") == 3
    assert TABLE.is_redox("Fe")


def test_states_threshold_and_width_can_be_overridden():
    element = TABLE.with_overrides({"Mn": {"states": [4, 3], "threshold": 0.9, "width": 0.01}}).elements["Mn"]
    assert (element.states, element.threshold, element.width) == ((3, 4), 0.9, 0.01)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"Xx": 2}, "'Xx' is not a chemical symbol"),
        ({"Mn": {"state": [2]}}, "'state' of Mn"),
        ({"Mn": {"states": [9]}}, "from -3 to 7"),
        ({"Mn": {"states": []}}, "whole numbers from -3 to 7"),
        ({"Mn": {"states": "23"}}, "give a list"),
        ({"Mn": {"states": [2.5]}}, "whole number"),
        ({"Mn": {"states": [True]}}, "whole number"),
        ({"Mn": {"threshold": 1.2}}, "at least 0.5 and below 1"),
        ({"Mn": {"threshold": float("nan")}}, "give a number"),
        ({"Mn": {"width": 0.0}}, "between 0 and 0.2"),
        ({"Mn": {"fixed": 2, "states": [2, 3]}}, "give one"),
        ({"Li": "1"}, "whole number"),
        ({"S": {"states": [-2, 6]}}, "neither a d metal nor a lanthanide"),
    ],
)
def test_overrides_that_cannot_be_used_are_one_sentence(overrides, message):
    with pytest.raises(InputError, match=message) as caught:
        TABLE.with_overrides(overrides)
    assert "\n" not in str(caught.value)
