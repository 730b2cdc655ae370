"""Trainings and judgements of the benchmarks: what a job does, in a folder of its own and on one core."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from ase.io import read
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, ScalarFormatter
from pydantic import BaseModel

from aiida_redoxmlp.dataset.file import read_dataset, write_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.split import split_by_trajectory
from aiida_redoxmlp.dataset.twins import twins_of
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.runners.jobs import INPUT_FILE, OUTPUT_FILE, PROGRESS_FILE, EvaluateJob, TrainJob

__all__ = (
    "DATASET",
    "SMALL",
    "closed_frames",
    "epochs_of",
    "frames_axis",
    "how_states_are_read",
    "judge",
    "plot_force_errors",
    "plot_style",
    "prepare",
    "settings_for",
    "split",
    "start",
    "train",
    "write_table",
)

DATASET = Path(__file__).resolve().parent / "data" / "limnpo4.npz"
ALLOWED_STATES = {"Mn": [2, 3]}
BATCH_SIZE = 4
HELD_OUT = 0.25
SMALL: dict[str, Any] = {
    "architecture": {"num_channels": 32, "max_L": 0, "r_max": 4.5, "radial_mlp": (16, 16)},
    "batch_size": 2,
    "learning_rate": 0.05,
}
"""Settings of a small network that learns in about a thousand steps, for comparisons that need many trainings."""


def closed_frames(dataset: Path = DATASET) -> list[Frame]:
    """Return the frames of a dataset, by default the benchmarks' own, whose charges close without doubt."""
    return [frame for frame in read_dataset(dataset) if not frame.ambiguous]


def how_states_are_read() -> dict[str, RedoxChemistry]:
    """Charges and thresholds that the dataset's states are read with, by formula of the cell."""
    found = {}
    for config in sorted(DATASET.parent.glob("limnpo4-*.yaml")):
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        formula = read(config.parent / content["structure"]).get_chemical_formula(mode="hill")
        found[str(formula)] = RedoxChemistry.model_validate(content["redox"])
    return found


def split(frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame]]:
    """Return frames to train on and to judge with: a share of the runs of molecular dynamics of every pattern.

    Relaxations are trained on. Frames of a run held out that are nearly one that is trained on are dropped.
    """
    relaxed = set(json.loads(DATASET.with_suffix(".json").read_text(encoding="utf-8"))["relaxations"])
    runs = split_by_trajectory([frame for frame in frames if frame.group not in relaxed], HELD_OUT)
    training = [*(frame for frame in frames if frame.group in relaxed), *runs.training]
    twins = set(twins_of(runs.test, training))
    return training, [frame for index, frame in enumerate(runs.test) if index not in twins]


def settings_for(n_frames: int, n_steps: int, **changes: Any) -> TrainingSettings:
    """Settings with about the same number of gradient steps, whatever the number of frames."""
    batch_size = changes.get("batch_size", BATCH_SIZE)
    epochs = max(1, round(n_steps * batch_size / n_frames))
    fixed = {"max_epochs": epochs, "patience": epochs, "batch_size": batch_size, "dtype": "float32", "device": "cpu"}
    return TrainingSettings.model_validate(fixed | changes)


def prepare(folder: Path, frames: Sequence[Frame], settings: TrainingSettings, **job: Any) -> None:
    """Write what a training job reads."""
    _write(folder, TrainJob(settings=settings, **job), frames)


def start(folder: Path, job: str = "train") -> subprocess.Popen[bytes]:
    """Start a prepared job, in a process group of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(["redoxmlp-run", job], cwd=folder, env=environment, start_new_session=True)


def train(folder: Path, frames: Sequence[Frame], settings: TrainingSettings, **job: Any) -> dict[str, Any]:
    """Train in ``folder``, where the model then is, and return the job's output."""
    prepare(folder, frames, settings, **job)
    return _output(folder, "train")


def judge(model: Path, frames: Sequence[Frame]) -> dict[str, Any]:
    """Judge a model on frames that it has not seen, all patterns of every geometry compared."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), EvaluateJob(model=str(model), allowed_states=ALLOWED_STATES), frames)
        return _output(Path(folder), "evaluate")


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    """Return the epochs a training tells of in its progress file, in order; none where it has not begun."""
    file = folder / PROGRESS_FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    entries = [json.loads(line) for line in lines if line.endswith("}")]
    return [entry for entry in entries if "loss_validation" in entry]


def plot_force_errors(axis: Axes, rows: Sequence[dict[str, Any]], *, colour: str, label: str) -> None:
    """Draw force errors over the number of frames trained on."""
    errors = [1000 * row["force_mae_ev_per_angstrom"] for row in rows]
    axis.loglog([row["n_training"] for row in rows], errors, "o-", color=colour, label=label)


def write_table(path: Path, first: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write a table of trainings, one a line, for the documentation; ``first`` is the key of the first column."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([first, "frames", "force MAE (meV/Å)", "energy MAE (meV/atom)", "pattern recovery (%)"])
        for row in rows:
            force, energy = 1000 * row["force_mae_ev_per_angstrom"], 1000 * row["energy_mae_ev_per_atom"]
            recovery = f"{100 * row['pattern_recovery']:.1f}"
            writer.writerow([row[first], row["n_training"], f"{force:.1f}", f"{energy:.2f}", recovery])


def plot_style(axis: Axes) -> None:
    """Give a panel its grid and legend."""
    axis.grid(alpha=0.3, which="both")
    axis.legend()


def frames_axis(axis: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """Write the numbers of training frames below a logarithmic axis, and plain numbers beside it."""
    sizes = sorted({row["n_training"] for row in rows})
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.xaxis.set_minor_formatter(NullFormatter())
    for formatter in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
        formatter(ScalarFormatter())


def _write(folder: Path, job: BaseModel, frames: Sequence[Frame]) -> None:
    (folder / INPUT_FILE).write_text(job.model_dump_json(), encoding="utf-8")
    write_dataset(folder / "dataset.npz", frames)


def _output(folder: Path, job: str) -> dict[str, Any]:
    if start(folder, job).wait() != 0:
        raise SystemExit(f"the job {job} failed; its last words are above")
    output: dict[str, Any] = json.loads((folder / OUTPUT_FILE).read_text(encoding="utf-8"))
    return output
