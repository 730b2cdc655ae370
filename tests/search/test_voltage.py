from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.apps.battery.insertion_battery import InsertionElectrode
from pymatgen.entries.computed_entries import ComputedEntry

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.report.figures.voltage import draw_matplotlib
from aiida_redoxmlp.search.convex_hull import lower_hull
from aiida_redoxmlp.search.voltage import voltage_profiles
from aiida_redoxmlp.search.voltage_curve import GroundStateEnergy
from aiida_redoxmlp.search.voltage_table import CellEnergy, ground_state_energies

LITHIUM = -1.90753119
SPINEL = {"Ti4O8": -105.53608265, "Li2Ti4O8": -114.92282305, "Li4Ti4O8": -120.53193305}
"""Energies of spinel LixTiO2 and of lithium metal, from pymatgen's test files, where the voltages are published too."""

_ENERGIES = st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=9)


def _states(contents, energies, source="dft"):
    """Ground states; energies of shape (n_compositions,) or (n_compositions, n_members)."""
    table = np.atleast_2d(np.asarray(energies, dtype=float).T).T
    return [GroundStateEnergy(float(x), tuple(row), source) for x, row in zip(contents, table, strict=True)]


def _curve(contents, energies, source="dft", lithium=LITHIUM):
    (curve,) = voltage_profiles(_states(contents, energies, source), lithium).curves
    return curve


def _spinel():
    cells = [CellEnergy(composition=formula, energy_ev=energy) for formula, energy in SPINEL.items()]
    (curve,) = voltage_profiles(ground_state_energies(cells), LITHIUM).curves
    return curve


def test_voltages_of_spinel_titanate_are_the_published_ones():
    """Lithium goes in by itself, so that they are positive, and the first goes in at the highest voltage."""
    curve = _spinel()
    assert curve.contents.tolist() == [0, 0.5, 1]
    assert [step.voltage for step in curve.steps] == pytest.approx([2.78583901, 0.89702381], abs=1e-6)
    assert curve.average().voltage == pytest.approx(1.84143141, abs=1e-6)


def test_voltages_are_those_of_pymatgen():
    entries = [ComputedEntry(formula, energy, data={"volume": 100.0}) for formula, energy in SPINEL.items()]
    electrode = InsertionElectrode.from_entries(entries, ComputedEntry("Li", LITHIUM))
    pairs = sorted(electrode.voltage_pairs, key=lambda pair: pair.x_charge)
    assert [step.voltage for step in _spinel().steps] == pytest.approx([pair.voltage for pair in pairs])


@settings(max_examples=25, deadline=None)
@given(_ENERGIES)
def test_energies_above_the_hull_are_those_of_pymatgen(formation):
    """Bound by 3 eV each, compounds never decompose to Li and the host in another way."""
    n = len(formation) - 1
    contents = np.arange(n + 1) / n
    energies = np.array(formation) * 0.1 - 3.0 * contents
    curve = _curve(contents, energies, lithium=0.0)
    entries = [ComputedEntry({"Li": k, "C": n}, n * float(e)) for k, e in zip(range(n + 1), energies, strict=True)]
    diagram = PhaseDiagram([*entries, ComputedEntry("Li", 0.0)])
    above = [diagram.get_e_above_hull(entry, allow_negative=False) * (n + k) / n for k, entry in enumerate(entries)]
    assert curve.above_hull == pytest.approx(above, abs=1e-6)


def test_all_compositions_of_a_convex_energy_are_stable():
    contents = np.linspace(0, 1, 9)
    curve = _curve(contents, -4.0 * contents - 0.8 * contents * (1 - contents))
    assert curve.stable.all()
    assert curve.formation_energies[:, 0] == pytest.approx(-0.8 * contents * (1 - contents))
    middles = (contents[:-1] + contents[1:]) / 2  # where a parabola's slope is that between its ends
    assert [step.voltage for step in curve.steps] == pytest.approx(LITHIUM + 4.0 + 0.8 * (1 - 2 * middles))


def test_two_phases_have_one_voltage_and_what_is_between_them_is_above_the_hull():
    contents = np.linspace(0, 1, 5)
    curve = _curve(contents, -4.0 * contents + 0.8 * contents * (1 - contents))
    (step,) = curve.steps
    assert (step.start, step.end) == (0, 1)
    assert step.voltage == pytest.approx(LITHIUM + 4.0)
    assert curve.stable.tolist() == [True, False, False, False, True]
    assert curve.above_hull == pytest.approx(0.8 * contents * (1 - contents))


def test_a_composition_on_the_line_between_two_others_is_stable_and_makes_no_step():
    curve = _curve([0, 0.5, 1], [0.0, -2.0, -4.0])
    assert curve.stable.all()
    assert len(curve.steps) == 1


@settings(max_examples=60, deadline=None)
@given(_ENERGIES)
def test_voltages_add_up_to_the_energy_between_the_end_members_and_never_rise(energies):
    contents = np.linspace(0, 1, len(energies))
    curve = _curve(contents, energies)
    total = sum((step.end - step.start) * step.voltage for step in curve.steps)
    assert total == pytest.approx(-(energies[-1] - energies[0] - LITHIUM))
    assert total == pytest.approx(curve.average().voltage)
    voltages = [step.voltage for step in curve.steps]
    assert all(later < earlier for earlier, later in pairwise(voltages))


@settings(max_examples=40, deadline=None)
@given(_ENERGIES, st.floats(-300, 300), st.floats(-300, 300))
def test_the_zero_of_an_elements_energy_changes_no_hull_and_no_voltage(energies, lithium, host):
    contents = np.linspace(0, 1, len(energies))
    curve = _curve(contents, energies)
    moved = _curve(contents, np.array(energies) + lithium * contents + host, lithium=LITHIUM + lithium)
    assert moved.formation_energies == pytest.approx(curve.formation_energies, abs=1e-9)
    assert moved.above_hull == pytest.approx(curve.above_hull, abs=1e-8)
    assert moved.average().voltage == pytest.approx(curve.average().voltage)


@given(st.permutations(range(6)))
def test_the_order_of_the_rows_does_not_matter(order):
    contents, energies = np.linspace(0, 1, 6), np.array([0.0, -1.1, -1.5, -2.6, -3.1, -4.0])
    shuffled = _curve(contents[list(order)], energies[list(order)])
    assert shuffled.steps == _curve(contents, energies).steps


def test_the_hull_is_the_largest_convex_function_below_the_points():
    rng = np.random.default_rng(3)
    contents, energies = np.sort(rng.random(40)), rng.normal(size=40)
    corners = lower_hull(contents, energies)
    slopes = np.diff(energies[corners]) / np.diff(contents[corners])
    assert (np.diff(slopes) > 0).all()
    assert (np.interp(contents, contents[corners], energies[corners]) <= energies + 1e-12).all()


def test_the_spread_is_that_of_the_members_own_hulls():
    """The second member has no stable composition between the end members."""
    members = np.array([[0.0, -2.2, -4.0], [0.0, -1.8, -4.0]])
    curve = _curve([0, 0.5, 1], members.T, "potential", lithium=0.0)
    assert curve.stable.tolist() == [True, True, True]  # on the line, on average
    third = np.array([0.0, -2.6, -4.0])
    curve = _curve([0, 0.5, 1], np.stack([*members, third], axis=1), "potential", lithium=0.0)
    first, second = curve.steps
    voltages = [[4.4, 3.6], [4.0, 4.0], [5.2, 2.8]]
    assert first.spread == pytest.approx(np.std([one[0] for one in voltages], ddof=1))
    assert second.spread == pytest.approx(np.std([one[1] for one in voltages], ddof=1))
    assert curve.average().spread == pytest.approx(0)
    assert [one["n_members_stable"] for one in curve.as_dict()["compositions"]] == [3, 2, 3]
    alone = [[step.voltage for step in member.steps] for member in curve.member_curves()]
    assert alone == [pytest.approx([4.4, 3.6]), pytest.approx([4.0]), pytest.approx([5.2, 2.8])]


def test_what_all_members_get_wrong_alike_is_no_spread():
    energies = np.array([0.0, -2.5, -4.0])
    curve = _curve([0, 0.5, 1], np.stack([energies, energies + 0.7], axis=1), "potential")
    assert [step.spread for step in curve.steps] == pytest.approx([0, 0], abs=1e-9)


def test_potential_and_dft_have_a_hull_each():
    states = [*_states([0, 0.5, 1], [[0, 0.1], [-2.3, -2.4], [-4, -4.1]], "potential"), *_states([0, 1], [-9.0, -12.9])]
    profiles = voltage_profiles(states, 0.0)
    assert [curve.source for curve in profiles.curves] == ["potential", "dft"]
    assert profiles.curves[1].average().voltage == pytest.approx(3.9)
    assert profiles.warnings == ()
    assert len(draw_matplotlib(profiles).axes) == 2


def test_dft_without_end_members_is_left_out_and_said_so():
    states = [*_states([0, 1], [[0, 0.1], [-4, -4.1]], "potential"), *_states([0.5, 1], [-2.3, -4.0])]
    profiles = voltage_profiles(states, 0.0)
    assert [curve.source for curve in profiles.curves] == ["potential"]
    assert profiles.warnings == ("The energies by DFT are left out of hull and voltages, as that at x = 0 is missing.",)


def test_lithium_by_other_pseudopotentials_is_noticed():
    (warning,) = voltage_profiles(_states([0, 1], [0.0, -205.0]), -1.9).warnings
    assert "203.1 V" in warning


def test_a_committee_of_one_is_said_so():
    (warning,) = voltage_profiles(_states([0, 1], [0.0, -4.0], "potential"), 0.0).warnings
    assert "one member" in warning


@pytest.mark.parametrize(
    ("contents", "end_members", "message"),
    [
        ([], (0, 1), "There are no energies"),
        ([0.5], (0, 1), "at the end member x = 0, 1 is missing, given is x = 0.5; add it."),
        ([0, 0.5], (0, 1), "x = 1 is missing, given is x = 0, 0.5; add it, or name other end members, such as 0,0.5."),
        ([0, 0.5, 0.5, 1], (0, 1), "x = 0.5 is given twice by DFT"),
        ([0, 0.5, 1.2], (0, 1), "x = 1.2 is not between the end members x = 0 and 1"),
        ([0, 1], (1, 0), "span no range"),
    ],
)
def test_contents_that_make_no_hull_are_refused(contents, end_members, message):
    with pytest.raises(InputError) as refused:
        voltage_profiles(_states(contents, np.zeros(len(contents))), 0.0, end_members)
    assert message in str(refused.value)


def test_committees_of_several_sizes_are_refused():
    states = [GroundStateEnergy(0, (0.0, 0.1), "potential"), GroundStateEnergy(1, (0.0, 0.1, 0.2), "potential")]
    with pytest.raises(InputError, match="have 2 and 3 members"):
        voltage_profiles(states, 0.0)


def test_cells_of_any_size_are_brought_to_one_formula_unit():
    cells = [
        CellEnergy(composition="Mn4P4O16", energy_ev=-40.0),
        CellEnergy(composition="Li8Mn16P16O64", energies_ev=(-240.0, -241.6)),
        CellEnergy(x=1, energy_ev=-72.0, formula_units=4),
    ]
    found = ground_state_energies(cells)
    assert [one.content for one in found] == [0, 0.5, 1]
    assert [one.energies for one in found] == [(-10.0,), (-15.0, -15.1), (-18.0,)]
    assert [one.source for one in found] == ["dft", "potential", "dft"]


def test_a_part_of_the_formula_unit_is_enough_where_metals_share_sites():
    (found,) = ground_state_energies([CellEnergy(composition="Li15Ni24Mn3Co3O60", energy_ev=-30.0)], "O2")
    assert (found.content, found.energies) == (0.5, (-1.0,))
    (whole,) = ground_state_energies([CellEnergy(composition="Li15Ni24Mn3Co3O60", energy_ev=-30.0)])
    assert whole.content == 5  # a formula unit of Ni8MnCoO20


@pytest.mark.parametrize(
    ("compositions", "formula_unit", "message"),
    [
        (["Mn4P4O16", "Li3Co3O6"], None, "Li3Co3O6 without lithium is CoO2 a formula unit, but Mn4P4O16 is MnO4P"),
        (["Ni24Mn3Co3O60", "Ni23Mn4Co3O60"], "O2", "compare cells of one host"),
        (["Li2Mn4P4O"], "MnPO4", "Li2Mn4P4O has no whole number of formula units MnPO4"),
        (["Li2Mn4P4O16"], "CoO2", "no whole number of formula units CoO2"),
        (["Li2"], None, "nothing but lithium"),
        (["Qz3"], None, "'Qz3' is no formula of a cell"),
        (["LiMnPO4"], "Li", "no whole number of formula units Li"),
    ],
)
def test_cells_that_do_not_belong_together_are_refused(compositions, formula_unit, message):
    with pytest.raises(InputError) as refused:
        ground_state_energies([CellEnergy(composition=one, energy_ev=0.0) for one in compositions], formula_unit)
    assert message in str(refused.value)
