"""Faults of a SLURM cluster and of AiiDA's daemon, made on purpose."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KINDS = ("scancel", "worker", "controller", "node", "daemon")
"""A job is cancelled; a worker of the daemon is killed; slurmctld is stopped; a node is set down; all of the daemon is
killed, its broker too."""


class Faults:
    """Makes one fault at a time and repairs it after a while, as an administrator would.

    Args:
        deployment: whose daemon is killed, and whose environment knows the cluster.
        slurm: folder of the private SLURM.
        outage: seconds that a node or the controller is away.
    """

    def __init__(self, deployment: Any, slurm: Path, *, outage: float) -> None:
        self._deployment, self._slurm, self._outage = deployment, slurm, outage
        self._began = time.monotonic()
        self.made: list[dict[str, Any]] = []

    def make(self, kind: str, choose: Callable[[list[str]], str]) -> bool:
        """Make a fault; returns False where there is nothing to hit now.

        Args:
            kind: one of ``KINDS``.
            choose: takes one of the jobs or nodes that could be hit.
        """
        jobs = self._running()
        if kind in ("scancel", "node") and not jobs:
            return False
        at = round(time.monotonic() - self._began, 1)
        hit = {
            "scancel": lambda: self._cancel(choose(sorted(jobs))),
            "worker": self._deployment.kill_worker,
            "controller": self._stop_controller,
            "node": lambda: self._set_down(choose(sorted(set(jobs.values())))),
            "daemon": self._deployment.kill_daemon,
        }[kind]()
        self.made.append({"kind": kind, "at_s": at, "hit": hit or ""})
        return True

    def _running(self) -> dict[str, str]:
        """Return the node of every job that runs."""
        lines = self._deployment.run("squeue", "--noheader", "--states=RUNNING", "--format=%A %N").splitlines()
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def _cancel(self, job: str) -> str:
        name = self._deployment.run("squeue", "--noheader", "--jobs", job, "--format=%j", check=False).strip()
        self._deployment.run("scancel", job, check=False)
        return name

    def _set_down(self, node: str) -> str:
        update = ("scontrol", "update", f"NodeName={node}")
        # Down kills its jobs, but a node that answers comes back by itself; drained it stays away.
        for state in ("DOWN", "DRAIN"):
            self._deployment.run(*update, f"State={state}", "Reason=fault")
        time.sleep(self._outage)
        self._deployment.run(*update, "State=RESUME")
        return node

    def _stop_controller(self) -> None:
        script = Path(__file__).parents[2] / "setup_profiles" / "slurm.py"
        for command, pause in (("stop-controller", self._outage), ("start-controller", 0.0)):
            subprocess.run(
                [sys.executable, str(script), command, "--folder", str(self._slurm)], check=True, capture_output=True
            )
            time.sleep(pause)
