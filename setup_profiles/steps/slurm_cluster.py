"""Bringing a private SLURM up and down without touching one that is already on the machine."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from steps.progress import ALREADY_THERE, DONE, StepError, run_logged
from steps.slurm_configuration import NODES, SlurmLayout, free_ports, gres_conf, slurm_conf

__all__ = ("SlurmCluster",)

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
_INSTALL = "apt-get update && apt-get install --yes slurm-wlm munge"
# Debian keeps the daemons where an ordinary user's path does not look.
_DAEMON_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"))
_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0
# SLURM's daemons close every possible descriptor when they start a job; containers often allow a billion.
_OPEN_FILES = 8192


class SlurmCluster:
    """The private SLURM of one folder.

    Args:
        folder: gets configuration, state, spool, logs and keys.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = SlurmLayout(folder.absolute())

    @property
    def conf(self) -> Path:
        """The file that ``SLURM_CONF`` has to name."""
        return self._layout.conf

    def environment(self) -> dict[str, str]:
        """Environment for SLURM's client programs."""
        return {**os.environ, "SLURM_CONF": str(self.conf), "PATH": _DAEMON_PATH}

    def missing_programs(self) -> tuple[str, ...]:
        """Programs of SLURM and munge that this machine lacks."""
        return tuple(program for program in _PROGRAMS if shutil.which(program, path=_DAEMON_PATH) is None)

    def install(self) -> str:
        """Install SLURM and munge from the distribution, as root on a machine with apt-get.

        Raises:
            StepError: where that is not possible, with the command to run.
        """
        if not self.missing_programs():
            return ALREADY_THERE
        if os.getuid() != 0 or shutil.which("apt-get") is None:
            raise StepError(
                f"SLURM's {', '.join(self.missing_programs())} are not on this machine.",
                f"install them as root: {_INSTALL}",
            )
        # Without a policy the packages would start daemons for the whole machine.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run_logged(
            ["bash", "-c", _INSTALL],
            self._layout.log("install"),
            what="apt-get could not install SLURM and munge.",
            remedy=f"see the log, check the network, then run: {_INSTALL}",
            env=environment,
        )
        return DONE

    def is_up(self) -> bool:
        """Whether the controller answers and every node can take jobs."""
        return self.conf.is_file() and self._usable_nodes() == set(NODES)

    def up(self) -> str:
        """Start munged, slurmctld and a slurmd for each node, and wait until all nodes take jobs.

        Raises:
            StepError: when a daemon does not start.
        """
        if self.is_up():
            return ALREADY_THERE
        if self.missing_programs():
            raise StepError(
                f"SLURM's {', '.join(self.missing_programs())} are not on this machine.",
                f"run `python3 setup_profiles/slurm.py install` as root, or: {_INSTALL}",
            )
        self.down()
        layout = self._layout
        layout.make_folders()
        self._write_configuration()
        self._start_munged()
        self._start_controller()
        for node in NODES:
            self._start(node, ["slurmd", "-f", str(self.conf), "-N", node])
        if not _wait_for(self.is_up, _READY_SECONDS):
            missing = ", ".join(sorted(set(NODES) - self._usable_nodes()))
            log = layout.log(missing.split(", ")[0])
            self.down()
            raise StepError(
                f"The nodes {missing} of the one-machine SLURM did not come up in {_READY_SECONDS:.0f} s.",
                "see the logs in .slurm/log",
                log,
            )
        return DONE

    def down(self) -> str:
        """Cancel the jobs and stop the daemons; returns ``DONE`` or that there was nothing to stop."""
        if self.is_controller_up():
            jobs = self._ask("squeue", "--noheader", "--format=%A").split()
            if jobs:
                self._ask("scancel", *jobs)
                _wait_for(lambda: not self._ask("squeue", "--noheader").strip(), _STOP_SECONDS)
        stopped = [self._stop_daemon(daemon) for daemon in (*NODES, "slurmctld", "munged")]
        self._layout.conf.unlink(missing_ok=True)
        return DONE if any(stopped) else "was not up"

    def stop_controller(self) -> str:
        """Stop slurmctld alone, as in an outage: jobs go on, but nobody can ask for them or submit others."""
        return DONE if self._stop_daemon("slurmctld") else "was not up"

    def start_controller(self) -> str:
        """Start slurmctld again, with the jobs that it knew.

        Raises:
            StepError: when it does not start, or the cluster is not up otherwise.
        """
        if self.is_controller_up():
            return ALREADY_THERE
        if not self.conf.is_file():
            raise StepError("The one-machine SLURM is not up.", "run `python3 setup_profiles/slurm.py up`")
        self._start_controller()
        if not _wait_for(self.is_controller_up, _READY_SECONDS):
            raise StepError(
                f"slurmctld did not answer in {_READY_SECONDS:.0f} s.",
                "see the logs in .slurm/log",
                self._layout.log("slurmctld"),
            )
        return DONE

    def is_controller_up(self) -> bool:
        """Whether slurmctld answers."""
        return self.conf.is_file() and "UP" in self._ask("scontrol", "ping")

    def describe(self) -> str:
        """One line for ``status``."""
        if self.is_up():
            return f"up; export SLURM_CONF={self.conf}"
        return f"not there ({_INSTALL})" if self.missing_programs() else "down"

    def processes(self) -> dict[str, int]:
        """Process number of every daemon that runs."""
        running = {daemon: self._process_of(daemon) for daemon in ("munged", "slurmctld", *NODES)}
        return {daemon: process for daemon, process in running.items() if process is not None}

    def _write_configuration(self) -> None:
        page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        text = slurm_conf(
            self._layout,
            free_ports(1 + len(NODES)),
            host=socket.gethostname().split(".")[0],
            cpus=os.cpu_count() or 1,
            memory_mb=page * pages // 2**20,
        )
        self.conf.write_text(text, encoding="utf-8")
        self.conf.with_name("gres.conf").write_text(gres_conf(), encoding="utf-8")

    def _start_controller(self) -> None:
        self._start("slurmctld", ["slurmctld", "-f", str(self.conf)])

    def _start_munged(self) -> None:
        layout = self._layout
        if not layout.munge_key.is_file():
            layout.munge_key.touch(mode=0o600)
            layout.munge_key.write_bytes(os.urandom(128))
        command = ["munged", f"--key-file={layout.munge_key}", f"--socket={layout.munge_socket}"]
        command += [f"--pid-file={layout.pid_file('munged')}", f"--log-file={layout.log('munged')}"]
        # The folders are closed to everybody else, which munged finds too strict for a socket; hence --force.
        command += [f"--seed-file={layout.folder / 'munge' / 'seed'}", "--num-threads=2", "--force"]
        self._start("munged", command)

    def _start(self, daemon: str, command: Sequence[str]) -> None:
        log = self._layout.log(f"{daemon}-start")
        program = shutil.which(command[0], path=_DAEMON_PATH) or command[0]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
        try:
            run_logged(
                [program, *command[1:]],
                log,
                what=f"{daemon} of the one-machine SLURM did not start.",
                remedy=f"see {self._layout.log(daemon)} and the log below",
                env=self.environment(),
            )
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def _usable_nodes(self) -> set[str]:
        lines = self._ask("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
        pairs = [line.split() for line in lines if len(line.split()) == 2]
        return {node for node, state in pairs if state in {"idle", "mixed", "allocated", "completing"}}

    def _ask(self, *command: str) -> str:
        """Output of a client program; empty where it fails, which is an answer here."""
        try:
            answer = subprocess.run(
                command,
                env=self.environment(),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return answer.stdout

    def _process_of(self, daemon: str) -> int | None:
        """The daemon's process, or None: a number that now belongs to another program does not count."""
        try:
            process = int(self._layout.pid_file(daemon).read_text(encoding="ascii"))
            command_line = Path(f"/proc/{process}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return process if os.fsencode(self._layout.folder) in command_line else None

    def _stop_daemon(self, daemon: str) -> bool:
        process = self._process_of(daemon)
        if process is None:
            return False
        for stop in (signal.SIGTERM, signal.SIGKILL):
            os.kill(process, stop)
            if _wait_for(lambda: self._process_of(daemon) is None, _STOP_SECONDS):
                break
        self._layout.pid_file(daemon).unlink(missing_ok=True)
        return True


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
