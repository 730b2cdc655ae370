#!/usr/bin/env python3
"""A SLURM cluster on one machine, for tests and trials: two nodes in partition cpu, one in partition gpu.

It has its own configuration, ports, munged and key in the checkout's ``.slurm`` folder, and never touches
a SLURM that is already on the machine. Clients find it through ``SLURM_CONF``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from steps.checkout import Checkout
from steps.progress import Progress, StepError
from steps.slurm_cluster import SlurmCluster

__all__ = ("main",)

_ACTIONS: dict[str, Callable[[SlurmCluster], str]] = {
    "up": SlurmCluster.up,
    "down": SlurmCluster.down,
    "install": SlurmCluster.install,
    "stop-controller": SlurmCluster.stop_controller,
    "start-controller": SlurmCluster.start_controller,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="slurm.py", description=__doc__)
    parser.add_argument("command", choices=(*_ACTIONS, "status"))
    parser.add_argument("--folder", type=Path, default=Checkout.of_this_file().slurm, help="default: %(default)s")
    parsed = parser.parse_args(arguments)
    cluster = SlurmCluster(parsed.folder)
    if parsed.command == "status":
        sys.stdout.write(f"{cluster.describe()}\n")
        return 0 if cluster.is_up() else 1
    try:
        Progress(1).step(f"one-machine SLURM {parsed.command}", partial(_ACTIONS[parsed.command], cluster))
    except StepError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    if parsed.command == "up":
        sys.stdout.write(f"export SLURM_CONF={cluster.conf}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
