"""Jobs of a loop that fail: what there is already is not lost."""

from __future__ import annotations

from tests.workchains.active_learning.loop_by_hand import EXIT, ended_with, explored, exploring, finished

DISK_FULL = "The disk or the quota of the computer is full (No space left on device); free space there and start again."


def test_an_exploration_that_failed_ends_the_loop_with_what_there_is(learning, submitted):
    process = learning()
    process.begin_iteration()
    process.run_exploration()
    process.ctx.explore = finished(submitted[-1][2], 300, "The input was refused: no Mn4+.")
    code = process.inspect_exploration()
    assert (code.status, "no Mn4+" in code.message) == (EXIT.ERROR_EXPLORATION_FAILED.status, True)
    assert process.outputs["loop"]["status"] == "failed"
    assert {"dataset", "model", "conclusion"} <= set(process.outputs)


def test_a_full_disk_in_a_training_loses_no_label(start, learning, submitted, answer, demo_structure):
    process = exploring(learning)
    before = process.dataset.n_frames
    process.ctx.explore = explored(submitted[-1][2], demo_structure)
    process.inspect_exploration()
    process.prepare_labels()
    process.run_labels()
    answer(submitted[-1][2], submitted[-1][1]["structure"], [2, 3])
    process.judge_answers()
    process.run_training()
    process.ctx.train = finished(submitted[-2][2], 300, DISK_FULL)
    process.ctx.evaluate = None
    code = process.inspect_training()
    assert code.status == EXIT.ERROR_TRAINING_FAILED.status
    assert DISK_FULL in process.outputs["conclusion"]["sentence"]
    assert process.outputs["dataset"].n_frames == before + 1
    assert process.outputs["model"].uuid == process.inputs.model.uuid
    previous = ended_with({name: process.outputs[name] for name in ("loop", "dataset", "model")})
    again = start(previous=previous)
    assert (again.ctx.number, again.goes_on()) == (1, True)


def test_a_full_disk_in_an_exploration_ends_the_loop_with_what_there_is(learning, submitted):
    process = exploring(learning)
    process.ctx.explore = finished(submitted[-1][2], 300, DISK_FULL)
    code = process.inspect_exploration()
    assert (code.status, DISK_FULL in code.message) == (EXIT.ERROR_EXPLORATION_FAILED.status, True)
    assert {"dataset", "model", "loop", "conclusion"} <= set(process.outputs)
