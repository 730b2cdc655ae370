"""Does a potential that knows oxidation states find DFT's pattern, and how does that grow with the training set?

Run it from a checkout, in its environment: ``python benchmarks/redox_awareness.py [--processes N]``. Frames of
``benchmarks/data/limnpo4.npz`` are held out by trajectory and pattern; committees are trained on nested subsets of the
rest with about the same number of gradient steps, redox-aware (``species``) and redox-unaware (``none``), and on all of
it with the encodings of ``--others``. Every geometry held out is judged with all its charge-balanced patterns. Writes
``results/redox_awareness.json``, a table of it and ``docs/images/redox-awareness.png``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from training_runs import (
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
from aiida_redoxmlp.dataset.strata import pattern_names
from aiida_redoxmlp.dataset.subsets import nested_subsets

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "redox_awareness.json"
FIGURE = CHECKOUT / "docs" / "images" / "redox-awareness.png"
CURVE = ("species", "none")
OTHERS = ("embedding", "species+spin", "embedding+spin")
TRAINING: dict[str, Any] = {
    "architecture": {"num_channels": 32, "max_L": 0, "max_ell": 3, "correlation": 3, "r_max": 5.0},
    "batch_size": 2,
    "learning_rate": 0.05,
}
KEPT = (
    "energy_mae_ev_per_atom", "force_mae_ev_per_angstrom", "force_rmse_ev_per_angstrom", "pattern_recovery",
    "chance_recovery", "n_recovery_frames", "per_species", "per_pattern", "force_calibration", "energy_calibration",
)  # fmt: skip


def one_committee(encoding: str, training: list[Frame], test: list[Frame], arguments: Any) -> dict[str, Any]:
    """Train and judge one committee."""
    settings = settings_for(
        len(training),
        arguments.steps,
        encoding=encoding,
        seeds=list(range(1, arguments.members + 1)),
        **TRAINING,
    )
    with tempfile.TemporaryDirectory() as folder:
        output = train(Path(folder), training, settings)
        result = judge(Path(folder) / "model", test)
    sys.stdout.write(f"{encoding} on {len(training)}: {result['force_mae_ev_per_angstrom']:.4f} eV/Å\n")
    sys.stdout.flush()
    return {
        "encoding": encoding,
        "n_training": len(training),
        "best_epochs": output["best_epochs"],
        **{key: result[key] for key in KEPT},
    }


def plot(rows: list[dict[str, Any]]) -> None:
    """Force error and pattern recovery over the number of training frames, two encodings side by side."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    labels = {"species": "redox-aware (species)", "none": "redox-unaware"}
    for encoding, colour in zip(CURVE, ("tab:blue", "tab:gray"), strict=True):
        own = [row for row in rows if row["encoding"] == encoding]
        plot_force_errors(axes[0], own, colour=colour, label=labels[encoding])
        if encoding != "none":
            recovered = [100 * row["pattern_recovery"] for row in own]
            axes[1].plot([row["n_training"] for row in own], recovered, "o-", color=colour)
    axes[1].axhline(100 * rows[0]["chance_recovery"], color="tab:gray", linestyle="--", label="guessing")
    axes[0].set(xlabel="training frames", ylabel="force MAE (meV/Å)", title="Frames held out")
    axes[1].set(xlabel="training frames", ylabel="lowest pattern is DFT's (%)", ylim=(0, 103), title="Pattern recovery")
    for axis in axes:
        frames_axis(axis, rows)
        plot_style(axis)
    figure.savefig(FIGURE, dpi=150)


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--sizes", type=int, nargs="*", default=[40, 120])
    parser.add_argument("--others", nargs="*", default=[], choices=OTHERS)
    arguments = parser.parse_args()
    frames = closed_frames()
    training, test = split(frames)
    sizes = sorted({size for size in arguments.sizes if size < len(training)} | {len(training)})
    subsets = nested_subsets(training, sizes)
    tasks = [(encoding, size) for size in reversed(sizes) for encoding in CURVE]
    tasks += [(encoding, sizes[-1]) for encoding in arguments.others]
    with ThreadPoolExecutor(arguments.processes) as pool:
        rows = list(pool.map(lambda task: one_committee(task[0], list(subsets[task[1]]), test, arguments), tasks))
    rows.sort(key=lambda row: row["n_training"])
    result = {
        "n_frames": len(frames),
        "n_members": arguments.members,
        "gradient_steps": arguments.steps,
        "training": TRAINING,
        "training_frames": dict(sorted(Counter(pattern_names(training)).items())),
        "test_frames": dict(sorted(Counter(pattern_names(test)).items())),
        "committees": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_table(RESULTS.with_suffix(".csv"), "encoding", rows)
    plot([row for row in rows if row["encoding"] in CURVE])


if __name__ == "__main__":
    main()
