"""A whole campaign through SLURM: labels in the partition cpu, training in the partition gpu with a GPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.engine_runs.deployment import CHECKOUT, Deployment, small_config

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("slurmctld", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") is None,
        reason="no SLURM; as root: python3 setup_profiles/slurm.py install",
    ),
]


@pytest.fixture
def slurm(tmp_path):
    folder = tmp_path / "slurm"
    command = [sys.executable, str(CHECKOUT / "setup_profiles" / "slurm.py")]
    subprocess.run([*command, "up", "--folder", str(folder)], check=True)
    yield folder
    subprocess.run([*command, "down", "--folder", str(folder)], check=True)


@pytest.fixture
def deployment(tmp_path, slurm, pw_executable, pseudopotential_folder):
    made = Deployment(tmp_path / ".aiida", SLURM_CONF=str(slurm / "slurm.conf"))
    made.setup(pw_executable, "--slurm")
    yield made
    made.stop()


def test_labels_run_in_cpu_and_training_in_gpu(deployment, tmp_path):
    pk = deployment.launch(small_config(tmp_path, "demo-slurm.yaml"))
    deployment.wait("the campaign's end", lambda: deployment.is_terminated(pk), 1200)
    conclusion = deployment.conclusion(pk)
    assert len(conclusion["patterns"]) == 2

    jobs = json.loads(
        deployment.python(
            "import json\n"
            f"jobs = [one for one in orm.load_node({pk}).called_descendants if isinstance(one, orm.CalcJobNode)]\n"
            "print(json.dumps([[one.process_label, one.computer.label, one.get_option('queue_name'),\n"
            "    one.get_option('custom_scheduler_commands'), one.is_finished_ok] for one in jobs]))"
        )
    )
    for process, computer, partition, commands, finished_ok in jobs:
        if process == "RedoxPwCalculation":
            assert (computer, partition) == ("slurm-cpu", "cpu")
        else:
            assert finished_ok
            assert (computer, partition) == ("slurm-gpu", "gpu")
            assert commands == "#SBATCH --gres=gpu:1"
    assert {process for process, *_ in jobs} >= {"RedoxPwCalculation", "TrainCalculation", "SearchCalculation"}
