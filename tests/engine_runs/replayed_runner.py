"""``redoxmlp-run`` whose explorations meet the frames of a pool; every other job is the real one.

``replayed_runner.py POOL SECONDS JOB [FOLDER]``: instead of letting walkers move, an exploration takes its time and
hands over all geometries of the pool, with what the committee says of them and a real selection.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aiida_redoxmlp.active_learning.exploration.exploring import Exploration
from aiida_redoxmlp.active_learning.exploration.frames import ExploredFrame
from aiida_redoxmlp.active_learning.exploration.snapshot import Snapshot
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.runners.command import main as real_program
from aiida_redoxmlp.runners.explore import hand_over
from aiida_redoxmlp.runners.explore_job import ExploreJob
from aiida_redoxmlp.runners.job_files import read_job
from aiida_redoxmlp.runners.progress import ProgressLog
from aiida_redoxmlp.testing.replayed_pool import ReplayedPool


def explore(pool: Path, seconds: float, folder: Path) -> None:
    """Write an exploration's output in a job's folder."""
    log = ProgressLog(folder, "explore")
    job = read_job(folder, ExploreJob)
    frames = read_dataset(pool)
    log.write({"event": "exploring", "steps": 0, "of": len(frames)})
    time.sleep(seconds)
    potential = load_potential(folder / job.model, job.settings.device)
    candidates = ReplayedPool(frames, job.chemistry).candidates()
    results = potential.evaluate([one.configuration for one in candidates])
    met = tuple(
        ExploredFrame.of(Snapshot.of(one.configuration, result, step=one.step), frame.redox_sites, one.origin)
        for one, result, frame in zip(candidates, results, frames, strict=True)
    )
    found = Exploration(met, walkers=(), warnings=(), complete=True)
    hand_over(folder, job, potential, found, log)


def main(arguments: Sequence[str]) -> int:
    """Run one job; returns the exit code."""
    pool, seconds, job, *folder = arguments
    if job != "explore":
        return real_program([job, *folder])
    explore(Path(pool), float(seconds), Path(*folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
