"""What benchmarks on the private SLURM share: the environment, waiting for a process, wall times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from profile_environment import run_in_environment

CHECKOUT = Path(__file__).parents[1]


def run_on_slurm(script: str) -> None:
    """Start SLURM, run ``script measure`` in the profile's environment, stop SLURM."""
    bootstrap = [sys.executable, str(CHECKOUT / "setup_profiles" / "bootstrap.py")]
    subprocess.run([*bootstrap, "slurm"], check=True)
    try:
        run_in_environment(CHECKOUT, Path(script), "measure")
    finally:
        subprocess.run([sys.executable, str(CHECKOUT / "setup_profiles" / "slurm.py"), "down"], check=True)


def finish(*nodes: Any) -> None:
    """Wait for processes to end well, one after the other."""
    from rich.console import Console  # noqa: PLC0415 - not where SLURM is started

    from aiida_redoxmlp.cli.watch import watch  # noqa: PLC0415

    for node in nodes:
        watch(node, Console())
        if not node.is_finished_ok:
            raise SystemExit(f"{node.process_label}<{node.pk}> failed: {node.exit_message}")


def wall_time(node: Any) -> float:
    """Return the seconds from a process's creation to its last change."""
    return float((node.mtime - node.ctime).total_seconds())
