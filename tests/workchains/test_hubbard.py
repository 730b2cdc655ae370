"""The decisions of self-consistent U and V, on process nodes made by hand; real runs are in tests/engine_runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida_pseudo.groups.family import PseudoPotentialFamily
from plumpy import ProcessState

from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.workchains.hubbard import HubbardWorkChain
from aiida_redoxmlp.workchains.hubbard_inputs import continued, tightened

POLARISED = (np.array([[0.98] * 5, [0.05] * 5]), np.array([[0.05] * 5, [0.3, 0.98, 0.98, 0.98, 0.98]]))
PARAMETERS = {
    "CONTROL": {"calculation": "scf"},
    "SYSTEM": {
        "nspin": 2,
        "occupations": "smearing",
        "smearing": "gaussian",
        "degauss": 0.005,
        "starting_magnetization": {"Mn1": 0.7},
        "starting_ns_eigenvalue": [[1, 1, "Mn1", 1.0]],
    },
    "ELECTRONS": {"conv_thr": 1e-8, "mixing_fixed_ns": 10},
}


@pytest.fixture
def family(pseudos):
    group, created = PseudoPotentialFamily.collection.get_or_create(label="made-up-hubbard")
    if created:
        group.add_nodes([pseudo.store() for pseudo in pseudos.values()])
    return group.label


@pytest.fixture
def lithium_first(demo_structure):
    """The demonstration with Li in front, as hp.x would refuse it."""
    atoms = demo_structure.get_ase()[[12, *range(12)]]
    onsite = [Interaction(site, "3d", site, "3d", (0, 0, 0), 4.5) for site in (1, 2)]
    return with_interactions(orm.StructureData(ase=atoms), onsite)


@pytest.fixture
def build(lithium_first, chemistry, family, aiida_code_installed):
    def builder(structure=None, *, protocol="demo", pattern=(2, 3), **overrides):
        return HubbardWorkChain.get_builder_from_protocol(
            pw_code=aiida_code_installed(
                label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true"
            ),
            hp_code=aiida_code_installed(
                label="hp", default_calc_job_plugin="redoxmlp.hp", filepath_executable="/bin/true"
            ),
            structure=structure or lithium_first,
            redox=chemistry,
            pseudo_family=family,
            pattern=list(pattern) if pattern else None,
            protocol=protocol,
            overrides={"scf": {"pw": {"SYSTEM": {"ecutwfc": 20.0}}}, **overrides},
        )

    return builder


@pytest.fixture
def process(build, monkeypatch):
    def instantiate(**overrides):
        inputs = build(**overrides)._inputs(prune=True)
        made = instantiate_process(get_manager().get_runner(), HubbardWorkChain, **inputs)
        submitted = []

        def submit(process_class, **inputs):
            submitted.append(inputs)
            node = orm.WorkChainNode(process_type=process_class.build_process_type())
            label = inputs["metadata"]["call_link_label"]
            node.base.links.add_incoming(made.node, link_type=LinkType.CALL_WORK, link_label=label)
            return node.store()

        monkeypatch.setattr(made, "submit", submit)
        made.setup()
        return made, submitted

    return instantiate


def end(node, outputs, exit_status=0):
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    for label, data in outputs.items():
        data.store()
        data.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    return node


def states_node(states, *, ambiguous=False):
    node = OxidationStatesData()
    for name, values in {"states": states, "naive_states": states, "moment_signs": [1, -1]}.items():
        node.set_array(name, np.array([values]))
    node.set_array("step_indices", np.array([0]))
    node.set_array("confidences", np.full((1, 2), 0.97))
    node.set_array("margins", np.array([9.0]))
    node.set_array("closed", np.array([True]))
    node.set_array("ambiguous", np.array([ambiguous]))
    node.base.attributes.set_many({"sites": [0, 1], "elements": ["Mn", "Mn"]})
    return node


@pytest.fixture
def ground_state(make_frame, aiida_localhost):
    def outputs(states, *, gap=2.0, magnetization=1.0, ambiguous=False):
        bands = orm.BandsData()
        bands.set_kpoints([[0.0, 0.0, 0.0]])
        bands.set_bands(np.array([[[0.0, gap]], [[0.0, gap]]]), occupations=np.array([[[1.0, 0.0]], [[1.0, 0.0]]]))
        return {
            "oxidation_states": states_node(states, ambiguous=ambiguous),
            "frames": DatasetData.from_frames([replace(make_frame(0, tuple(states)), eigenvalues=POLARISED)]),
            "output_band": bands,
            "output_parameters": orm.Dict({"total_magnetization": magnetization}),
            "remote_folder": orm.RemoteData(computer=aiida_localhost, remote_path="/scratch"),
        }

    return outputs


@pytest.fixture
def cycle(ground_state):
    """Run one cycle of a process up to the comparison."""

    def run(made, u, *, states=(2, 3)):
        assert made.should_cycle()
        made.ctx.scf = end(made.run_scf()["scf"], ground_state(states))
        assert made.inspect_scf() is None
        made.ctx.tight = end(made.run_tight_scf()["tight"], ground_state(states))
        assert made.inspect_tight_scf() is None
        structure = orm.load_node(made.ctx.structure_pk)
        made.ctx.hp = made.run_hp()["hp"]
        found = [
            Interaction(one.site, one.manifold, one.neighbour, one.neighbour_manifold, one.translation, value)
            for one, value in zip(interactions_of(structure), u, strict=True)
        ]
        kinds = [site.kind_name for site in structure.sites]
        end(made.ctx.hp, {"hubbard_structure": with_interactions(structure, found, kinds=kinds)})
        return made.inspect_hp()

    return run


def test_hubbard_atoms_come_first_and_the_pattern_follows_them(process):
    made, _ = process()
    structure = orm.load_node(made.ctx.structure_pk)
    assert [site.kind_name for site in structure.sites[:2]] == ["Mn1", "Mn2"]
    assert structure.get_ase().get_chemical_symbols()[-1] != "Mn"
    assert made.ctx.wanted == [2, 3]
    assert sorted(made.ctx.signs) == [-1, 1]


def test_without_a_pattern_the_first_that_closes_the_charge_is_taken(process):
    made, _ = process(pattern=None)
    assert sorted(made.ctx.wanted) == [2, 3]


def test_first_scf_is_seeded_and_later_ones_go_on_from_its_density(process, cycle):
    made, submitted = process()
    assert cycle(made, [4.0, 5.8]) is None
    first, tight, response = submitted
    assert "parent_folder" not in first["pw"]
    assert first["pw"].parameters["SYSTEM"]["starting_ns_eigenvalue"]
    assert tight["pw"].parameters["SYSTEM"]["occupations"] == "fixed"
    assert tight["pw"].parameters["SYSTEM"]["tot_magnetization"] == 1
    assert response["hp"]["hp"]["parent_scf"].pk == made.ctx.tight.outputs.remote_folder.pk

    assert made.should_cycle()
    made.run_scf()
    later = submitted[-1]["pw"]
    assert later.parent_folder.pk == made.ctx.tight.outputs.remote_folder.pk
    assert later.parameters["ELECTRONS"]["startingpot"] == "file"
    assert "starting_ns_eigenvalue" not in later.parameters["SYSTEM"]
    assert set(later.parameters["SYSTEM"]["starting_magnetization"]) == {"Mn1", "Mn2"}
    assert [one.value for one in interactions_of(later.structure)] == [4.0, 5.8]


def test_another_pattern_is_tried_again_from_scratch_with_a_stronger_seed(process, ground_state):
    made, submitted = process()
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([3, 2]))
    made.inspect_scf()
    assert made.should_attempt()
    made.run_scf()
    assert submitted[-1]["pw"].parameters["ELECTRONS"]["mixing_fixed_ns"] > 0
    assert submitted[-1]["metadata"]["call_link_label"] == "scf_1_2"
    assert not made.should_attempt()


def test_a_retry_in_a_later_cycle_leaves_the_density_that_led_astray(process, cycle, ground_state):
    made, submitted = process()
    cycle(made, [4.0, 5.8])
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([3, 2]))
    made.inspect_scf()
    first = submitted[-1]["pw"]
    made.run_scf()
    again = submitted[-1]["pw"]
    assert "parent_folder" in first
    assert "parent_folder" not in again
    assert "startingpot" not in again.parameters["ELECTRONS"]
    assert again.parameters["SYSTEM"]["starting_ns_eigenvalue"]
    assert [one.value for one in interactions_of(again.structure)] == [4.0, 5.8]


def test_a_doubtful_pattern_is_tried_again_too(process, ground_state):
    made, _ = process()
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([2, 3], ambiguous=True))
    made.inspect_scf()
    assert made.should_attempt()


@pytest.mark.parametrize("reaction", ["report", "refuse"])
def test_a_pattern_that_changed_is_reported_or_refused(process, ground_state, reaction):
    made, _ = process(on_pattern_change=reaction, max_attempts=1)
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([3, 2]))
    made.inspect_scf()
    answer = made.run_tight_scf()
    if reaction == "report":
        assert "tight" in answer
    else:
        assert answer.status == 420
        assert "[3, 2] instead of [2, 3]" in answer.message


@pytest.mark.parametrize("reaction", ["report", "refuse"])
def test_a_pattern_that_changes_in_the_second_scf_counts_too(process, ground_state, reaction):
    made, _ = process(on_pattern_change=reaction)
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([2, 3]))
    made.inspect_scf()
    made.ctx.tight = end(made.run_tight_scf()["tight"], ground_state([3, 2]))
    answer = made.inspect_tight_scf()
    assert made.ctx.found == [3, 2]
    assert (answer.status if answer else None) == {"report": None, "refuse": 420}[reaction]


@pytest.mark.parametrize("part", ["scf", "tight"])
def test_a_ground_state_without_occupations_is_refused(process, ground_state, part):
    made, _ = process()
    made.should_cycle()
    outputs = ground_state([2, 3])
    del outputs["oxidation_states"]
    made.ctx[part] = end(made._submit_pw("scf", part), outputs)
    refused = {"scf": made.inspect_scf, "tight": made.inspect_tight_scf}[part]()
    assert refused.status == 310
    assert "cycle 1" in refused.message


def test_a_changed_pattern_is_in_the_record_and_wanted_from_then_on(process, cycle):
    made, _ = process(max_attempts=1)
    cycle(made, [4.0, 5.8], states=(3, 2))
    assert orm.load_node(made.ctx.cycle_pks[0])["pattern_changed"]
    assert made.ctx.wanted == [3, 2]


def test_a_metal_where_fixed_occupations_were_asked_is_refused(process, ground_state):
    made, _ = process(insulator=True)
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([2, 3], gap=0.01))
    made.inspect_scf()
    refused = made.run_tight_scf()
    assert refused.status == 320
    assert "the gap is 0.01 eV" in refused.message


def test_a_fraction_of_a_moment_is_a_metal_where_fixed_occupations_were_asked(process, ground_state):
    made, _ = process(insulator=True)
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([2, 3], magnetization=1.4))
    made.inspect_scf()
    refused = made.run_tight_scf()
    assert refused.status == 320
    assert "1.40 μB, is not a whole number" in refused.message


def test_an_insulator_keeps_its_smearing_where_that_was_asked(process, ground_state):
    made, submitted = process(insulator=False)
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([2, 3]))
    made.inspect_scf()
    made.run_tight_scf()
    assert submitted[-1]["pw"].parameters["SYSTEM"]["occupations"] == "smearing"


def test_a_metal_keeps_its_smearing(process, ground_state):
    made, submitted = process()
    made.should_cycle()
    made.ctx.scf = end(made.run_scf()["scf"], ground_state([2, 3], gap=0.01))
    made.inspect_scf()
    made.run_tight_scf()
    assert submitted[-1]["pw"].parameters["SYSTEM"]["occupations"] == "smearing"
    assert submitted[-1]["pw"].parameters["ELECTRONS"]["conv_thr"] < 1e-8


def test_it_ends_when_u_agrees_with_what_it_was_computed_with(process, cycle):
    made, _ = process(max_cycles=5)
    cycle(made, [4.2, 5.75])
    assert not made.ctx.converged
    cycle(made, [4.15, 5.8])
    assert made.ctx.converged
    assert not made.should_cycle()
    assert made.results() is None
    content = made.outputs["cycles"].get_dict()
    assert content["converged"]
    assert content["cycles"][-1]["sites"] == [1, 2]  # the user has Li first
    handed_back = made.outputs["hubbard_structure"]
    assert handed_back.get_ase().get_chemical_symbols() == ["Li", "Mn", "Mn", *"POOOOPOOOO"]
    assert [(one.site, one.value) for one in interactions_of(handed_back)] == [(1, 4.15), (2, 5.8)]


def test_unsettled_values_are_handed_over_with_an_exit_code(process, cycle):
    made, _ = process(max_cycles=1, must_converge=True)
    cycle(made, [4.2, 5.75])
    assert made.results().status == 410
    assert "hubbard_structure" in made.outputs


def test_unsettled_values_are_no_failure_where_they_need_not_settle(process, cycle):
    made, _ = process(max_cycles=1, must_converge=False)
    cycle(made, [4.2, 5.75])
    assert made.results() is None
    assert made.outputs["cycles"]["converged"] is False


def test_values_that_run_in_a_circle_are_mixed(process, cycle):
    made, _ = process(max_cycles=6)
    for u in ([4.0, 5.0], [4.0, 6.0], [4.0, 5.0]):
        cycle(made, u)
    assert made.ctx.mixing == 0.5
    assert orm.load_node(made.ctx.cycle_pks[-1])["mixing"] == 0.5
    assert [one.value for one in interactions_of(orm.load_node(made.ctx.structure_pk))] == [4.0, 5.5]


def test_sites_of_one_kind_that_end_in_different_states_are_refused_without_relabelling(process, cycle):
    made, _ = process(relabel=False)
    structure = orm.load_node(made.ctx.structure_pk)
    one_kind = [site.kind_name.rstrip("12") for site in structure.sites]
    made.ctx.structure_pk = with_interactions(structure, interactions_of(structure), kinds=one_kind).store().pk
    refused = cycle(made, [4.0, 5.8])
    assert refused.status == 330
    assert "+2 and +3" in refused.message


@pytest.mark.parametrize(("calculation", "goes_on"), [("relax", True), ("vc-relax", False)])
def test_a_relaxed_geometry_is_taken_over_and_its_density_unless_the_cell_changed(
    process, ground_state, calculation, goes_on
):
    made, submitted = process(relax={"pw": {"CONTROL": {"calculation": calculation}}})
    made.should_cycle()
    assert made.should_relax()
    before = orm.load_node(made.ctx.structure_pk)
    moved = before.get_ase()
    moved.positions[0] += [0.05, 0.0, 0.0]
    outputs = {**ground_state([2, 3]), "output_structure": orm.StructureData(ase=moved)}
    made.ctx.relax = end(made.run_relax()["relax"], outputs)
    assert submitted[-1]["pw"].parameters["CONTROL"]["calculation"] == calculation
    assert made.inspect_relax() is None
    made.run_scf()
    scf = submitted[-1]["pw"]
    np.testing.assert_allclose(scf.structure.get_ase().positions, moved.positions, atol=1e-6)
    assert interactions_of(scf.structure) == interactions_of(before)
    assert scf.structure.get_site_kindnames() == before.get_site_kindnames()
    assert ("parent_folder" in scf) is goes_on
    assert ("starting_ns_eigenvalue" in scf.parameters["SYSTEM"]) is not goes_on


def test_a_failed_relaxation_ends_the_work_chain(process):
    made, _ = process(relax={})
    made.should_cycle()
    made.ctx.relax = end(made.run_relax()["relax"], {}, exit_status=401)
    assert made.inspect_relax().status == 300


@pytest.mark.parametrize(("part", "status"), [("scf", 301), ("tight", 301), ("hp", 302)])
def test_a_failed_part_ends_the_work_chain_with_its_own_code(process, ground_state, part, status):
    made, _ = process()
    made.should_cycle()
    node = made._submit_pw("scf", part)
    node.set_exit_message("no luck")
    end(node, {}, exit_status=300)
    made.ctx[part] = node
    refused = {"scf": made.inspect_scf, "tight": made.inspect_tight_scf, "hp": made.inspect_hp}[part]()
    assert refused.status == status
    assert "no luck" in refused.message


@pytest.mark.parametrize("protocol", ["fast", "balanced", "stringent", "demo"])
def test_every_protocol_gives_a_builder(build, protocol):
    builder = build(protocol=protocol)
    order = ["demo", "fast", "balanced", "stringent"]
    looser = [build(protocol=name).tight_conv_thr.value for name in order[: order.index(protocol)]]
    assert all(builder.tight_conv_thr.value <= one for one in looser)
    assert HubbardWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None


def test_relaxation_distorts_first_and_relaxes_every_cycle(build):
    builder = build(relax={})
    assert builder.relax.pw.parameters["CONTROL"]["calculation"] == "relax"
    assert builder.seed["pre_distortion"] == 1.0


def test_bad_input_is_refused_before_submission(build, lithium_first):
    bare = with_interactions(lithium_first, [])
    pairs = [
        *interactions_of(lithium_first),
        *(Interaction(1, "3d", 4, "2p", shift, 0.5) for shift in ((0, 0, 0), (-1, 0, 0))),
    ]
    far = [*interactions_of(lithium_first), Interaction(1, "3d", 4, "2p", (2, 0, 0), 0.5)]
    for structure, changes, says in (
        (bare, {}, "has no Hubbard manifold"),
        (with_interactions(lithium_first, pairs), {}, "1×1×1 is a supercell in which 2 pairs"),
        (with_interactions(lithium_first, far), {}, "3×3×3 supercell"),
        (lithium_first, {"pattern": [2, 2]}, "total charge"),
        (lithium_first, {"on_pattern_change": "ignore"}, "choose one of report, refuse"),
        (lithium_first, {"insulator": "maybe"}, "choose one of auto, true, false"),
        (lithium_first, {"max_cycles": 0}, "max_cycles is 0; give a number from 1"),
        (lithium_first, {"max_attempts": 0}, "max_attempts is 0; give a number from 1"),
    ):
        with pytest.raises(ValueError, match=says):
            instantiate_process(
                get_manager().get_runner(), HubbardWorkChain, **build(structure, **changes)._inputs(prune=True)
            )


def test_continued_run_starts_from_files_without_seeds():
    changed = continued(PARAMETERS)
    assert changed["ELECTRONS"] == {"conv_thr": 1e-8, "startingpot": "file", "startingwfc": "file"}
    assert "starting_ns_eigenvalue" not in changed["SYSTEM"]
    assert changed["SYSTEM"]["starting_magnetization"] == {"Mn1": 0.7}


def test_tight_run_of_an_insulator_fixes_occupations_and_magnetisation():
    electrons = {"total_magnetization": 0.998, "number_of_bands": 40}
    system = tightened(PARAMETERS, electrons, insulator=True, conv_thr=1e-12)["SYSTEM"]
    assert system == {"nspin": 2, "occupations": "fixed", "tot_magnetization": 1, "nbnd": 40}
    metal = tightened(PARAMETERS, electrons, insulator=False, conv_thr=1e-12)
    assert metal["SYSTEM"]["smearing"] == "gaussian"
    assert metal["ELECTRONS"]["conv_thr"] == 1e-12
