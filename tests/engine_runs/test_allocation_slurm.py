"""Jobs of the computer of `setup_profiles/slurm-allocation` run beside each other in one SLURM job, and wait for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from aiida import orm
from aiida.engine import WorkChain, run_get_node
from aiida.orm.utils.builders.computer import ComputerBuilder
from aiida.plugins import CalculationFactory

from aiida_redoxmlp.cli.checks import check_resources
from aiida_redoxmlp.cli.resources_config import Resources
from tests.engine_runs.deployment import CHECKOUT

FOLDER = CHECKOUT / "setup_profiles" / "slurm-allocation"
ArithmeticAdd = CalculationFactory("core.arithmetic.add")
N_JOBS, N_CORES = 5, 4
PROGRAM = """#!/bin/bash
echo "$SLURM_JOB_ID $(date +%s.%N)" >&2
sleep 4
bash
echo "$SLURM_STEP_ID $(date +%s.%N)" >&2
"""

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("slurmctld", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") is None,
        reason="no SLURM; as root: python3 setup_profiles/slurm.py install",
    ),
]


class ManyJobs(WorkChain):
    """Short jobs, all at once."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("code", valid_type=orm.InstalledCode)
        spec.outline(cls.submit_all, cls.wait_for_all)

    def submit_all(self):
        options = {**Resources().options(), "withmpi": True}
        for number in range(N_JOBS):
            inputs = {"x": orm.Int(number), "y": orm.Int(1), "code": self.inputs.code, "metadata": {"options": options}}
            self.to_context(**{f"job_{number}": self.submit(ArithmeticAdd, **inputs)})

    def wait_for_all(self):
        """A work chain waits before a step, not after the last."""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    folder = tmp_path / "slurm"
    command = [sys.executable, str(CHECKOUT / "setup_profiles" / "slurm.py")]
    subprocess.run([*command, "up", "--folder", str(folder)], check=True)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    yield
    subprocess.run(["scancel", "--me"], check=False)
    subprocess.run([*command, "down", "--folder", str(folder)], check=True)


@pytest.fixture
def code(aiida_profile_clean, tmp_path):
    content = yaml.safe_load(filled("computer.yaml", work_dir=str(tmp_path / "work"), cores_per_node="1"))
    content["prepend_text"] = content["prepend_text"].replace("sleep 30", "sleep 1")
    defaults = {"use_double_quotes": False, "default_memory_per_machine": None, "append_text": ""}
    computer = ComputerBuilder(**{**defaults, **content, "transport": "core.local"}).new().store()
    computer.configure(safe_interval=0.0, use_login_shell=False)
    computer.set_minimum_job_poll_interval(1.0)
    program = tmp_path / "short-job"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return orm.InstalledCode(label="add", computer=computer, filepath_executable=str(program), with_mpi=True).store()


def filled(name: str, **values: str) -> str:
    """Return a file with its placeholders replaced."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    for placeholder, value in {"label": "many", "hostname": "localhost", "allocation": "labels", **values}.items():
        text = text.replace("{{ " + placeholder + " }}", value)
    return text


def submit_allocation(folder: Path) -> str:
    (folder / "allocation.sh").write_text(filled("allocation.sh", cores_per_node="2").replace("2G", "100M"))
    done = subprocess.run(
        ["sbatch", "--parsable", "--begin=now+6", "allocation.sh"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def test_short_jobs_share_one_slurm_job(slurm, code, tmp_path):
    check_resources(code, Resources(), "resources.dft")
    allocation, submitted = submit_allocation(tmp_path), time.time()
    _, node = run_get_node(ManyJobs, code=code)
    assert node.is_finished_ok
    assert all(job.is_finished_ok for job in node.called), [job.get_scheduler_stderr() for job in node.called]
    assert [job.outputs.sum.value for job in node.called] == [number + 1 for number in range(N_JOBS)]
    spans = []
    for job in node.called:
        first, last = (line.split() for line in job.get_scheduler_stderr().splitlines() if not line.startswith("srun"))
        assert first[0] == allocation
        spans.append((float(first[1]), float(last[1])))
    begun, ended = zip(*sorted(spans), strict=True)
    assert begun[0] > submitted + 5
    assert begun[N_CORES - 1] < min(ended)
    assert begun[N_CORES] > min(ended)
    assert os.environ.get("SLURM_JOB_ID") is None
