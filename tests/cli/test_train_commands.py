"""Training from the command line: what is refused before anything is submitted, and what status shows of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from click.testing import CliRunner
from plumpy import ProcessState

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.learning import learning_table
from aiida_redoxmlp.cli.train_config import TrainRunConfig
from aiida_redoxmlp.cli.train_inputs import train_builder
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.workchains.train import TrainWorkChain

EXAMPLE = Path(__file__).parents[2] / "examples" / "train.yaml"
STARTED = {"event": "started", "elapsed_s": 2.0, "n_members": 2, "max_epochs": 50, "seeds": [7, 8]}


@pytest.fixture
def config(tmp_path, aiida_profile_clean, aiida_code_installed, make_frame):
    aiida_code_installed(label="redoxmlp", filepath_executable="/bin/true")
    frames = [make_frame(step, states) for step, states in enumerate([(2, 3), (3, 2), (2, 3), (3, 2)])]
    write_dataset(tmp_path / "frames.npz", frames)

    def write(**changes):
        path = tmp_path / "train.yaml"
        content = {"material": "toy", "dataset": "frames.npz", "protocol": "fast", **changes}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


def invoke(*arguments):
    return CliRunner().invoke(root, [str(one) for one in arguments])


def test_the_example_is_valid():
    assert load_config(EXAMPLE, TrainRunConfig).dataset == str(EXAMPLE.parent / "my-dataset.npz")


def test_file_and_node_are_trained_on_alike(config):
    settings = {"seeds": [4, 5, 6], "encoding": "embedding"}
    overrides = {"members_per_job": 2, "max_restarts": 1, "settings": {"max_epochs": 9, "seeds": [1]}}
    from_file = train_builder(load_config(config(settings=settings, overrides=overrides), TrainRunConfig))
    stored = from_file.job.dataset.store()
    stored.label = "my frames"
    for name in (stored.pk, stored.uuid, "my frames"):
        builder = train_builder(load_config(config(dataset=name, settings=settings), TrainRunConfig))
        assert builder.job.dataset.uuid == stored.uuid
    chosen = from_file.job.settings.get_dict()
    assert (chosen["seeds"], chosen["encoding"], chosen["max_epochs"]) == ([4, 5, 6], "embedding", 9)
    assert (from_file.members_per_job.value, from_file.max_iterations.value) == (2, 2)
    assert from_file.job.monitors["divergence"]["entry_point"] == "redoxmlp.train"


def test_dry_run_submits_nothing(config):
    answer = invoke("launch", "train", "--config", config(), "--dry-run")
    assert answer.exit_code == 0, answer.output
    assert "nothing was submitted" in answer.output
    assert "Warning" not in answer.output
    assert orm.QueryBuilder().append(DatasetData).count() == 0


def test_one_pattern_alone_is_warned_of(config, tmp_path, make_frame):
    write_dataset(tmp_path / "one.npz", [make_frame(step) for step in range(4)])
    answer = invoke("launch", "train", "--config", config(dataset="one.npz"), "--dry-run")
    assert answer.exit_code == 0
    assert "Warning: The 4 frames have one redox pattern, (2,3)" in answer.output


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dataset": "absent.npz"}, "absent.npz"),
        ({"dataset": "nothing of that name"}, "There is no node 'nothing of that name'"),
        ({"settings": {"max_epoch": 5}}, "settings: the key 'max_epoch' is not known"),
        ({"settings": {"seeds": [1, 1]}}, "the seeds [1, 1] repeat"),
        ({"overrides": {"members": 2}}, "'members' of the workflow train is not known"),
        ({"overrides": {"members_per_job": 0}}, "members_per_job is 0; give a number of members from 1"),
        ({"codes": {"redoxmlp": "nowhere"}}, "There is no code 'nowhere'"),
        ({"resources": {"training": {"gpus": 1}}}, "resources.training.gpus is 1, but the computer localhost"),
        ({"resources": {"training": {"gpu": 1}}}, "Did you mean 'gpus'?"),
        ({"protocol": "quick"}, "protocol"),
    ],
)
def test_bad_input_is_one_sentence(config, changes, told):
    answer = invoke("launch", "train", "--config", config(**changes))
    assert answer.exit_code == 2, answer.output
    assert told in answer.output
    assert "Traceback" not in answer.output


def test_what_is_no_dataset_or_too_little_is_refused(config, tmp_path, make_frame):
    number = orm.Int(3).store()
    assert "a Int and not a dataset" in invoke("launch", "train", "--config", config(dataset=number.pk)).output
    write_dataset(tmp_path / "few.npz", [make_frame(1), make_frame(2, ambiguous=True)])
    answer = invoke("launch", "train", "--config", config(dataset="few.npz"))
    assert "has 2 frames of which 1 can be trusted" in answer.output


def epoch(member, number, elapsed):
    losses = {"loss_train": 0.5, "loss_validation": 0.25, "force_mae_ev_per_angstrom": 0.0421}
    return {"member": member, "epoch": number, "elapsed_s": elapsed, **losses}


@pytest.fixture
def training(config, aiida_localhost, tmp_path):
    """A training whose first job was stopped in its second member; the next one runs."""
    builder = train_builder(load_config(config(overrides={"members_per_job": None}), TrainRunConfig))
    chain = instantiate_process(get_manager().get_runner(), TrainWorkChain, **builder._inputs(prune=True)).node
    base = orm.WorkChainNode(process_type="aiida.workflows:redoxmlp.train.base")
    base.set_process_label("TrainBaseWorkChain")
    base.base.links.add_incoming(chain, link_type=LinkType.CALL_WORK, link_label="job_0")
    base.store()
    jobs = []
    for number in (1, 2):
        job = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:redoxmlp.train")
        job.set_process_label("TrainCalculation")
        job.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
        job.base.links.add_incoming(base, link_type=LinkType.CALL_CALC, link_label=f"iteration_{number:02d}")
        job.store()
        (tmp_path / str(number)).mkdir()
        job.set_remote_workdir(str(tmp_path / str(number)))
        job.set_process_state(ProcessState.WAITING)
        jobs.append(job)
    stopped, running = jobs
    lines = [STARTED, epoch(0, 49, 10.0), epoch(0, 50, 12.0), epoch(1, 1, 14.0)]
    retrieved = orm.FolderData()
    retrieved.base.repository.put_object_from_bytes(text_of(lines).encode(), "progress.jsonl")
    retrieved.base.links.add_incoming(stopped, link_type=LinkType.CREATE, link_label="retrieved")
    retrieved.store()
    stopped.set_process_state(ProcessState.FINISHED)
    stopped.set_exit_status(400)
    return chain, running, tmp_path / "2"


def text_of(lines):
    return "".join(json.dumps(line) + "\n" for line in lines)


def rows(node):
    table = learning_table(node)
    return [] if table is None else [list(cells) for cells in np.array([column._cells for column in table.columns]).T]


def test_status_shows_every_member_while_its_job_runs(training):
    chain, _, folder = training
    assert rows(chain) == [
        ["job_0", "7", "done", "50/50", "0.25", "42.1", "2", ""],
        ["job_0", "8", "waits", "1/50", "0.25", "42.1", "", ""],
    ]
    (folder / "progress.jsonl").write_text(text_of([STARTED, epoch(1, 2, 7.0), epoch(1, 3, 10.0), epoch(1, 4, 13.0)]))
    assert rows(chain) == [
        ["job_0", "7", "done", "50/50", "0.25", "42.1", "2", ""],
        ["job_0", "8", "trains", "4/50", "0.25", "42.1", "3", "2 min"],
    ]
    answer = invoke("status", chain.pk)
    assert answer.exit_code == 0, answer.output
    assert "committee members" in answer.output
    assert "trains" in answer.output


def test_status_of_a_training_that_ended_reads_what_was_retrieved(training):
    chain, running, _ = training
    running.set_process_state(ProcessState.FINISHED)
    running.set_exit_status(430)
    assert [row[2:4] for row in rows(chain)] == [["done", "50/50"], ["stopped", "1/50"]]


def test_nothing_trained_is_no_table(aiida_profile, demo_structure):
    assert learning_table(orm.WorkChainNode().store()) is None
