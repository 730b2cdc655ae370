"""Labels of a loop: what is asked, and what the answers mean."""

from __future__ import annotations

import numpy as np

from aiida_redoxmlp.workchains.label import LabelWorkChain
from tests.workchains.active_learning.loop_by_hand import EXIT, ask, ended_with, finished, said


def test_without_dataset_and_model_neighbours_of_the_structures_are_labelled(start, submitted):
    process = start()
    assert not process.needs_first_model()
    assert process.goes_on()
    assert not process.can_explore()
    labels = ask(process, submitted)
    assert len(labels) == 6
    assert [inputs["metadata"]["call_link_label"] for _, inputs, _ in labels[:2]] == ["label_0_0", "label_1_0"]
    assert {tuple(inputs["pattern"].get_list()) for _, inputs, _ in labels} == {(2, 3), (3, 2)}
    for kind, inputs, _ in labels:
        assert kind is LabelWorkChain
        assert kind.spec().inputs.validate(inputs) is None
        assert len(inputs["structure"].hubbard.parameters) == 2
    moved = labels[-1][1]["structure"].get_ase().positions - labels[0][1]["structure"].get_ase().positions
    assert 0.01 < np.abs(moved).max() < 0.5


def test_dfts_answer_decides_and_one_node_tells_the_iteration(start, submitted, answer):
    process = start()
    labels = ask(process, submitted)
    for number, (_, inputs, node) in enumerate(labels):
        wanted = inputs["pattern"].get_list()
        if number == 0:
            finished(node, 300, "pw.x failed beyond repair.")
        else:
            answer(node, inputs["structure"], wanted[::-1] if number == 1 else wanted)
    process.judge_answers()
    assert process.has_fresh_labels()
    assert process.dataset.n_frames == 5
    assert process.end_iteration() is None
    record = process.outputs["iterations"]["iteration_0"].get_dict()
    assert (record["labels"]["landed"], record["labels"]["redox_errors"], record["labels"]["failed"]) == (4, 1, 1)
    assert (record["strategy"], record["n_frames"], record["used"]["labels"]) == ("neighbourhoods", 5, 6)
    assert "DFT found" in said(process)
    assert "pw.x failed beyond repair." in said(process)


def test_a_label_that_failed_is_asked_again_and_then_set_aside_by_name(start, submitted, answer):
    process = start()
    for iteration in range(2):
        labels = ask(process, submitted)
        for number, (_, inputs, node) in enumerate(labels):
            if number == 0:
                finished(node, 300, "pw.x failed beyond repair.")
            else:
                answer(node, inputs["structure"], inputs["pattern"].get_list())
        process.judge_answers()
        assert process.end_iteration() is None
        assert len(process.ctx.unanswered) == 1
        if iteration == 0:
            key = labels[0][1]["structure"].get_ase().positions
        else:
            assert (labels[0][1]["structure"].get_ase().positions == key).all()
    assert not process.loop_state.labels.waiting()
    assert "failed 2 times and is set aside" in process.loop_state.iterations[-1].warnings[-1]
    asked_last = process.ctx.unanswered
    process.ctx.ending = {"status": "paused", "reason": "Enough."}
    process.results()
    left = {name: process.outputs[name] for name in ("loop", "dataset")}
    earlier = ended_with(left, process.outputs["unanswered"])
    for attempts, n_again in ((2, 0), (3, 1)):
        again = start(previous=earlier, overrides={"max_label_attempts": attempts})
        assert again.ctx.unanswered == asked_last
        again.begin_iteration()
        again.ctx.selection_pk = 0  # nothing is asked but what failed before
        again.prepare_labels()
        assert len(again.ctx.waiting) == n_again


def test_without_a_single_label_the_loop_ends_and_can_go_on(start, submitted):
    process = start()
    for _, _, node in ask(process, submitted):
        finished(node, 300, "pw.x failed beyond repair.")
    process.judge_answers()
    assert not process.has_fresh_labels()
    code = process.end_iteration()
    assert (code.status, "pw.x failed beyond repair" in code.message) == (EXIT.ERROR_NO_LABELS.status, True)
    assert process.outputs["conclusion"]["status"] == "failed"
    assert len(process.outputs["unanswered"]) == 6
    again = start(dataset=None, previous=ended_with({"loop": process.outputs["loop"]}, process.outputs["unanswered"]))
    assert len(again.ctx.unanswered) == 6
    assert len(again.loop_state.iterations) == 1
