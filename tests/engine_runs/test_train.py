"""Committees trained by real MACE through their work chain: jobs of their own, killed jobs, a monitor that stops."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mace")

from aiida import orm
from aiida.engine import run_get_node

from aiida_redoxmlp.calculations.train import TrainCalculation
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.testing import toy_frames
from aiida_redoxmlp.workchains.train import TrainWorkChain
from tests.engine_runs.deployment import processes_in

pytestmark = pytest.mark.engine

RUNNER = Path(sys.executable).with_name("redoxmlp-run")
TINY = {"r_max": 3.0, "num_channels": 2, "max_L": 0, "radial_mlp": [4], "num_radial_basis": 3, "readout_width": 2}
SETTINGS = {"seeds": [5, 6], "max_epochs": 3, "patience": 100, "device": "cpu", "architecture": TINY}
KILL_FROM_EPOCH = 7


@pytest.fixture
def train(aiida_profile, aiida_code_installed):
    dataset = DatasetData.from_frames(toy_frames(6))

    def run(executable=RUNNER, *, members_per_job=None, divergence=None, **settings):
        code = aiida_code_installed(label=f"runner-{Path(executable).name}", filepath_executable=str(executable))
        settings = {**SETTINGS, **settings}
        builder = TrainWorkChain.get_builder_from_protocol(
            code,
            dataset,
            protocol="fast",
            overrides={
                "members_per_job": members_per_job,
                "divergence": divergence,
                "settings": settings,
                "validation_fraction": 0.3,
            },
        )
        _, node = run_get_node(builder)
        return node

    return run


def weights(node):
    with node.outputs.model.as_folder() as folder:
        return [(folder / f"member_{index}.safetensors").read_bytes() for index in range(2)]


def losses(node):
    columns = [node.outputs.history.get_array(key) for key in ("member", "epoch", "loss_validation")]
    return {(member, epoch): loss for member, epoch, loss in zip(*columns, strict=True)}


def trainings(node):
    return [one for one in node.called_descendants if one.process_type == TrainCalculation.build_process_type()]


def said(node):
    chains = [node, *(one for one in node.called_descendants if isinstance(one, orm.WorkChainNode))]
    return "\n".join(entry.message for one in chains for entry in orm.Log.collection.get_logs_for(one))


def test_members_of_jobs_of_their_own_are_those_of_one_job(train):
    together, apart = train(), train(members_per_job=1)
    assert together.is_finished_ok, together.exit_message
    assert apart.is_finished_ok, apart.exit_message
    assert [len(trainings(node)) for node in (together, apart)] == [1, 2]
    assert weights(apart) == weights(together)
    assert apart.outputs.model.configuration["training"] == together.outputs.model.configuration["training"]
    one, other = together.outputs.report.get_dict(), apart.outputs.report.get_dict()
    assert other["seeds"] == [5, 6]
    assert other["best_epochs"] == one["best_epochs"]
    for key in ("energy_mae_ev_per_atom", "force_mae_ev_per_angstrom"):
        assert other[key] == pytest.approx(one[key], rel=1e-9)
    for key in ("member", "epoch", "loss_validation"):
        np.testing.assert_array_equal(apart.outputs.history.get_array(key), together.outputs.history.get_array(key))
    assert len(apart.outputs.model.load().networks) == 2


@pytest.fixture
def killed_once(tmp_path):
    """A runner that is killed in its first run, without a chance to say so, once it has trained for some epochs."""
    script = tmp_path / "killed-once"
    script.write_text(
        f"""#!/bin/bash
if mkdir {tmp_path / "killed"} 2> /dev/null; then
  {RUNNER} "$@" &
  until [ "$(cat progress.jsonl 2> /dev/null | grep -c loss_validation)" -ge {KILL_FROM_EPOCH} ]; do sleep 0.1; done
  kill -KILL $!
else
  exec {RUNNER} "$@"
fi
"""
    )
    script.chmod(0o755)
    return script


def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(train, killed_once):
    settings = {"max_epochs": 40, "patience": 40}
    unbroken, broken = train(**settings), train(killed_once, **settings)
    assert broken.is_finished_ok, broken.exit_message
    first, second = trainings(broken)
    assert first.exit_status == TrainCalculation.exit_codes.ERROR_KILLED.status
    reached = first.outputs.history.get_array("epoch")[-1]
    assert f"after epoch {reached:.0f} of at most 40 of the member of seed 5" in first.exit_message
    assert reached < second.outputs.history.get_array("epoch")[0] <= reached + 2  # no epoch is trained twice
    assert second.inputs.parent_folder.uuid == first.outputs.remote_folder.uuid
    assert weights(broken) == weights(unbroken)
    seen, expected = losses(broken), losses(unbroken)
    assert seen.items() <= expected.items()
    assert len(seen) >= len(expected) - 1  # a job may be killed after a checkpoint and before its line of progress
    assert f"TrainCalculation<{first.pk}> ended with exit code 430: The job was stopped before" in said(broken)
    assert "(restart 1 of at most 5)" in said(broken)


def test_a_monitor_stops_a_training_that_no_longer_learns(train):
    hopeless = {"maximum_growth": 0.01, "patience": 2, "interval_s": 1}
    node = train(divergence=hopeless, max_epochs=100_000, patience=100_000)
    assert node.exit_status == TrainWorkChain.exit_codes.ERROR_MEMBERS_FAILED.status
    (stopped,) = trainings(node)
    assert stopped.exit_status == TrainCalculation.exit_codes.ERROR_DIVERGED.status
    assert "has been more than 0.01 times its best" in stopped.exit_message
    assert stopped.exit_message.rpartition("The training diverged: ")[2] in node.exit_message
    assert len(node.outputs.history.get_array("epoch")) >= 3
    end = time.monotonic() + 60
    while processes_in(stopped.get_remote_workdir()):
        assert time.monotonic() < end, "the job was not stopped"
        time.sleep(0.5)
