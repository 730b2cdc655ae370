"""Iterations of a loop: explore, select, label, train and judge."""

from __future__ import annotations

from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.workchains.explore_base import ExploreBaseWorkChain
from aiida_redoxmlp.workchains.train import TrainWorkChain
from tests.workchains.active_learning.loop_by_hand import EXIT, evaluated, explored, exploring, finished, trained


def test_a_dataset_alone_is_trained_on_first(start, submitted, labelled):
    process = start(dataset=labelled)
    assert process.needs_first_model()
    process.run_training()
    ((kind, inputs, node),) = submitted
    assert kind is TrainWorkChain
    assert inputs["job"]["dataset"].uuid == labelled.uuid
    assert kind.spec().inputs.validate(inputs) is None
    process.ctx.train = finished(node, 310, "1 of 1 jobs failed: seeds 1, 2, 3")
    code = process.inspect_training()
    assert code.status == EXIT.ERROR_TRAINING_FAILED.status
    assert process.outputs["dataset"].uuid == labelled.uuid


def test_exploration_changes_its_seed_and_its_limit_with_the_iteration(learning, submitted):
    process = learning()
    process.ctx.number = 3
    process.begin_iteration()
    assert process.can_explore()
    process.run_exploration()
    ((kind, inputs, _),) = submitted
    assert kind is ExploreBaseWorkChain
    assert kind.spec().inputs.validate(inputs) is None
    settings = inputs["job"]["settings"].get_dict()
    assert (settings["seed"], settings["limits"]["force_factor"]) == (3, 1.0)
    assert set(inputs["job"]["structures"]) == {"half"}
    selection = inputs["job"]["selection"]
    assert selection["settings"].get_dict()["selection"]["n_labels"] == 6
    assert selection["dataset"].uuid == process.dataset.uuid


def test_an_unstable_exploration_falls_back_to_neighbours(learning, submitted):
    process = learning()
    process.begin_iteration()
    process.run_exploration()
    process.ctx.explore = explored(submitted[-1][2])
    assert process.inspect_exploration() is None
    process.prepare_labels()
    assert process.ctx.strategy == "neighbourhoods"
    assert "The exploration is unstable" in process.ctx.notes[-1]


def test_a_committee_that_lacks_a_state_of_the_structures_does_not_explore(start, labelled, saved_model):
    process = start(dataset=labelled, model=ModelData.from_folder(saved_model))
    process.begin_iteration()
    assert not process.can_explore()
    process.prepare_labels()
    assert process.ctx.strategy == "neighbourhoods"
    assert "The model does not know Li+" in process.ctx.notes[-1]


def test_an_iteration_explores_selects_labels_trains_and_judges(
    learning, submitted, answer, demo_structure, saved_model
):
    rules = {"force_mae": 0.05, "pattern_recovery": None, "uncertain_fraction": None, "fewest_labels": 1}
    process = learning(budget={"labels": 2}, rules=rules, warm_start={"mode": "naive"})
    assert process.goes_on()
    process.begin_iteration()
    process.run_exploration()
    kind, inputs, node = submitted[-1]
    assert kind.spec().inputs.validate(inputs) is None
    assert inputs["job"]["selection"]["settings"].get_dict()["selection"]["n_labels"] == 2
    process.ctx.explore = explored(
        node, demo_structure, n_requests=3, warnings=["The committee has collapsed: all members are the same."]
    )
    assert process.inspect_exploration() is None
    process.prepare_labels()
    assert len(process.ctx.waiting) == 2
    process.run_labels()
    for _, given, label in submitted[-2:]:
        answer(label, given["structure"], [2, 3])
    process.judge_answers()
    process.run_training()
    training, evaluation = submitted[-2:]
    assert training[1]["job"]["foundation"].uuid == process.inputs.model.uuid
    assert training[1]["job"]["settings"]["fine_tuning"]["mode"] == "naive"
    assert evaluation[1]["job"]["dataset"].n_frames == 2
    process.ctx.train, process.ctx.evaluate = trained(training[2], saved_model), evaluated(evaluation[2], 0.03)
    assert process.inspect_training() is None
    assert process.end_iteration() is None
    record = process.loop_state.iterations[-1]
    assert record.errors_before.force_mae_ev_per_angstrom == 0.03
    assert record.errors_before.pattern_recovery == 1.0
    assert record.errors_after.force_mae_ev_per_angstrom == 0.04
    assert record.ground_states == {"half": "LiMn2O8P2 (2,3)"}
    assert any("has collapsed" in warning for warning in record.warnings)
    assert record.n_frames == 6
    assert not process.goes_on()
    process.results()
    assert process.outputs["conclusion"]["status"] == "converged"
    assert process.outputs["model"].uuid != process.inputs.model.uuid


def test_nothing_to_ask_pauses_the_loop(learning, submitted, demo_structure):
    process = exploring(learning)
    process.ctx.explore = explored(submitted[-1][2], demo_structure, n_requests=0)
    process.inspect_exploration()
    process.prepare_labels()
    assert not process.labels_left()
    process.judge_answers()
    assert not process.has_fresh_labels()
    assert process.end_iteration() is None
    assert not process.goes_on()
    process.results()
    assert process.outputs["conclusion"]["status"] == "paused"
