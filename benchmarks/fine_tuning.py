"""How many labels does fine-tuning from a related potential save?

Run it from a checkout, in its environment: ``python benchmarks/fine_tuning.py [--processes N]``. A redox-aware
potential of Li½MnPO4 (``benchmarks/data/limnpo4.npz``, all frames of that composition) is the foundation model; with
``--foundation none`` it is redox-unaware. Redox-aware potentials of Li¼MnPO4 and Li¾MnPO4 are trained on nested
subsets, from scratch and from the foundation model, with about the same number of gradient steps, and judged on the
same frames held out. Writes
``results/fine_tuning.json``, a table of it and ``docs/images/fine-tuning.png``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from training_runs import (
    SMALL,
    closed_frames,
    frames_axis,
    judge,
    plot_force_errors,
    plot_style,
    settings_for,
    split,
    train,
    write_table,
)

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.subsets import nested_subsets

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "fine_tuning.json"
FIGURE = CHECKOUT / "docs" / "images" / "fine-tuning.png"
STARTS = ("from scratch", "fine-tuned")
FINE_RATE = 0.02


def lithium_content(frame: Frame) -> float:
    """Return the number of Li atoms for each Mn."""
    numbers = frame.configuration.numbers
    return float(np.sum(numbers == 3) / np.sum(numbers == 25))


def one_training(start: str, foundation: Path, training: list[Frame], test: list[Frame], steps: int) -> dict[str, Any]:
    """Train one potential and judge it."""
    with tempfile.TemporaryDirectory() as name:
        folder, changes, job = Path(name), SMALL, {}
        if start == "fine-tuned":
            shutil.copytree(foundation, folder / "foundation")
            job = {"foundation": "foundation"}
            changes = SMALL | {"fine_tuning": {"mode": "naive"}, "learning_rate": FINE_RATE}
        train(folder, training, settings_for(len(training), steps, seeds=[1], **changes), **job)
        result = judge(folder / "model", test)
    sys.stdout.write(f"{start}, {len(training)} frames: {result['force_mae_ev_per_angstrom']:.4f} eV/Å\n")
    sys.stdout.flush()
    kept = ("energy_mae_ev_per_atom", "force_mae_ev_per_angstrom", "pattern_recovery")
    return {"start": start, "n_training": len(training), **{key: result[key] for key in kept}}


def frames_needed(rows: list[dict[str, Any]]) -> float:
    """Return the fine-tuned potential's number of frames at the from-scratch potential's last force error."""
    goal = max((row for row in rows if row["start"] == "from scratch"), key=lambda row: row["n_training"])
    own = sorted((row for row in rows if row["start"] == "fine-tuned"), key=lambda row: row["n_training"])
    errors = np.minimum.accumulate([row["force_mae_ev_per_angstrom"] for row in own])
    sizes = [float(np.log(row["n_training"])) for row in own]
    reached = np.interp(-np.log(goal["force_mae_ev_per_angstrom"]), -np.log(errors), sizes)
    return float(np.exp(reached))


def plot(rows: list[dict[str, Any]]) -> None:
    """Force error over the number of frames, both starts."""
    figure, axis = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    for start, colour in zip(STARTS, ("tab:gray", "tab:blue"), strict=True):
        plot_force_errors(axis, [row for row in rows if row["start"] == start], colour=colour, label=start)
    axis.set(xlabel="training frames of Li¼MnPO4 and Li¾MnPO4", ylabel="force MAE (meV/Å), frames held out")
    frames_axis(axis, rows)
    plot_style(axis)
    figure.savefig(FIGURE, dpi=150)


def main() -> None:
    """Train the foundation model, then both curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--foundation-steps", type=int, default=4000)
    parser.add_argument("--foundation", choices=("species", "none"), default="species", help="its encoding")
    parser.add_argument("--sizes", type=int, nargs="*", default=[14, 28, 56, 100])
    arguments = parser.parse_args()
    frames = closed_frames()
    training, test = split([frame for frame in frames if lithium_content(frame) != 0.5])
    known = [frame for frame in frames if lithium_content(frame) == 0.5]
    sizes = sorted({size for size in arguments.sizes if size < len(training)} | {len(training)})
    subsets = nested_subsets(training, sizes)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.processes) as pool:
        settings = settings_for(
            len(known), arguments.foundation_steps, encoding=arguments.foundation, seeds=[1], **SMALL
        )
        train(Path(folder), known, settings)
        tasks = [(start, size) for size in reversed(sizes) for start in STARTS]
        run = [
            pool.submit(one_training, start, Path(folder) / "model", list(subsets[size]), test, arguments.steps)
            for start, size in tasks
        ]
        rows = sorted((one.result() for one in run), key=lambda row: (row["start"], row["n_training"]))
    needed = frames_needed(rows)
    result = {
        "foundation_encoding": arguments.foundation,
        "n_foundation_frames": len(known),
        "n_training_frames": len(training),
        "n_test_frames": len(test),
        "gradient_steps": arguments.steps,
        "trainings": rows,
        "frames_for_the_error_from_scratch": round(needed, 1),
        "share_of_the_frames": round(needed / len(training), 3),
    }
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_table(RESULTS.with_suffix(".csv"), "start", rows)
    plot(rows)


if __name__ == "__main__":
    main()
