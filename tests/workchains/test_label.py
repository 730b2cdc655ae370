"""The decisions of the label work chain, on process nodes made by hand; real pw.x runs are in tests/engine_runs."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import WorkflowFactory
from plumpy import ProcessState

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.workchains.label import LabelWorkChain

PW = "quantumespresso.pw"


@pytest.fixture
def label_inputs(demo_structure, chemistry, pseudos, aiida_code_installed):
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh([1, 1, 1])
    return {
        "structure": demo_structure,
        "pattern": orm.List([2, 3]),
        "redox": orm.Dict(chemistry),
        "pseudos": pseudos,
        "max_attempts": orm.Int(2),
        "pw": {
            "kpoints": kpoints,
            "pw": {
                "code": aiida_code_installed(default_calc_job_plugin=PW, filepath_executable="/bin/true"),
                "parameters": orm.Dict({"CONTROL": {"calculation": "relax"}, "SYSTEM": {"ecutwfc": 20.0}}),
                "metadata": {"options": {"resources": {"num_machines": 1}}},
            },
        },
    }


def instantiate(inputs):
    process = instantiate_process(get_manager().get_runner(), LabelWorkChain, **inputs)
    process.setup()
    return process


def states_node(states, *, ambiguous=False):
    node = OxidationStatesData()
    node.set_array("step_indices", np.arange(len(states)))
    for name in ("states", "naive_states", "moment_signs"):
        node.set_array(name, np.array(states))
    node.set_array("confidences", np.full((len(states), 2), 0.97))
    node.set_array("margins", np.full(len(states), 9.0))
    node.set_array("closed", np.full(len(states), not ambiguous))
    node.set_array("ambiguous", np.full(len(states), ambiguous))
    node.base.attributes.set_many({"sites": [0, 1], "elements": ["Mn", "Mn"]})
    return node


def finished_pw(process, make_frame, states, *, exit_status=0, outputs=True):
    """A pw.x work chain called by ``process`` that ended with the pattern ``states``."""
    node = orm.WorkChainNode(process_type=WorkflowFactory("redoxmlp.pw.base").build_process_type())
    node.base.links.add_incoming(process.node, link_type=LinkType.CALL_WORK, link_label="pw")
    node.store()
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    if outputs:
        attempt = process.ctx.attempt
        made = {
            "frames": DatasetData.from_frames([make_frame(attempt, tuple(states), group=f"attempt{attempt}")]),
            "oxidation_states": states_node([states]),
            "output_parameters": orm.Dict({"energy": -5430.0}),
        }
        for label, data in made.items():
            data.store()
            data.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    node.seal()
    return node


def attempt(process, make_frame, states, **kwargs):
    process.ctx.attempt += 1
    process.ctx.pw = finished_pw(process, make_frame, states, **kwargs)
    return process.inspect_pw()


def test_pattern_reached_ends_the_attempts(label_inputs, make_frame):
    process = instantiate(label_inputs)
    assert process.should_attempt()
    assert attempt(process, make_frame, [2, 3]) is None
    assert not process.should_attempt()
    process.results()
    assert process.outputs["verdict"]["landed"] is True
    assert process.outputs["frames"].n_frames == 1


def test_landing_elsewhere_is_retried_and_then_labelled_as_found(label_inputs, make_frame):
    process = instantiate(label_inputs)
    attempt(process, make_frame, [3, 2])
    assert process.should_attempt()
    attempt(process, make_frame, [3, 2])
    assert not process.should_attempt()
    process.results()
    verdict = process.outputs["verdict"].get_dict()
    assert verdict["wanted"] == [2, 3]
    assert verdict["found"] == [3, 2]
    assert verdict["landed"] is False
    frames = process.outputs["frames"].frames
    assert len(frames) == 2
    assert {frame.pattern.states for frame in frames} == {(3, 2)}


def test_failed_retry_leaves_the_label_of_the_first_attempt(label_inputs, make_frame):
    process = instantiate(label_inputs)
    attempt(process, make_frame, [3, 2])
    assert attempt(process, make_frame, [2, 3], exit_status=310, outputs=False) is None
    assert not process.should_attempt()
    process.results()
    assert process.outputs["verdict"]["found"] == [3, 2]
    assert process.outputs["frames"].n_frames == 1


def test_failed_pw_gives_no_frames(label_inputs, make_frame):
    process = instantiate(label_inputs)
    exit_code = attempt(process, make_frame, [2, 3], exit_status=310, outputs=False)
    assert exit_code.status == LabelWorkChain.exit_codes.ERROR_PW_FAILED.status
    assert exit_code.message == "pw.x failed beyond repair (exit status 310): nobody says why."
    assert not process.has_label()


def test_a_failed_label_says_what_its_last_job_says(label_inputs):
    process = instantiate(label_inputs)
    chain = orm.WorkChainNode().store()
    for message in ("It was cut off.", "The disk is full."):
        job = orm.CalcJobNode()
        job.base.links.add_incoming(chain, link_type=LinkType.CALL_CALC, link_label="job")
        job.store()
        job.set_exit_message(message)
    chain.set_process_state(ProcessState.FINISHED)
    chain.set_exit_status(300)
    failed = process._why_failed(chain)
    assert failed.message == "pw.x failed beyond repair (exit status 300): The disk is full."


def test_output_without_occupations_is_not_a_label(label_inputs, make_frame):
    process = instantiate(label_inputs)
    exit_code = attempt(process, make_frame, [2, 3], outputs=False)
    assert exit_code == LabelWorkChain.exit_codes.ERROR_NO_OCCUPATIONS


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ([2, 2], r"gives the cell the charge -1, but the total charge is \+0"),
        ([2, 4], r"The state 4 of Mn \(site 1\) is not allowed; choose among \[2, 3\]"),
        ([2], "1 states for 2 redox sites"),
    ],
)
def test_pattern_that_cannot_be_is_refused_before_submission(label_inputs, pattern, told):
    label_inputs["pattern"] = orm.List(pattern)
    with pytest.raises(ValueError, match=told):
        instantiate(label_inputs)


def test_missing_pseudopotential_is_refused_before_submission(label_inputs):
    del label_inputs["pseudos"]["Li"]
    with pytest.raises(ValueError, match="no pseudopotential for Li"):
        instantiate(label_inputs)


def test_unknown_protocol_is_refused(demo_structure, chemistry, aiida_code_installed):
    code = aiida_code_installed(default_calc_job_plugin=PW, filepath_executable="/bin/true")
    with pytest.raises(InputError, match="'sloppy' is not known for label; choose one of demo, fast"):
        LabelWorkChain.get_builder_from_protocol(
            code, demo_structure, redox=chemistry, pseudo_family="none", protocol="sloppy"
        )


def test_missing_pseudopotential_family_is_told_with_the_way_out(demo_structure, chemistry, aiida_code_installed):
    code = aiida_code_installed(default_calc_job_plugin=PW, filepath_executable="/bin/true")
    with pytest.raises(InputError, match=r"family 'absent' is not installed.*aiida-pseudo install"):
        LabelWorkChain.get_builder_from_protocol(code, demo_structure, redox=chemistry, pseudo_family="absent")
