"""A loop on a private SLURM that jobs, nodes, the scheduler and the daemon let down, and one that nothing disturbs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.engine_runs.deployment import CHECKOUT
from tests.engine_runs.faults import KINDS

pytest.importorskip("mace")

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("slurmctld", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") is None,
        reason="no SLURM; as root: python3 setup_profiles/slurm.py install",
    ),
]


def test_a_loop_under_faults_ends_with_the_dataset_of_an_undisturbed_one(tmp_path, pseudopotential_folder):
    output = tmp_path / "result.json"
    script = CHECKOUT / "benchmarks" / "loop_under_faults.py"
    command = [sys.executable, "-W", "ignore", str(script), "--quick", "--output", str(output)]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert output.exists(), ended.stdout + ended.stderr
    result = json.loads(output.read_text())
    assert {fault["kind"] for fault in result["faults"]} == set(KINDS), ended.stdout
    assert result["undisturbed"]["jobs_not_ok"] == []
    assert result["disturbed"]["jobs_not_ok"]
    for loop in (result["undisturbed"], result["disturbed"]):
        assert (loop["exit_status"], loop["n_frames"], loop["labels_failed"]) == (0, 8, 0)
    assert result["same_dataset"]
    assert result["same_committee"]
