from __future__ import annotations

import json

import pytest
from aiida import orm
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
PROGRESS = (
    '{"member": 0, "epoch": 0, "loss_train": 2.0, "loss_validation": 1.0}\n'
    '{"member": 0, "epoch": 1, "loss_train": 1.0, "loss_validation": 9.0}\n{"memb'
)


def parse(make_calculation, retrieved, exit_status=None, **inputs):
    node = make_calculation("redoxmlp.train", retrieved, inputs, scheduler_stderr="_scheduler-stderr.txt")
    if exit_status is not None:
        node.set_exit_status(exit_status)
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
        ("No GPU: torch finds none.", "ERROR_NO_GPU", "torch finds none"),
        ("Out of memory: One frame alone does not fit.", "ERROR_TOO_LARGE", "One frame alone does not fit"),
        (
            "Disk full: [Errno 28] No space left on device: 'model'",
            "ERROR_DISK_FULL",
            "full ([Errno 28] No space left on device: 'model'); free space there",
        ),
        ("ValueError: a mistake in our code", "ERROR_OUTPUT_MISSING", "a mistake in our code"),
    ],
)
def test_failed_training_says_why(make_calculation, last_words, exit_code, told):
    stderr = f"Traceback (most recent call last):\n{last_words}\n"
    outputs, node = parse(make_calculation, {"progress.jsonl": PROGRESS, "stderr.txt": stderr})
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


@pytest.mark.parametrize(
    ("said", "exit_code", "told"),
    [
        (
            "slurmstepd: error: *** JOB 2 ON gpu1 CANCELLED AT 2026-11-21T09:00:00 DUE TO TIME LIMIT ***",
            "ERROR_OUT_OF_WALLTIME",
            "after epoch 1 of member 0",
        ),
        (
            "slurmstepd: error: *** JOB 2 ON gpu1 CANCELLED AT 2026-11-21T09:00:00 ***",
            "ERROR_KILLED",
            "after epoch 1 of member 0: JOB 2 ON gpu1 CANCELLED AT 2026-11-21T09:00:00",
        ),
        (
            "Loading modules\nslurmstepd: error: Detected 1 oom-kill event(s) in StepId=2.batch cgroup.",
            "ERROR_OUT_OF_MEMORY",
            "Detected 1 oom-kill event",
        ),
        (
            "slurmstepd: error: *** JOB 2 ON n1 CANCELLED AT 2026-11-21T09:00:00 DUE TO NODE FAILURE, SEE LOG ***",
            "ERROR_NODE_FAILURE",
            "after epoch 1",
        ),
        ("_aiidasubmit.sh: line 20:  4242 Killed    'redoxmlp-run' 'train'", "ERROR_KILLED", "4242 Killed"),
        ("", "ERROR_KILLED", "nobody says why"),
    ],
)
@pytest.mark.parametrize("last_words", ["UserWarning: slow", "Interrupted: SIGTERM stopped the training."])
def test_stopped_job_says_who_stopped_it_and_how_far_it_came(make_calculation, said, exit_code, told, last_words):
    files = {"progress.jsonl": PROGRESS, "_scheduler-stderr.txt": f"{said}\n", "stderr.txt": f"{last_words}\n"}
    if last_words.startswith("Interrupted") and not said:
        told = "after epoch 1 of member 0: SIGTERM stopped the training."
    outputs, node = parse(make_calculation, files)
    assert node.exit_status == CalculationFactory("redoxmlp.train").exit_codes[exit_code].status
    assert told in node.exit_message
    assert outputs["history"].get_array("epoch").tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("status", "exit_code"), [(110, "MEMORY"), (120, "WALLTIME")])
def test_what_aiida_reads_from_accounting_counts(make_calculation, status, exit_code):
    _, node = parse(make_calculation, {"_scheduler-stderr.txt": ""}, exit_status=status)
    assert node.exit_status == CalculationFactory("redoxmlp.train").exit_codes[f"ERROR_OUT_OF_{exit_code}"].status
    assert "before its first epoch was finished" in node.exit_message


def test_job_cut_off_after_its_last_word_is_finished(make_calculation):
    files = {"output.json": json.dumps(OUTPUT), "model/model.json": json.dumps(MODEL), "stderr.txt": ""}
    _, node = parse(make_calculation, files, exit_status=120)
    assert node.is_finished_ok


@pytest.mark.parametrize(("patience", "exit_code"), [(1, "ERROR_DIVERGED"), (2, "ERROR_KILLED")])
def test_job_that_its_monitor_stopped_has_diverged(make_calculation, patience, exit_code):
    watch = {"entry_point": "redoxmlp.train", "kwargs": {"maximum_growth": 5.0, "patience": patience}}
    files = {"progress.jsonl": PROGRESS, "stderr.txt": ""}
    _, node = parse(make_calculation, files, monitors__divergence=orm.Dict(watch))
    assert node.exit_status == CalculationFactory("redoxmlp.train").exit_codes[exit_code].status
