"""The one-machine SLURM: written for every size of machine, and up and down for real."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from steps.progress import ALREADY_THERE, DONE, StepError
from steps.slurm_cluster import SlurmCluster
from steps.slurm_configuration import SlurmLayout, free_ports, gres_conf, slurm_conf

ABSENT = SlurmCluster(Path("unused")).missing_programs()
needs_slurm = pytest.mark.skipif(
    bool(ABSENT),
    reason=f"{', '.join(ABSENT)} not there; as root: python3 setup_profiles/slurm.py install",
)


@pytest.mark.parametrize(("cpus", "declared"), [(1, 2), (2, 2), (4, 2), (7, 4), (64, 32)])
def test_every_node_has_room_for_a_job_on_any_machine(tmp_path: Path, cpus: int, declared: int) -> None:
    text = slurm_conf(SlurmLayout(tmp_path), [1, 2, 3, 4], host="host", cpus=cpus, memory_mb=4000)
    assert re.findall(r"^NodeName=(\S+) .* CPUs=(\d+) ", text, re.MULTILINE) == [
        ("cpu1", str(declared)),
        ("cpu2", str(declared)),
        ("gpu1", str(declared)),
    ]
    assert "NodeName=gpu1" in gres_conf()


def test_ports_in_use_are_left_to_their_owners() -> None:
    first = free_ports(1)[0]
    with socket.socket() as owner:
        owner.bind(("", first))
        assert first not in free_ports(4)


def test_a_deep_checkout_still_gets_a_socket_path_that_fits(tmp_path: Path) -> None:
    deep = SlurmLayout(tmp_path / ("a" * 60) / ("b" * 60))
    assert len(os.fsencode(deep.munge_socket)) < 108
    assert deep.munge_socket != SlurmLayout(tmp_path / ("a" * 60) / ("c" * 60)).munge_socket


def test_a_machine_without_slurm_is_told_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.slurm_cluster._DAEMON_PATH", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 1000)
    cluster = SlurmCluster(tmp_path / "slurm")
    for action in (cluster.install, cluster.up):
        with pytest.raises(StepError, match="slurmctld") as failure:
            action()
        assert "apt-get install --yes slurm-wlm munge" in failure.value.remedy
    assert not (tmp_path / "slurm").exists()


def test_a_foreign_process_with_a_recycled_number_is_never_stopped(tmp_path: Path) -> None:
    layout = SlurmLayout(tmp_path)
    layout.make_folders()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        layout.pid_file("munged").write_text(str(bystander.pid), encoding="ascii")
        assert SlurmCluster(tmp_path).down() == "was not up"
        assert bystander.poll() is None
        bystander.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    private = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    private.up()
    yield private
    private.down()


def _run(cluster: SlurmCluster, *command: str, cwd: Path | None = None) -> str:
    answer = subprocess.run(
        command, env=cluster.environment(), cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


@pytest.mark.slurm
@needs_slurm
def test_jobs_run_in_the_cpu_partition_by_default(cluster: SlurmCluster) -> None:
    assert _run(cluster, "srun", "bash", "-c", "echo $SLURM_JOB_PARTITION") == "cpu"
    names = _run(cluster, "srun", "-N2", "bash", "-c", "echo $SLURMD_NODENAME").split()
    assert sorted(names) == ["cpu1", "cpu2"]


@pytest.mark.slurm
@needs_slurm
def test_a_gpu_is_handed_out_in_the_gpu_partition_only(cluster: SlurmCluster) -> None:
    show = ("bash", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert _run(cluster, "srun", "--partition=gpu", "--gres=gpu:1", *show) == "0"
    assert _run(cluster, "srun", "--partition=gpu", *show) == ""
    refused = subprocess.run(
        ["srun", "--gres=gpu:1", "true"],
        env=cluster.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0


@pytest.mark.slurm
@needs_slurm
def test_a_batch_job_runs_and_leaves_the_queue(cluster: SlurmCluster, tmp_path: Path) -> None:
    _run(cluster, "sbatch", "--wait", "--output=out", "--wrap", "hostname; echo written", cwd=tmp_path)
    assert "written" in (tmp_path / "out").read_text(encoding="utf-8")


@pytest.mark.slurm
@needs_slurm
def test_up_is_idempotent_and_down_leaves_nothing_running(tmp_path: Path) -> None:
    private = SlurmCluster(tmp_path)
    try:
        assert private.up() == DONE
        assert private.up() == ALREADY_THERE
        daemons = private.processes()
        assert sorted(daemons) == ["cpu1", "cpu2", "gpu1", "munged", "slurmctld"]
        _run(private, "sbatch", "--output=/dev/null", "--wrap", f"exec sleep 600 # {tmp_path}")
        _wait_until_running(private)
    finally:
        assert private.down() == DONE
    assert private.processes() == {}
    assert not private.conf.exists()
    assert not _command_lines_with(str(tmp_path))


@pytest.mark.slurm
@needs_slurm
def test_a_controller_that_is_back_knows_its_jobs(tmp_path: Path) -> None:
    private = SlurmCluster(tmp_path)
    with pytest.raises(StepError, match="is not up"):
        private.start_controller()
    try:
        private.up()
        assert private.start_controller() == ALREADY_THERE
        _run(private, "sbatch", "--output=/dev/null", "--wrap", f"exec sleep 600 # {tmp_path}")
        _wait_until_running(private)
        assert private.stop_controller() == DONE
        assert not private.is_controller_up()
        assert private.start_controller() == DONE
        _wait_until_running(private)
    finally:
        private.down()


def _wait_until_running(cluster: SlurmCluster) -> None:
    deadline = time.monotonic() + 30
    while _run(cluster, "squeue", "--noheader", "--format=%T") != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _command_lines_with(text: str) -> list[str]:
    """Command lines of all other processes that contain ``text``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and int(entry.parent.name) != os.getpid():
            found.append(line)
    return found
