"""A campaign whose labels were made by hand: what fails is left out, and said."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import WorkflowFactory
from aiida_pseudo.groups.family import PseudoPotentialFamily
from plumpy import ProcessState

from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.workchains.campaign import CampaignWorkChain
from aiida_redoxmlp.workchains.hubbard import HubbardWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain
from aiida_redoxmlp.workchains.protocols import read_protocol
from aiida_redoxmlp.workchains.train import TrainWorkChain


@pytest.fixture
def family(pseudos):
    group, created = PseudoPotentialFamily.collection.get_or_create(label="made-up")
    if created:
        group.add_nodes([pseudo.store() for pseudo in pseudos.values()])
    return group.label


@pytest.fixture
def build(demo_structure, chemistry, family, aiida_code_installed):
    def builder(**overrides):
        return CampaignWorkChain.get_builder_from_protocol(
            pw_code=aiida_code_installed(
                label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true"
            ),
            runner_code=aiida_code_installed(label="runner", filepath_executable="/bin/true"),
            structure=demo_structure,
            redox=chemistry,
            pseudo_family=family,
            protocol="demo",
            overrides=overrides,
        )

    return builder


@pytest.fixture
def campaign(build):
    process = instantiate_process(get_manager().get_runner(), CampaignWorkChain, **build()._inputs(prune=True))
    process.start()
    process.setup()
    return process


@pytest.fixture
def add_label(campaign, make_frame, demo_structure):
    def add(stage, states, *, exit_status=0, ambiguous=False, n_frames=5):
        number = len(campaign.ctx[f"labels_{stage}"])
        node = orm.WorkChainNode(process_type=LabelWorkChain.build_process_type())
        node.base.links.add_incoming(campaign.node, link_type=LinkType.CALL_WORK, link_label=f"{stage}_{number}")
        node.store()
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(exit_status)
        frames = [make_frame(step, tuple(states), group=f"{stage}{number}") for step in range(n_frames)]
        outputs = {
            "frames": DatasetData.from_frames(frames),
            "verdict": orm.Dict({"wanted": states, "found": states, "landed": True, "ambiguous": ambiguous}),
            "structure": orm.StructureData(ase=demo_structure.get_ase()),
        }
        for label, data in ({} if exit_status else outputs).items():
            data.store()
            data.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
        campaign.ctx[f"labels_{stage}"].append(node)

    return add


def test_every_pattern_is_labelled_and_no_more_at_a_time_than_allowed(campaign):
    assert sorted(campaign.ctx.relaxations) == [[2, 3], [3, 2]]
    assert campaign._take("relaxations") == [[2, 3], [3, 2]]
    assert not campaign.relaxations_left()


def test_failed_label_never_reaches_the_dataset(campaign, add_label):
    add_label("relax", [2, 3])
    add_label("relax", [3, 2], exit_status=300)
    assert campaign.gather() is None
    frames = campaign.outputs["dataset"].frames
    assert {frame.pattern.states for frame in frames} == {(2, 3)}
    assert len(frames) == 5
    logged = orm.Log.collection.get_logs_for(campaign.node)
    assert any("1 of 2 labels failed" in entry.message for entry in logged)


def test_without_a_single_label_the_campaign_ends(campaign, add_label):
    add_label("relax", [2, 3], exit_status=300)
    assert campaign.gather().status == CampaignWorkChain.exit_codes.ERROR_NO_LABELS.status


def test_held_out_frames_have_every_pattern_and_the_split_is_an_output(campaign, add_label):
    for states in ([2, 3], [3, 2]):
        add_label("relax", states)
    assert campaign.gather() is None
    test = campaign.outputs["test_dataset"].frames
    assert {frame.pattern.states for frame in test} == {(2, 3), (3, 2)}
    assert campaign.outputs["split"]["n_test"] == len(test)
    logged = " ".join(entry.message for entry in orm.Log.collection.get_logs_for(campaign.node))
    assert "too few trajectories of (2,3) and (3,2)" in logged


def test_labels_too_few_to_test_end_the_campaign_before_training(campaign, add_label):
    add_label("relax", [2, 3], n_frames=1)
    refused = campaign.gather()
    assert refused.status == CampaignWorkChain.exit_codes.ERROR_NOTHING_TO_TEST.status
    assert "None of the 1 frames can be held out" in refused.message


def test_dynamics_start_only_from_sure_relaxations(campaign, add_label):
    add_label("relax", [2, 3])
    add_label("relax", [3, 2], ambiguous=True)
    assert campaign.wants_md()
    campaign.prepare_md()
    ((states, pk),) = campaign.ctx.md_starts
    assert states == [2, 3]
    assert len(orm.load_node(pk).hubbard.parameters) == 2


def test_protocol_is_remembered_and_decides_the_settings(build):
    builder = build(molecular_dynamics=False)
    assert read_protocol(builder.metadata.description) == "demo"
    assert builder.relax.pw.pw.parameters["CONTROL"]["calculation"] == "relax"
    assert builder.search.check.pw.pw.parameters["CONTROL"]["calculation"] == "scf"
    assert builder.relax.seed["pre_distortion"] == 1.0
    assert builder.search.check.seed["pre_distortion"] == 0.0
    assert builder.train.job.settings["encoding"] == "species"
    assert builder.baseline.job.settings["encoding"] == "none"
    assert builder.baseline.job.settings["seeds"] == [1, 2, 3]
    assert builder.relax.pw.accept_partial_relaxation.value is True


def test_training_and_committee_are_laid_over_their_protocol(build):
    builder = build(training={"seeds": [7, 8], "patience": 5}, committee={"members_per_job": 1, "max_restarts": 2})
    for namespace in ("train", "baseline"):
        settings = builder[namespace].job.settings
        assert (settings["seeds"], settings["patience"], settings["max_epochs"]) == ([7, 8], 5, 60)
        assert builder[namespace].members_per_job.value == 1
        assert builder[namespace].max_iterations.value == 3
    with pytest.raises(InputError, match="'members' of the workflow train is not known"):
        build(committee={"members": 1})


def test_both_committees_are_trained_on_the_training_frames(campaign, add_label, monkeypatch):
    for states in ([2, 3], [3, 2]):
        add_label("relax", states)
    campaign.gather()
    submitted = []
    monkeypatch.setattr(campaign, "submit", lambda kind, **inputs: submitted.append((kind, inputs)) or campaign.node)
    campaign.run_training()
    assert [kind for kind, _ in submitted] == [TrainWorkChain, TrainWorkChain]
    assert [inputs["metadata"]["call_link_label"] for _, inputs in submitted] == ["train", "baseline"]
    assert {inputs["job"]["dataset"].pk for _, inputs in submitted} == {campaign.ctx.training_pk}
    for kind, inputs in submitted:
        assert kind.spec().inputs.validate(inputs) is None


def test_unknown_setting_of_a_label_is_refused(build):
    with pytest.raises(InputError, match="'nstep' of the workflow label is not known"):
        build(label={"nstep": 3})


def test_work_chains_load_by_entry_point():
    assert WorkflowFactory("redoxmlp.campaign") is CampaignWorkChain
    assert WorkflowFactory("redoxmlp.label") is LabelWorkChain


@pytest.fixture
def with_hubbard(demo_structure, chemistry, family, aiida_code_installed):
    codes = {
        "pw_code": ("pw", "quantumespresso.pw"),
        "hp_code": ("hp", "redoxmlp.hp"),
        "runner_code": ("runner", None),
    }
    builder = CampaignWorkChain.get_builder_from_protocol(
        **{
            name: aiida_code_installed(label=label, default_calc_job_plugin=plugin, filepath_executable="/bin/true")
            for name, (label, plugin) in codes.items()
        },
        structure=demo_structure,
        redox=chemistry,
        pseudo_family=family,
        protocol="demo",
    )
    process = instantiate_process(get_manager().get_runner(), CampaignWorkChain, **builder._inputs(prune=True))
    process.start()
    return process


def hubbard_ended(process, structure, values, exit_status=0):
    node = orm.WorkChainNode(process_type=HubbardWorkChain.build_process_type())
    node.base.links.add_incoming(process.node, link_type=LinkType.CALL_WORK, link_label="hubbard")
    node.store()
    onsite = [Interaction(site, "3d", site, "3d", (0, 0, 0), value) for site, value in enumerate(values)]
    found = with_interactions(structure, onsite).store()
    found.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label="hubbard_structure")
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    node.set_exit_message("it did not end well")
    return node


@pytest.mark.parametrize("exit_status", [0, 410])
def test_labels_take_the_mean_u_of_an_element_even_if_it_has_not_quite_settled(
    with_hubbard, demo_structure, exit_status
):
    assert with_hubbard.wants_hubbard()
    with_hubbard.ctx.hubbard = hubbard_ended(with_hubbard, demo_structure, [4.2, 5.8], exit_status)
    assert with_hubbard.inspect_hubbard() is None
    assert [one.value for one in interactions_of(with_hubbard._structure)] == [5.0, 5.0]
    assert [one.value for one in interactions_of(with_hubbard.outputs["hubbard_structure"])] == [4.2, 5.8]


def test_campaign_without_u_ends(with_hubbard, demo_structure):
    with_hubbard.ctx.hubbard = hubbard_ended(with_hubbard, demo_structure, [4.2, 5.8], 302)
    refused = with_hubbard.inspect_hubbard()
    assert refused.status == 305
    assert "it did not end well" in refused.message


def test_campaign_without_hp_uses_u_as_it_is_given(campaign, demo_structure):
    assert not campaign.wants_hubbard()
    assert campaign._structure.uuid == demo_structure.uuid
