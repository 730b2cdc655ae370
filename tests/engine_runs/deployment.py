"""A profile of its own with daemon and codes, driven as a user would: through the command line."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

SMALL: dict[str, Any] = {
    "label": {
        "pw": {"SYSTEM": {"ecutwfc": 20.0, "ecutrho": 120.0}},
        "relax": {"nstep": 5},
        "max_attempts": 1,
        "conv_thr_per_atom": 1.0e-6,
    },
    "molecular_dynamics": False,
    "test_fraction": 0.5,
    "n_check": 1,
    "training": {"seeds": [1, 2], "max_epochs": 5, "patience": 5, "device": "cpu"},
    "search": {"reduce_by_symmetry": False, "max_steps": 5},
}
"""Overrides that make the demonstration as small as a whole campaign can be."""

ONE_LABEL: dict[str, Any] = {
    "overrides": {"label": SMALL["label"]},
    "budget": {"labels": 1, "iterations": 1},
    "selection": {"n_labels": 1, "band": {"floor": 0.0, "ceiling": None}},
    "explore": {
        "walks": [{"stages": [{"n_steps": 3, "temperature": 300}], "timestep": 0.5, "frame_interval": 3}],
        "variations": {},
        "device": "cpu",
    },
    "training": {key: SMALL["training"][key] for key in ("max_epochs", "patience", "device")},
}
"""Keys that make a loop as small as one can be."""


def processes_in(folder: str) -> list[int]:
    """Return the processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == Path(folder):
                found.append(int(process.name))
    return found


class Deployment:
    """One AiiDA configuration folder with a profile, a daemon and codes."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._set_up_with: tuple[str, ...] = ()
        path = os.pathsep.join([str(BIN), str(CHECKOUT / ".qe" / "bin"), os.environ["PATH"]])
        self.environment = {
            **os.environ,
            "AIIDA_PATH": str(folder),
            "PATH": path,
            "PYTHONUNBUFFERED": "1",
            **environment,
        }

    def run(self, *command: str, check: bool = True, timeout: float = 600) -> str:
        """Run a command in this deployment and return what it printed."""
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def python(self, code: str) -> str:
        """Run Python lines with the profile loaded."""
        return self.run(
            sys.executable,
            "-W",
            "ignore",
            "-c",
            f"from aiida import load_profile, orm\nload_profile()\n{code}",
        )

    def setup(self, pw: str, *options: str) -> None:
        """Make profile, computers, codes and start the daemon, as ``make setup`` does."""
        self._set_up_with = (pw, *options)
        self.folder.mkdir(parents=True, exist_ok=True)
        hp = str(Path(pw).with_name("hp.x"))
        self.run(sys.executable, "setup_profiles/aiida_profile.py", "setup", "--pw", pw, "--hp", hp, *options)

    def stop(self) -> None:
        """Stop the daemon."""
        self.run("verdi", "daemon", "stop", check=False)

    def launch(self, config: Path, workflow: str = "campaign") -> int:
        """Submit a workflow and return its PK."""
        printed = self.run("aiida-redoxmlp", "launch", workflow, "--config", str(config), "--no-wait")
        return int(printed.partition("WorkChain<")[2].partition(">")[0])

    def jobs(self, process_label: str) -> list[dict[str, Any]]:
        """Attributes of all calculations of one kind."""
        found = self._attributes("node_type = 'process.calculation.calcjob.CalcJobNode.'")
        return [one for one in found if one["process_label"] == process_label]

    def running_jobs(self, process_label: str) -> int:
        """Number of calculations of one kind whose job runs."""
        return sum(one.get("state") == "withscheduler" for one in self.jobs(process_label))

    def wait(self, what: str, condition: Any, timeout: float) -> None:
        """Wait until ``condition()`` holds."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(
                    f"{what} did not happen in {timeout:.0f} s:\n{self.run('verdi', 'process', 'list', '-a')}"
                )
            time.sleep(1)

    def is_terminated(self, pk: int) -> bool:
        """Whether a process has ended."""
        (process,) = self._attributes(f"id = {pk}")
        return process.get("process_state") in {"finished", "excepted", "killed"}

    def _attributes(self, condition: str) -> list[dict[str, Any]]:
        """Attributes of nodes, from the database file: a wait that asks often leaves the processors to the jobs."""
        (database,) = self.folder.rglob("database.sqlite")
        with closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True, timeout=60)) as connection:
            rows = connection.execute(f"SELECT attributes FROM db_dbnode WHERE {condition}")  # noqa: S608
            return [json.loads(row) for (row,) in rows]

    def conclusion(self, pk: int) -> dict[str, Any]:
        """The conclusion of a finished campaign."""
        report = self.run("verdi", "process", "report", str(pk))
        assert self.python(f"print(orm.load_node({pk}).is_finished_ok)").strip() == "True", report
        answer: dict[str, Any] = json.loads(
            self.python(f"import json\nprint(json.dumps(orm.load_node({pk}).outputs.conclusion.get_dict()))")
        )
        return answer

    def kill_worker(self) -> None:
        """Kill the daemon's workers without letting them say goodbye."""
        pids = self.python(
            "from aiida.engine.daemon.client import get_daemon_client\n"
            "info = get_daemon_client().get_worker_info()['info']\n"
            "print(*info)"
        ).split()
        assert pids
        for pid in pids:
            os.kill(int(pid), signal.SIGKILL)

    def kill_daemon(self) -> None:
        """Kill all of the daemon, workers and broker too, without letting it say goodbye, and set up again."""
        number = self.python(
            "from aiida.engine.daemon.client import get_daemon_client as c\nprint(c().get_daemon_pid())"
        )
        daemon = psutil.Process(int(number))
        for process in (daemon, *daemon.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.setup(*self._set_up_with)


def small_config(folder: Path, example: str, **changes: Any) -> Path:
    """Write the small version of an example configuration."""
    return _rewritten(folder, example, {"overrides": {**SMALL, **changes}})


def one_label_config(folder: Path, campaign: int) -> Path:
    """Write the demonstration's active learning, of one label, from a campaign."""
    return _rewritten(folder, "demo-active-learning.yaml", {**ONE_LABEL, "campaign": campaign})


def _rewritten(folder: Path, example: str, changes: dict[str, Any]) -> Path:
    content = yaml.safe_load((CHECKOUT / "examples" / example).read_text(encoding="utf-8"))
    content |= {"structure": str(CHECKOUT / "examples" / content["structure"]), **changes}
    path = folder / example
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path
