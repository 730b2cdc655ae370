from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from aiida_quantumespresso.utils.hubbard import HubbardUtils

from aiida_redoxmlp.calculations.hubbard import (
    close_cycle,
    collect_cycles,
    interactions_of,
    order_for_hp,
    restore_order,
    seed_from_labels,
    with_interactions,
)
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.labelling import frames_from_steps
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.pw_output import read_pw_output

PW = Path(__file__).parents[1] / "fixtures" / "pw"
SETTINGS = {
    "cycle": 1,
    "relabel": True,
    "kind_tolerance": 0.1,
    "mixing": 1.0,
    "pattern_changed": False,
    "occupations": "fixed",
    "scf_uuid": "an-scf",
    "hp_uuid": "an-hp",
}
ELECTRONS = {"gap": 2.1, "total_magnetization": 1.0, "number_of_bands": 70}


def _sites(structure):
    return [(site.kind_name, *np.round(site.position, 9).tolist()) for site in structure.sites]


def _with_values(structure, values):
    """The structure with other values, as hp.x's parser returns it."""
    return with_interactions(
        structure, [replace(one, value=value) for one, value in zip(interactions_of(structure), values, strict=True)]
    )


def _close(structure, found, states, order=None, **settings):
    order = list(range(len(structure.sites))) if order is None else order
    closed = close_cycle(structure, found, states, orm.Dict(ELECTRONS), orm.List(order), orm.Dict(SETTINGS | settings))
    return closed["structure"], closed["cycle"].get_dict()


@pytest.mark.parametrize("name", ["licoo2", "limnpo4"])
def test_ordering_for_hp_and_handing_back_is_the_identity(name, request):
    structure = request.getfixturevalue(name)
    ordered = order_for_hp(structure)
    assert HubbardUtils(structure).is_to_reorder()
    assert not HubbardUtils(ordered["structure"]).is_to_reorder()
    back = restore_order(ordered["structure"], ordered["order"])
    assert _sites(back) == _sites(structure)
    assert back.hubbard == structure.hubbard
    assert back.cell == structure.cell


def test_the_ordered_structure_has_the_same_bonds(licoo2):
    ordered = order_for_hp(licoo2)["structure"]
    assert ordered.get_site_kindnames() == ["Co", "O", "O", "Li"]
    atoms = ordered.get_ase()
    for one in interactions_of(ordered)[1:]:
        image = atoms.positions[one.neighbour] + np.array(one.translation) @ atoms.cell.array
        assert np.linalg.norm(image - atoms.positions[one.site]) == pytest.approx(1.92, abs=0.01)


def test_a_cycle_splits_sites_by_state_and_keeps_the_record_in_the_users_order(limnpo4, make_states):
    """U of Mn2+ and Mn3+ as hp.x found them in this material; Mn1 comes second in the user's structure."""
    ordered = order_for_hp(limnpo4)
    structure, order = ordered["structure"], ordered["order"].get_list()
    found = _with_values(structure, [3.95, 5.86, *[0.4] * 12])
    following, cycle = _close(structure, found, make_states([0, 1], [2, 3], [1, -1]), order)
    assert (cycle["sites"], cycle["elements"], cycle["manifolds"]) == ([1, 2], ["Mn", "Mn"], ["3d", "3d"])
    assert (cycle["u_in"], cycle["u_out"]) == ([4.5, 4.5], [3.95, 5.86])
    assert (cycle["kinds"], cycle["new_kinds"]) == (["Mn1", "Mn2"], ["Mn1", "Mn2"])
    assert cycle["change_u"] == pytest.approx(1.36)
    assert cycle["change_v"] == pytest.approx(0.1)
    assert cycle["oxidation_states"] == {
        "sites": [1, 2],
        "states": [2, 3],
        "confidences": [0.99, 0.99],
        "moment_signs": [1, -1],
        "ambiguous": False,
    }
    assert (cycle["gap"], cycle["occupations"], cycle["scf_uuid"]) == (2.1, "fixed", "an-scf")
    user = limnpo4.get_ase()
    assert Counter(pair["site"] for pair in cycle["pairs"]) == {1: 6, 2: 6}
    for pair in cycle["pairs"]:
        image = user.positions[pair["neighbour"]] + np.array(pair["translation"]) @ user.cell.array
        assert np.linalg.norm(image - user.positions[pair["site"]]) == pytest.approx(pair["distance"])
        assert (pair["manifolds"], pair["v_in"], pair["v_out"]) == (["3d", "2p"], 0.5, 0.4)
    assert [one.value for one in interactions_of(following)[:2]] == [3.95, 5.86]


def _four_nickel(signs, kinds):
    """Four Ni in a row with an O each, one U on all of them."""
    structure = orm.StructureData(cell=np.diag([12.0, 4.0, 4.0]).tolist())
    for n, kind in enumerate(kinds):
        structure.append_atom(symbols="Ni", name=kind, position=(3.0 * n, 0.0, 0.0))
    for n in range(4):
        structure.append_atom(symbols="O", position=(3.0 * n, 2.0, 0.0))
    return with_interactions(structure, [Interaction(n, "3d", n, "3d", (0, 0, 0), 5.0) for n in range(4)])


def test_a_relabelled_structure_is_still_in_the_order_of_hp(make_states, aiida_profile):
    """Kinds that alternate along the atoms need no new order, so one order serves all cycles."""
    signs = [1, -1, 1, -1]
    structure = _four_nickel(signs, ["Ni1", "Ni2", "Ni3", "Ni4"])
    found = _with_values(structure, [6.0, 6.02, 6.04, 6.02])
    following, cycle = _close(structure, found, make_states(range(4), [2] * 4, signs))
    assert cycle["new_kinds"] == ["Ni1", "Ni2", "Ni1", "Ni2"]
    assert order_for_hp(following)["order"].get_list() == list(range(8))
    again, second = _close(following, _with_values(following, [6.1] * 4), make_states(range(4), [2] * 4, signs))
    assert second["kinds"] == second["new_kinds"] == ["Ni1", "Ni2", "Ni1", "Ni2"]
    assert [one.value for one in interactions_of(again)] == [pytest.approx(6.1)] * 4


def test_pw_reads_one_u_a_kind(make_states, aiida_profile):
    """The HUBBARD card leaves out identical lines only: a kind with two different U would have the last of them."""
    structure = _four_nickel([1] * 4, ["Ni1", "Ni2", "Ni3", "Ni4"])
    found = _with_values(structure, [6.0, 6.05, 7.0, 7.08])
    following, _ = _close(structure, found, make_states(range(4), [2] * 4, [1] * 4))
    card = [line.split() for line in HubbardUtils(following).get_hubbard_card().splitlines()[1:]]
    assert [(key, manifold, pytest.approx(float(value))) for key, manifold, value in card] == [
        ("U", "Ni1-3d", 6.025),
        ("U", "Ni2-3d", 7.04),
    ]


def test_the_spread_within_a_kind_is_no_change(make_states, aiida_profile):
    """Otherwise a tolerance below the spread would never be met, though every SCF had the same U as the last."""
    structure = _four_nickel([1] * 4, ["Ni1", "Ni2", "Ni3", "Ni4"])
    states = make_states(range(4), [2] * 4, [1] * 4)
    found = [6.0, 6.02, 6.04, 6.06]
    following, _ = _close(structure, _with_values(structure, found), states)
    _, second = _close(following, _with_values(following, found), states)
    assert second["u_in"] == [pytest.approx(6.03)] * 4
    assert second["change_u"] == pytest.approx(0.0, abs=1e-12)


def test_without_relabelling_kinds_stay(make_states, aiida_profile):
    structure = _four_nickel([1] * 4, ["Ni1", "Ni1", "Ni2", "Ni2"])
    found = _with_values(structure, [6.0, 6.4, 7.0, 7.0])
    following, cycle = _close(structure, found, make_states(range(4), [2] * 4, [1] * 4), relabel=False)
    assert following.get_site_kindnames()[:4] == cycle["new_kinds"] == ["Ni1", "Ni1", "Ni2", "Ni2"]
    assert [one.value for one in interactions_of(following)] == pytest.approx([6.2, 6.2, 7.0, 7.0])


def test_mixing_takes_a_share_of_the_new_values_and_reports_the_whole_change(limnpo4, make_states):
    structure = order_for_hp(limnpo4)["structure"]
    found = _with_values(structure, [5.5, 6.5, *[0.3] * 12])
    following, cycle = _close(structure, found, make_states([0, 1], [2, 3], [1, -1]), mixing=0.5)
    assert [one.value for one in interactions_of(following)[:3]] == pytest.approx([5.0, 5.5, 0.4])
    assert (cycle["u_out"], cycle["mixing"]) == ([5.5, 6.5], 0.5)
    assert (cycle["change_u"], cycle["change_v"]) == (pytest.approx(2.0), pytest.approx(0.2))


def test_more_sites_than_kinds_get_by_with_a_wider_tolerance(make_states, aiida_profile):
    structure = orm.StructureData(cell=np.diag([36.0, 4.0, 4.0]).tolist())
    for n in range(12):
        structure.append_atom(symbols="Ni", name="Ni", position=(3.0 * n, 0.0, 0.0))
    structure = with_interactions(structure, [Interaction(n, "3d", n, "3d", (0, 0, 0), 5.0) for n in range(12)])
    found = _with_values(structure, [5.0 + 0.2 * n for n in range(12)])
    following, cycle = _close(structure, found, make_states(range(12), [2] * 12, [1] * 12))
    assert len(following.kinds) <= 10
    assert cycle["kind_tolerance"] > SETTINGS["kind_tolerance"]


def _record(number, u, v=0.5, *, u_in=(4.5, 4.5), v_in=0.5):
    """What the verdict needs of the record of a cycle."""
    return {
        "cycle": number,
        "u_out": list(u),
        "pairs": [{"v_out": v}],
        "change_u": max(abs(after - before) for before, after in zip(u_in, u, strict=True)),
        "change_v": abs(v - v_in),
    }


def _collect(records):
    cycles = {f"cycle_{one['cycle']}": orm.Dict(one) for one in records}
    return collect_cycles(orm.Float(0.1), orm.Float(0.02), **cycles).get_dict()


def test_small_changes_of_the_last_cycle_are_convergence(aiida_profile):
    collected = _collect([_record(1, [3.9, 5.9]), _record(2, [4.55, 4.45])])
    assert collected["converged"] is True
    assert collected["limit_cycle"] is None
    assert (collected["tolerance_u"], collected["tolerance_v"]) == (0.1, 0.02)
    assert collected["reason"] == "the last cycle changed U by 0.050 eV and V by 0.000 eV."


def test_v_alone_can_prevent_convergence(aiida_profile):
    assert _collect([_record(1, [4.5, 4.5], v=0.53)])["converged"] is False


def test_a_circle_is_named_in_the_verdict(aiida_profile):
    records = [_record(1, [3.9, 5.9]), _record(2, [4.3, 5.2]), _record(3, [3.92, 5.88])]
    collected = _collect(records)
    assert (collected["converged"], collected["limit_cycle"]) == (False, 2)
    assert "come back every 2 cycles" in collected["reason"]


def test_more_than_nine_cycles_stay_in_order(aiida_profile):
    one = _record(1, [3.9, 5.9])
    numbers = [cycle["cycle"] for cycle in _collect([one | {"cycle": n} for n in range(1, 12)])["cycles"]]
    assert numbers == list(range(1, 12))


@pytest.fixture
def labels(aiida_profile):
    """What pw.x printed of an antiferromagnetic Mn2+ and Mn3+ in β-Li0.5MnPO4."""
    steps = read_pw_output(PW / "scf_afm" / "pw.out").steps
    labelled = frames_from_steps(steps, total_charge=0, table=RedoxTable.default())
    return DatasetData.from_frames(labelled.frames)


def test_the_next_scf_starts_from_the_occupations_just_found(demo_structure, labels):
    structure = with_interactions(
        demo_structure, interactions_of(demo_structure), kinds=["Mn1", "Mn2", *demo_structure.get_site_kindnames()[2:]]
    )
    system = seed_from_labels(structure, labels, orm.Dict({"Mn": 7.0})).get_dict()["SYSTEM"]
    assert "nspin" not in system
    seeded = {(kind, spin, m): value for m, spin, kind, value in system["starting_ns_eigenvalue"]}
    assert len(seeded) == len(system["starting_ns_eigenvalue"]) == 20
    for kind, found in zip(("Mn1", "Mn2"), labels.frames[-1].eigenvalues, strict=True):
        for spin in (1, 2):
            assert [seeded[kind, spin, m] for m in range(1, 6)] == pytest.approx(found[spin - 1].tolist())
        sign = 1 if kind == "Mn1" else -1
        moment = sign * (found[0].sum() - found[1].sum())
        assert 3.0 < moment < 5.0
        assert system["starting_magnetization"][kind] == pytest.approx(sign * moment / 7)


def test_sites_of_a_kind_start_from_their_mean(demo_structure, make_frame):
    channels = (np.array([[0.9] * 5, [0.1] * 5]), np.array([[0.7] * 5, [0.1] * 5]))
    frames = DatasetData.from_frames([replace(make_frame(0, (2, 2)), eigenvalues=channels)])
    system = seed_from_labels(demo_structure, frames, orm.Dict({"Mn": 7.0})).get_dict()["SYSTEM"]
    assert {tuple(entry[1:3]) for entry in system["starting_ns_eigenvalue"]} == {(1, "Mn"), (2, "Mn")}
    assert {round(entry[3], 9) for entry in system["starting_ns_eigenvalue"]} == {0.8, 0.1}
    assert system["starting_magnetization"] == pytest.approx({"Mn": 3.5 / 7})


def test_occupations_without_moments_start_without_spin(demo_structure, make_frame):
    channels = (np.array([[0.2, 0.4, 0.9, 0.9, 0.9]] * 2),) * 2
    frames = DatasetData.from_frames([replace(make_frame(0), eigenvalues=channels)])
    system = seed_from_labels(demo_structure, frames, orm.Dict({"Mn": 7.0})).get_dict()["SYSTEM"]
    assert system["nspin"] == 1
    assert "starting_magnetization" not in system
    assert [entry[1] for entry in system["starting_ns_eigenvalue"]] == [1] * 5


def test_interactions_that_linear_response_does_not_give_are_refused(demo_structure):
    demo_structure.append_hubbard_parameter(0, "3d", 0, "3d", 0.8, hubbard_type="J0")
    with pytest.raises(InputError, match="has J0 in the dudarev formulation, but only U and V"):
        interactions_of(demo_structure)


def test_projectors_follow_the_structure(demo_structure):
    hubbard = demo_structure.hubbard
    hubbard.projectors = "atomic"
    structure = HubbardStructureData.from_structure(demo_structure, hubbard)
    assert order_for_hp(structure)["structure"].hubbard.projectors == "atomic"


def test_the_example_of_a_hubbard_card_is_what_pw_takes(licoo2):
    """With V, U is written as V of an atom with itself, and neighbours by their number in the 3×3×3 supercell."""
    card = HubbardUtils(order_for_hp(licoo2)["structure"]).get_hubbard_card().splitlines()
    assert card[1].split() == ["V", "Co-3d", "Co-3d", "1", "1", "5.0"]
    assert len(card) == 1 + 1 + 6
    assert all(1 < int(line.split()[4]) <= 27 * 4 for line in card[2:])
