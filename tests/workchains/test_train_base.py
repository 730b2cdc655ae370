"""What is tried when the job of a training ends too early; whole trainings run in tests/engine_runs."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from plumpy import ProcessState

from aiida_redoxmlp.calculations.train import TrainCalculation
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.workchains.train_base import TrainBaseWorkChain

EXIT = TrainCalculation.exit_codes


@pytest.fixture
def process(aiida_profile, aiida_code_installed, make_frame):
    def instantiate(max_iterations=6, **settings):
        inputs = {
            "job": {
                "code": aiida_code_installed(label="runner", filepath_executable="/bin/true"),
                "dataset": DatasetData.from_frames([make_frame(step) for step in range(4)]),
                "settings": orm.Dict(settings),
            },
            "max_iterations": orm.Int(max_iterations),
        }
        made = instantiate_process(get_manager().get_runner(), TrainBaseWorkChain, **inputs)
        made.setup()
        return made

    return instantiate


@pytest.fixture
def stopped(make_calculation, aiida_localhost):
    def make(process, exit_code, epochs=3):
        process.ctx.iteration += 1
        node = make_calculation("redoxmlp.train", {})
        outputs = {"remote_folder": orm.RemoteData(computer=aiida_localhost, remote_path=f"/scratch/{node.pk}")}
        if epochs:
            outputs["history"] = orm.ArrayData(np.arange(epochs))
        for label, data in outputs.items():
            data.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label=label)
            data.store()
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(exit_code.status)
        node.set_exit_message(exit_code.format(reason="a reason", reached="after epoch 3").message)
        return node

    return make


def said(process):
    return [entry.message for entry in orm.Log.collection.get_logs_for(process.node)]


@pytest.mark.parametrize("label", ["ERROR_OUT_OF_WALLTIME", "ERROR_NODE_FAILURE", "ERROR_KILLED"])
def test_a_stopped_job_goes_on_from_its_checkpoints(process, stopped, label):
    made = process()
    job = stopped(made, EXIT[label])
    report = made.handle_stop(job)
    assert report.do_break
    assert report.exit_code.status == 0
    assert made.ctx.inputs.parent_folder.uuid == job.outputs.remote_folder.uuid
    assert "frames_at_once" not in made.ctx.inputs.settings.get_dict()
    (sentence,) = said(made)
    assert f"ended with exit code {EXIT[label].status}: {job.exit_message} Training goes on from its" in sentence
    assert sentence.endswith("(restart 1 of at most 5).")


def test_memory_that_ran_out_halves_the_frames_at_once_and_leaves_the_batch(process, stopped):
    made = process(batch_size=5)
    for frames in (3, 2, 1):
        assert made.handle_stop(stopped(made, EXIT.ERROR_OUT_OF_MEMORY)).exit_code.status == 0
        assert made.ctx.inputs.settings.get_dict() == {"batch_size": 5, "frames_at_once": frames}
        assert f"with {frames} frames at once" in said(made)[-1]
    ended = made.handle_stop(stopped(made, EXIT.ERROR_OUT_OF_MEMORY))
    assert ended.exit_code.status == TrainBaseWorkChain.exit_codes.ERROR_UNRECOVERABLE.status
    assert ended.exit_code.message.endswith("One frame at once is too much already.")


def test_two_stops_without_an_epoch_are_enough(process, stopped):
    made = process()
    assert made.handle_stop(stopped(made, EXIT.ERROR_OUT_OF_WALLTIME, epochs=0)).exit_code.status == 0
    assert made.handle_stop(stopped(made, EXIT.ERROR_OUT_OF_WALLTIME)).exit_code.status == 0
    assert made.handle_stop(stopped(made, EXIT.ERROR_OUT_OF_WALLTIME, epochs=0)).exit_code.status == 0
    ended = made.handle_stop(stopped(made, EXIT.ERROR_OUT_OF_WALLTIME, epochs=0))
    assert ended.exit_code.status == TrainBaseWorkChain.exit_codes.ERROR_NO_PROGRESS.status
    assert "ask for a longer wall time" in ended.exit_code.message


def test_no_more_restarts_than_allowed(process, stopped):
    made = process(max_iterations=2)
    assert made.handle_stop(stopped(made, EXIT.ERROR_KILLED)).exit_code.status == 0
    ended = made.handle_stop(stopped(made, EXIT.ERROR_KILLED))
    assert ended.exit_code.status == TrainBaseWorkChain.exit_codes.ERROR_TOO_MANY_RESTARTS.status
    assert (
        "was stopped 2 times. The job was stopped before it was done, after epoch 3: a reason"
        in ended.exit_code.message
    )


@pytest.mark.parametrize("label", ["ERROR_INPUT_REFUSED", "ERROR_DIVERGED", "ERROR_NO_GPU", "ERROR_TOO_LARGE"])
def test_what_would_fail_again_is_not_tried_again(process, stopped, label):
    made = process()
    job = stopped(made, EXIT[label])
    assert made.handle_stop(job) is None
    ended = made.handle_fatal(job)
    assert ended.exit_code.status == TrainBaseWorkChain.exit_codes.ERROR_UNRECOVERABLE.status
    assert ended.exit_code.message == job.exit_message
