"""How fast is a training on a GPU, at which batch size is the GPU full, and what does cuEquivariance add?

Run it from a checkout on a machine with an NVIDIA GPU, in its environment:
``python benchmarks/training_throughput.py``. Trains one committee member for a few epochs on the frames of
``benchmarks/data/limnpo4.npz`` at each batch size, in single and double precision and, where the packages
``cuequivariance-torch`` and ``cuequivariance-ops-torch-cu12`` are installed, with their kernels. Writes
``results/training_throughput.json``: frames a second, the GPU's mean use, its memory, and the ratio to the smallest
batch.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import mean
from typing import Any

from training_runs import closed_frames, epochs_of, train

from aiida_redoxmlp.engines.settings import TrainingSettings

RESULTS = Path(__file__).resolve().parent / "results" / "training_throughput.json"
QUERY = ["nvidia-smi", "--query-gpu=name,utilization.gpu,memory.used", "--format=csv,noheader,nounits"]


class GpuWatch(threading.Thread):
    """Looks at the GPU's use four times a second until told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.use: list[float] = []
        self.memory: list[float] = []

    def run(self) -> None:
        """Look."""
        while not self.done.wait(0.25):
            _, use, memory = gpu()
            self.use.append(use)
            self.memory.append(memory)


def gpu() -> tuple[str, float, float]:
    """Return name, use in % and used memory in MiB of the first GPU."""
    name, use, memory = (
        subprocess.run(QUERY, check=True, capture_output=True, text=True).stdout.splitlines()[0].split(", ")
    )
    return name, float(use), float(memory)


def measure(batch_size: int, dtype: str, epochs: int, *, cuequivariance: bool) -> dict[str, Any]:
    """Train and return the speed without the first epoch, in which kernels are compiled."""
    frames = closed_frames()
    settings = TrainingSettings.model_validate(
        {"seeds": [1], "max_epochs": epochs, "patience": epochs, "batch_size": batch_size, "dtype": dtype}
        | {"device": "cuda", "cuequivariance": cuequivariance}
    )
    watch = GpuWatch()
    with tempfile.TemporaryDirectory() as name:
        watch.start()
        output = train(Path(name), frames, settings)
        watch.done.set()
        times = [entry["elapsed_s"] for entry in epochs_of(Path(name))]
    frames_a_second = output["n_training_frames"] * (len(times) - 1) / (times[-1] - times[0])
    return {
        "batch_size": batch_size,
        "dtype": dtype,
        "cuequivariance": cuequivariance,
        "frames_a_second": round(frames_a_second, 1),
        "gpu_use_percent": round(mean(watch.use[len(watch.use) // 2 :])),
        "memory_mib": max(watch.memory),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[4, 16, 64, 256])
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    try:
        name, _, _ = gpu()
    except (FileNotFoundError, subprocess.CalledProcessError):
        sys.exit("This benchmark needs an NVIDIA GPU, its driver and a torch for CUDA; nvidia-smi finds none.")
    kernels = (False, True) if importlib.util.find_spec("cuequivariance_torch") else (False,)
    rows = [
        measure(size, dtype, arguments.epochs, cuequivariance=cuequivariance)
        for cuequivariance in kernels
        for dtype in ("float32", "float64")
        for size in arguments.batch_sizes
    ]
    for row in rows:
        row["ratio_to_smallest_batch"] = round(row["frames_a_second"] / rows[0]["frames_a_second"], 2)
    result = {"device": name, "trainings": rows}
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
