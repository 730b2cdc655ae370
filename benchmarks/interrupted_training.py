"""Does a training that is killed at random moments end like one that is not?

Run it from a checkout, in its environment: ``python benchmarks/interrupted_training.py``. A committee member is trained
on frames of ``benchmarks/data/limnpo4.npz`` once without a break and several times with a SIGKILL after a random time,
then started again from the job's checkpoints. Writes ``results/interrupted_training.json``: validation losses of all,
their largest relative difference, and the epochs that were computed twice. ``docs/images/interrupted-training.png``
shows the losses over the epochs.
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

import matplotlib.pyplot as plt
from training_runs import closed_frames, epochs_of, plot_style, prepare, start, train

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.subsets import nested_subsets
from aiida_redoxmlp.engines.settings import TrainingSettings

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "interrupted_training.json"
FIGURE = CHECKOUT / "docs" / "images" / "interrupted-training.png"


def interrupted(frames: list[Frame], settings: TrainingSettings, within: float, kills: int) -> dict[str, Any]:
    """Train with ``kills`` kills, each some time within ``within`` s of the start or restart."""
    moments = [random.uniform(0.1, 0.9) * within for _ in range(kills)]  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, frames, settings)
        reached = []
        for moment in moments:
            process = start(folder)
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reached.append(len(epochs_of(folder)))
        if start(folder).wait() != 0:
            raise SystemExit("the restarted training failed; its last words are above")
        epochs = epochs_of(folder)
    computed = Counter(entry["epoch"] for entry in epochs)
    return {
        "killed_after_s": [round(moment, 1) for moment in moments],
        "killed_after_epochs": reached,
        "best_validation_loss": min(entry["loss_validation"] for entry in epochs),
        "last_epoch": max(computed),
        "epochs_computed_twice": sum(count - 1 for count in computed.values()),
        "validation_losses": losses_by_epoch(epochs),
    }


def losses_by_epoch(epochs: list[dict[str, Any]]) -> list[float]:
    """Return the validation loss of every epoch, in order."""
    last = {entry["epoch"]: entry["loss_validation"] for entry in epochs}
    return [last[epoch] for epoch in sorted(last)]


def plot(unbroken: list[float], trials: list[dict[str, Any]]) -> None:
    """Draw the validation losses over the epochs, and where jobs were killed."""
    figure, axis = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    axis.semilogy(range(1, len(unbroken) + 1), unbroken, color="black", label="without a break")
    for number, (trial, marker) in enumerate(zip(trials, "osD^v" * len(trials), strict=False), start=1):
        losses = trial["validation_losses"]
        label = f"killed after epochs {' and '.join(map(str, trial['killed_after_epochs']))}"
        style = {"color": f"C{number - 1}", "markersize": 10 - 2 * number, "fillstyle": "none"}
        axis.semilogy(range(1, len(losses) + 1), losses, marker, label=label, **style)
    axis.set(xlabel="epoch", ylabel="validation loss", xticks=range(0, len(unbroken) + 1, 5))
    plot_style(axis)
    figure.savefig(FIGURE, dpi=150)


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
        unbroken = losses_by_epoch(epochs_of(Path(folder)))
    trials = [interrupted(frames, settings, wall_time / 2, arguments.kills) for _ in range(arguments.trials)]
    result = {
        "n_frames": len(frames),
        "epochs": arguments.epochs,
        "unbroken_validation_loss": min(unbroken),
        "trials": trials,
        "largest_relative_difference": max(abs(one["best_validation_loss"] / min(unbroken) - 1) for one in trials),
        "most_epochs_computed_twice_a_kill": max(one["epochs_computed_twice"] for one in trials) / arguments.kills,
    }
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    plot(unbroken, trials)
    sys.stdout.write(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
