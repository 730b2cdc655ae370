from __future__ import annotations

import json

import pytest
from aiida.plugins import CalculationFactory, ParserFactory

OUTPUT = {
    "engine": "mace",
    "encoding": "species",
    "species": ["Mn2+", "Mn3+"],
    "seeds": [1],
    "best_epochs": [3],
    "n_training_frames": 10,
    "n_validation_frames": 2,
    "energy_mae_ev_per_atom": 0.001,
    "force_mae_ev_per_angstrom": 0.1,
    "wall_time_s": 10.0,
    "device": "cpu",
    "versions": {"mace-torch": "0.3.16"},
}
MODEL = {
    "engine": "mace",
    "encoding": {"name": "species", "stand_ins": {"Mn2+": 25, "Mn3+": 118}},
    "members": [{}, {}],
}
PROGRESS = '{"member": 0, "epoch": 0, "loss_train": 2.0}\n{"member": 0, "epoch": 1, "loss_train": 1.0}\n{"memb'


def parse(make_calculation, retrieved):
    node = make_calculation("redoxmlp.train", retrieved)
    return ParserFactory("redoxmlp.train").parse_from_node(node, store_provenance=False)


def test_finished_training_gives_model_report_and_learning_curves(make_calculation):
    files = {
        "output.json": json.dumps(OUTPUT),
        "model/model.json": json.dumps(MODEL),
        "progress.jsonl": PROGRESS,
        "stderr.txt": "",
    }
    outputs, node = parse(make_calculation, files)
    assert node.is_finished_ok
    assert outputs["model"].encoding == "species"
    assert outputs["model"].base.attributes.get("n_members") == 2
    assert outputs["report"]["n_training_frames"] == 10
    assert outputs["history"].get_array("loss_train").tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("last_words", "exit_code", "told"),
    [
        ("Error: The dataset has no frame to train on.", "ERROR_INPUT_REFUSED", "no frame to train on"),
        ("Diverged: the loss of member 0 is not a number.", "ERROR_DIVERGED", "member 0"),
        ("Killed", "ERROR_OUTPUT_MISSING", "Killed"),
    ],
)
def test_failed_training_says_why(make_calculation, last_words, exit_code, told):
    outputs, node = parse(make_calculation, {"progress.jsonl": PROGRESS, "stderr.txt": f"Traceback\n{last_words}\n"})
    assert node.exit_status == CalculationFactory("redoxmlp.train").exit_codes[exit_code].status
    assert told in node.exit_message
    assert "model" not in outputs
    assert outputs["history"].get_array("epoch").tolist() == [0.0, 1.0]


def test_output_without_a_key_is_invalid(make_calculation):
    _, node = parse(make_calculation, {"output.json": '{"engine": "mace"}', "stderr.txt": ""})
    assert node.exit_status == CalculationFactory("redoxmlp.train").exit_codes.ERROR_OUTPUT_INVALID.status


def test_output_without_model_is_invalid(make_calculation):
    _, node = parse(make_calculation, {"output.json": json.dumps(OUTPUT), "stderr.txt": ""})
    assert node.exit_status == CalculationFactory("redoxmlp.train").exit_codes.ERROR_OUTPUT_INVALID.status
