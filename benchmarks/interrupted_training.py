"""Does a training that is killed at random moments end like one that is not?

Run it from a checkout, in its environment: ``python benchmarks/interrupted_training.py``. A committee member is trained
on frames of ``benchmarks/data/limnpo4.npz`` once without a break and several times with a SIGKILL after a random time,
then started again from the job's checkpoints. Writes ``results/interrupted_training.json``: validation losses of all,
their largest relative difference, and the epochs that were computed twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from training_runs import closed_frames, epochs_of, prepare, start, train

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.subsets import nested_subsets
from aiida_redoxmlp.engines.settings import TrainingSettings

RESULTS = Path(__file__).resolve().parent / "results" / "interrupted_training.json"


def interrupted(frames: list[Frame], settings: TrainingSettings, within: float, kills: int) -> dict[str, Any]:
    """Train with ``kills`` kills, each some time within ``within`` s of the start or restart."""
    moments = [random.uniform(0.1, 0.9) * within for _ in range(kills)]  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, frames, settings)
        for moment in moments:
            process = start(folder)
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if start(folder).wait() != 0:
            raise SystemExit("the restarted training failed; its last words are above")
        epochs = epochs_of(folder)
    computed = Counter(entry["epoch"] for entry in epochs)
    return {
        "killed_after_s": [round(moment, 1) for moment in moments],
        "best_validation_loss": min(entry["loss_validation"] for entry in epochs),
        "last_epoch": max(computed),
        "epochs_computed_twice": sum(count - 1 for count in computed.values()),
    }


def main() -> None:
    """Train, kill, train again, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    frames = list(nested_subsets(closed_frames(), [arguments.frames])[arguments.frames])
    settings = TrainingSettings(
        seeds=(1,), max_epochs=arguments.epochs, patience=arguments.epochs, dtype="float32", device="cpu"
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        train(Path(folder), frames, settings)
        wall_time = time.monotonic() - started
        unbroken = min(entry["loss_validation"] for entry in epochs_of(Path(folder)))
    trials = [interrupted(frames, settings, wall_time / 2, arguments.kills) for _ in range(arguments.trials)]
    result = {
        "n_frames": len(frames),
        "epochs": arguments.epochs,
        "unbroken_validation_loss": unbroken,
        "trials": trials,
        "largest_relative_difference": max(abs(one["best_validation_loss"] / unbroken - 1) for one in trials),
        "most_epochs_computed_twice_a_kill": max(one["epochs_computed_twice"] for one in trials) / arguments.kills,
    }
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
