"""What is tried when a job without checkpoints ends too early."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import WorkflowFactory
from plumpy import ProcessState

from aiida_redoxmlp.calculations.evaluate import EvaluateCalculation
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.workchains.evaluate_base import EvaluateBaseWorkChain
from aiida_redoxmlp.workchains.select_base import SelectBaseWorkChain

EXIT = EvaluateCalculation.exit_codes
ENDS = EvaluateBaseWorkChain.exit_codes


@pytest.fixture
def process(aiida_profile, aiida_code_installed, make_frame, saved_model):
    job = {
        "code": aiida_code_installed(label="runner", filepath_executable="/bin/true"),
        "dataset": DatasetData.from_frames([make_frame(0, (2, 3))]),
        "model": ModelData.from_folder(saved_model),
    }
    inputs = {"job": job, "max_iterations": orm.Int(3)}
    made = instantiate_process(get_manager().get_runner(), EvaluateBaseWorkChain, **inputs)
    made.setup()
    return made


@pytest.fixture
def stopped(make_calculation):
    def make(process, label):
        process.ctx.iteration += 1
        node = make_calculation("redoxmlp.evaluate", {})
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(EXIT[label].status)
        node.set_exit_message(EXIT[label].format(reason="a reason", reached="with nothing to go on from").message)
        return node

    return make


@pytest.mark.parametrize("label", ["ERROR_NODE_FAILURE", "ERROR_KILLED"])
def test_a_stopped_job_begins_again_a_number_of_times(process, stopped, label):
    assert process.handle_stop(stopped(process, label)).exit_code.status == 0
    (entry,) = orm.Log.collection.get_logs_for(process.node)
    assert entry.message.endswith("Evaluation begins again (restart 1 of at most 2).")
    assert process.handle_stop(stopped(process, label)).exit_code.status == 0
    ended = process.handle_stop(stopped(process, label)).exit_code
    assert ended.status == ENDS.ERROR_TOO_MANY_RESTARTS.status
    assert ended.message.startswith("The evaluation was stopped 3 times.")


@pytest.mark.parametrize(
    ("label", "hint"),
    [("ERROR_OUT_OF_WALLTIME", "Ask for a longer wall time."), ("ERROR_OUT_OF_MEMORY", "Ask for more memory, or")],
)
def test_what_would_stop_the_next_job_as_well_ends_it(process, stopped, label, hint):
    ended = process.handle_stop(stopped(process, label)).exit_code
    assert ended.status == ENDS.ERROR_UNRECOVERABLE.status
    assert hint in ended.message


def test_input_that_was_refused_ends_it(process, stopped):
    job = stopped(process, "ERROR_INPUT_REFUSED")
    assert process.handle_fatal(job).exit_code.status == ENDS.ERROR_UNRECOVERABLE.status
    assert process.handle_fatal(stopped(process, "ERROR_KILLED")) is None


def test_they_load_by_entry_point():
    assert WorkflowFactory("redoxmlp.evaluate.base") is EvaluateBaseWorkChain
    assert WorkflowFactory("redoxmlp.select.base") is SelectBaseWorkChain
