"""A committee of 3 through SLURM: one member reaches its wall time, one is cancelled, and all end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.testing import toy_frames
from tests.engine_runs.deployment import CHECKOUT, Deployment, processes_in

pytest.importorskip("mace")

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("slurmctld", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") is None,
        reason="no SLURM; as root: python3 setup_profiles/slurm.py install",
    ),
]

TINY = {"r_max": 3.0, "num_channels": 2, "max_L": 0, "radial_mlp": [4], "num_radial_basis": 3, "readout_width": 2}
MAX_EPOCHS = 150
JOBS = (
    "jobs = [one for one in orm.load_node({pk}).called_descendants if one.process_label == 'TrainCalculation']\n"
    "import json\nprint(json.dumps([[one.inputs.settings['seeds'][0], one.get_job_id(), one.get_remote_workdir()]\n"
    "    for one in jobs if one.get_job_id() is not None]))"
)
ENDED = (
    "jobs = [one for one in orm.load_node({pk}).called_descendants if one.process_label == 'TrainCalculation']\n"
    "import json\nprint(json.dumps([[one.inputs.settings['seeds'][0], one.exit_status, one.get_option('queue_name'),\n"
    "    one.outputs.history.get_array('epoch').tolist()] for one in sorted(jobs, key=lambda one: one.pk)]))"
)


@pytest.fixture
def slurm(tmp_path):
    folder = tmp_path / "slurm"
    command = [sys.executable, str(CHECKOUT / "setup_profiles" / "slurm.py")]
    subprocess.run([*command, "up", "--folder", str(folder)], check=True)
    yield folder
    subprocess.run([*command, "down", "--folder", str(folder)], check=True)


@pytest.fixture
def deployment(tmp_path, slurm):
    made = Deployment(tmp_path / ".aiida", SLURM_CONF=str(slurm / "slurm.conf"), OMP_NUM_THREADS="1")
    for name in ("pw.x", "hp.x"):  # a training needs neither
        (tmp_path / name).touch(mode=0o755)
    made.setup(str(tmp_path / "pw.x"), "--slurm")
    yield made
    made.stop()


def epochs_in(folder):
    try:
        return (Path(folder) / "progress.jsonl").read_text().count("loss_validation")
    except OSError:
        return 0


def hang(folder):
    """Stop a job's processes without ending them, as a node that hangs does."""
    for process in processes_in(folder):
        os.kill(process, signal.SIGSTOP)


def test_members_survive_their_wall_time_and_scancel(deployment, tmp_path):
    write_dataset(tmp_path / "frames.npz", toy_frames(8))
    config = tmp_path / "train.yaml"
    content = {
        "material": "toy",
        "dataset": "frames.npz",
        "settings": {
            "seeds": [1, 2, 3],
            "max_epochs": MAX_EPOCHS,
            "patience": 1000,
            "device": "cpu",
            "architecture": TINY,
        },
        "overrides": {"validation_fraction": 0.25, "max_restarts": 3},
        "codes": {"redoxmlp": "redoxmlp@slurm-gpu"},
        "resources": {"training": {"partition": "gpu", "gpus": 1, "gpu_type": "h100", "walltime_s": 60}},
    }
    config.write_text(yaml.safe_dump(content))
    printed = deployment.run("aiida-redoxmlp", "launch", "train", "--config", str(config), "--no-wait")
    pk = int(printed.partition("TrainWorkChain<")[2].partition(">")[0])

    trouble = {1: lambda job, folder: hang(folder), 2: lambda job, folder: deployment.run("scancel", job)}
    reached = {}

    def make_trouble():
        for seed, job, folder in json.loads(deployment.python(JOBS.format(pk=pk))):
            if seed in trouble:
                while (done := epochs_in(folder)) < 12 and time.monotonic() < end:
                    time.sleep(0.05)
                trouble.pop(seed)(job, folder)
                reached[seed] = done
                if seed == 1:
                    reached["status"] = deployment.run("aiida-redoxmlp", "status", str(pk))
        return not trouble

    end = time.monotonic() + 120
    deployment.wait("trouble", make_trouble, 120)
    assert " trains " in reached["status"], reached["status"]
    assert f"/{MAX_EPOCHS} " in reached["status"]
    deployment.wait("the committee's end", lambda: deployment.is_terminated(pk), 300)

    report = deployment.run("verdi", "process", "report", str(pk))
    assert deployment.python(f"print(orm.load_node({pk}).exit_status)").strip() == "0", report
    assert "ended with exit code 400: The job reached its wall time limit after epoch" in report
    assert "ended with exit code 430: The job was stopped before it was done, after epoch" in report
    assert "CANCELLED AT" in report
    assert report.count("Training goes on from its checkpoints (restart 1 of at most 3).") == 2

    jobs = json.loads(deployment.python(ENDED.format(pk=pk)))
    assert {partition for _, _, partition, _ in jobs} == {"gpu"}
    ends = {seed: [status for one, status, *_ in jobs if one == seed] for seed in (1, 2, 3)}
    assert ends == {1: [400, 0], 2: [430, 0], 3: [0]}
    for seed in (1, 2):
        first, second = (epochs for one, *_, epochs in jobs if one == seed)
        assert reached[seed] <= first[-1] < MAX_EPOCHS
        assert first[-1] < second[0] <= first[-1] + 2  # no epoch is trained twice
        assert second[-1] == MAX_EPOCHS
    members = deployment.python(
        f"node = orm.load_node({pk})\n"
        "print(len(node.outputs.model.configuration['members']), node.outputs.report['seeds'],\n"
        "    len(node.outputs.history.get_array('epoch')))"
    )
    *committee, epochs = members.split()
    assert " ".join(committee) == "3 [1, 2, 3]"
    assert 3 * MAX_EPOCHS - 2 <= int(epochs) <= 3 * MAX_EPOCHS  # a job may be killed before its line of progress
