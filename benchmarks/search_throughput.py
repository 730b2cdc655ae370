"""How fast are configurations of one lattice evaluated, and relaxed, against a loop over MACECalculator in ASE?

Run it from a checkout, in its environment: ``python benchmarks/search_throughput.py`` (some minutes on one core);
``--quick`` makes few evaluations and writes nothing. LiMnPO4 with 28 atoms, its Mn 2+ or 3+, and a committee of two
with random weights, which takes as long as a trained one of the same size; ``--model FOLDER`` takes another. The loop
sets the numbers of the atoms and asks for the energy; it reads the same weights from mace-torch's own files. Both run
in turn, with one thread, and are timed by the processor time of the process, so that other work on the machine does
not count. On a machine with a GPU the same is measured there, by wall time. Writes ``results/search_throughput.json``
and ``docs/images/search-throughput.png``.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase.optimize import BFGS, FIRE
from search_potentials import STATES, AseLoop, olivine, untrained_potential
from training_runs import plot_style

from aiida_redoxmlp.engines.mace.potential import MaceCommittee, load_committee
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.search.committee_energies import CommitteeEnergies
from aiida_redoxmlp.search.relaxation import FireSettings, Relaxer
from aiida_redoxmlp.search.space import ConfigurationSpace

CHECKOUT = Path(__file__).resolve().parents[1]
RESULT = CHECKOUT / "benchmarks" / "results" / "search_throughput.json"
FIGURE = CHECKOUT / "docs" / "images" / "search-throughput.png"
ARCHITECTURE = {
    "r_max": 5.0,
    "num_channels": 32,
    "max_L": 1,
    "max_ell": 3,
    "correlation": 3,
    "radial_mlp": (64, 64, 64),
}
BATCHES = (1, 4, 16, 64)
PRECISIONS = ("float64", "float32")
N_RELAXED = 16
RELAXATION_STEPS = 3


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a committee to take instead of random weights")
    parser.add_argument("--quick", action="store_true", help="few evaluations, nothing is written")
    arguments = parser.parse_args()
    potential = (
        load_committee(arguments.model) if arguments.model else untrained_potential("float64", 2, **ARCHITECTURE)
    )
    report = {
        "machine": f"{platform.machine()}, 1 core",
        "architecture": potential.description.architecture.model_dump(include=set(ARCHITECTURE)),
        "energies": energies(potential, quick=arguments.quick),
        "relaxation": relaxation(potential, quick=arguments.quick),
        "gpu": on_gpu(potential, quick=arguments.quick),
    }
    print(json.dumps(report, indent=1))
    if not arguments.quick:
        RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        plot(report["energies"])


def space() -> ConfigurationSpace:
    """Return the cell with any Mn 2+ or 3+."""
    return ConfigurationSpace.of(olivine(), {"Mn": ["Mn2+", "Mn3+"]}, fixed_states=STATES, total_charge=None)


def energies(
    potential: MaceCommittee, *, quick: bool, clock: Callable[[], float] = time.process_time
) -> dict[str, Any]:
    """Return configurations a second of one member and of the committee, in both precisions."""
    cell = space()
    batches = BATCHES[:3] if quick else BATCHES
    rows = np.random.default_rng(0).integers(0, 2, (max(batches), cell.n_sites)).astype(np.int8)
    return {
        "n_atoms": len(cell.parent),
        "committees": [
            measure(cell, potential.member(0) if size == 1 else potential, rows, batches, precision, quick, clock)
            for size in sorted({1, potential.n_members})
            for precision in PRECISIONS
        ],
    }


def measure(
    cell: ConfigurationSpace,
    potential: MaceCommittee,
    rows: np.ndarray,
    batches: tuple[int, ...],
    precision: str,
    quick: bool,
    clock: Callable[[], float],
) -> dict[str, Any]:
    """Return configurations a second of one committee in one precision, the loop and all batch sizes in turn."""
    evaluate = CommitteeEnergies(cell, potential.in_precision(precision))
    exact = CommitteeEnergies(cell, potential.in_precision("float64"))(rows[:16]).mean(axis=1)
    loop = AseLoop(potential, cell.parent.to_ase(), dtype=precision)
    numbers = [loop.numbers(cell.configuration(row)) for row in rows[: 4 if quick else 8]]
    start = clock()
    found = evaluate(rows[:16]).mean(axis=1)
    preparation = clock() - start
    difference = np.abs(loop.energies(numbers) - found[: len(numbers)]).max()
    speeds: dict[str, list[float]] = {"ase": []} | {str(size): [] for size in batches}
    for _ in range(1 if quick else 3):
        speeds["ase"].append(len(numbers) / seconds(lambda: loop.energies(numbers), clock))
        for size in batches:
            speeds[str(size)].append(size / seconds(lambda size=size: evaluate(rows[:size]), clock))
    medians = {name: median(some) for name, some in speeds.items()}
    return {
        "members": potential.n_members,
        "precision": precision,
        "ase_loop_per_second": round(medians.pop("ase"), 2),
        "batches_per_second": {name: round(one, 1) for name, one in medians.items()},
        "ratio": round(max(medians.values()) / median(speeds["ase"]), 1),
        "seconds_to_prepare": round(preparation, 2),
        "error_of_differences_over_spread": float(
            np.abs((found - found.mean()) - (exact - exact.mean())).max() / exact.std()
        ),
        "largest_difference_from_ase_ev": float(difference),
    }


def seconds(action: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return how long something takes."""
    start = clock()
    action()
    return clock() - start


def relaxation(potential: MaceCommittee, *, quick: bool) -> dict[str, Any]:
    """Return the time of a number of steps of relaxation, all configurations in a batch and one after another."""
    cell = space()
    random = np.random.default_rng(1)
    starts = [_rattled(cell.configuration(row), random) for row in random.integers(0, 2, (N_RELAXED, cell.n_sites))]
    starts = starts[:2] if quick else starts
    steps = 2 if quick else RELAXATION_STEPS
    loop = AseLoop(potential, cell.parent.to_ase(), dtype="float64")
    longest = FireSettings().max_displacement
    relaxer = Relaxer(potential, force_tolerance=1e-9, max_steps=steps)
    clock = time.process_time
    return {
        "configurations": len(starts),
        "steps": steps,
        "members": potential.n_members,
        "batch_seconds": round(seconds(lambda: relaxer.relax(starts), clock), 2),
        "ase_fire_seconds": round(seconds(lambda: _by_ase(FIRE, loop, starts, steps, longest), clock), 2),
        "ase_bfgs_seconds": round(seconds(lambda: _by_ase(BFGS, loop, starts, steps, longest), clock), 2),
    }


def _rattled(configuration: Configuration, random: np.random.Generator) -> Configuration:
    return configuration.moved_to(configuration.positions + random.normal(0, 0.05, configuration.positions.shape))


def _by_ase(optimizer: Any, loop: AseLoop, starts: list[Configuration], steps: int, longest: float) -> None:
    for start in starts:
        loop.atoms.numbers = loop.numbers(start)
        loop.atoms.positions = start.positions
        optimizer(loop.atoms, logfile=None, maxstep=longest).run(fmax=1e-9, steps=steps)


def on_gpu(potential: MaceCommittee, *, quick: bool) -> Any:
    """Return the same on a GPU, or what it needs."""
    if not torch.cuda.is_available():
        return "not measured: it needs an NVIDIA GPU and a torch for CUDA"
    moved = MaceCommittee(potential.description, tuple(one.to("cuda") for one in potential.networks), potential.seeds)

    def clock() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return {"device": torch.cuda.get_device_name(), **energies(moved, quick=quick, clock=clock)}


def plot(measured: dict[str, Any]) -> None:
    """Draw configurations a second over the batch size, and those of the loop as lines."""
    figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
    for colour, one in zip(("tab:blue", "tab:cyan", "tab:red", "tab:orange"), measured["committees"], strict=False):
        label = f"{one['members']} member{'s' if one['members'] > 1 else ''}, {one['precision']}"
        sizes = [int(size) for size in one["batches_per_second"]]
        axis.loglog(sizes, list(one["batches_per_second"].values()), "o-", color=colour, label=label)
        axis.axhline(one["ase_loop_per_second"], color=colour, linestyle="--", linewidth=1)
    axis.set(xlabel="configurations in a batch", ylabel="configurations a second", title="28 atoms, one core")
    plot_style(axis)
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
