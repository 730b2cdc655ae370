"""How long does it take to find the lowest pattern of 32 redox sites with a potential, against annealing over ASE?

Run it from a checkout, in its environment: ``python benchmarks/search_mace.py [--model FOLDER]`` (about 20 minutes on
one core); ``--quick`` makes two short searches and writes nothing. 2 × 2 × 2 cells of olivine Li½MnPO4 have 208 atoms
and 6·10⁸ patterns; they are searched undistorted and with every atom displaced, which leaves no symmetry. The potential
is that of the folder, or a small one trained on ``benchmarks/data/limnpo4.npz``. Ten searches with default settings
start from random patterns, and so does simulated annealing written over mace-torch's ``MACECalculator``: one swap of
two states, one energy, Metropolis' rule, and a temperature that falls geometrically over a time limit, from the mean
change of a swap to 1/40 of it. The limit is 60 times the median of the searches. Both are in double precision and timed
by the processor time of the process, with one thread. The best known energy is the lowest that anything found. Writes
``results/search_mace.json`` and ``docs/images/search-mace.png``.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from ase.io import read
from search_potentials import STATES, AseLoop, trained_potential
from training_runs import DATASET, plot_style

from aiida_redoxmlp.engines.mace.potential import MaceCommittee
from aiida_redoxmlp.search.committee_energies import CommitteeEnergies
from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.ground_state import GroundStateSettings, find_ground_state
from aiida_redoxmlp.search.space import ConfigurationSpace

CHECKOUT = Path(__file__).resolve().parents[1]
RESULT = CHECKOUT / "benchmarks" / "results" / "search_mace.json"
FIGURE = CHECKOUT / "docs" / "images" / "search-mace.png"
CELL = CHECKOUT / "benchmarks" / "data" / "olivine-Li0.5MnPO4.cif"
SEARCHES = 10
BUDGET = 2000
TIMES_LONGER = 60
LATTICES = {"undistorted": 0.0, "displaced": 0.05}
"""Å; standard deviation of the atoms' displacements."""
SAME_ENERGY = 1e-4
"""eV; patterns closer than this count as the same energy."""

Trace = list[tuple[float, int, float]]
"""Seconds, evaluations and the lowest energy in eV so far."""


def main() -> None:
    """Search, anneal and write."""
    arguments = parsed()
    dataset, members = arguments.dataset, 1 if arguments.quick else 2
    potential = trained_potential(
        arguments.model, dataset=dataset, n_members=members, n_steps=50 if arguments.quick else 1500
    ).in_precision("float64")
    traces, found = {}, {}
    for name, displacement in LATTICES.items():
        cell = space((1, 1, 2) if arguments.quick else (2, 2, 2), displacement)
        traces[name], found[name] = trial(cell, potential, arguments)
    report = {
        "machine": f"{platform.machine()}, 1 core",
        "potential": {
            "given": arguments.model is not None,
            "members": potential.n_members,
            "architecture": potential.description.architecture.model_dump(exclude_defaults=True),
            "training": potential.description.training.get("n_training_frames"),
        },
        "lattices": found,
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    if not arguments.quick:
        RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        plot(traces)


def trial(
    cell: ConfigurationSpace, potential: MaceCommittee, arguments: argparse.Namespace
) -> tuple[tuple[list[Trace], list[Trace], float], dict[str, Any]]:
    """Search and anneal one lattice; return the traces with the best known energy, and what to report."""
    rows = np.random.default_rng(0).permuted(np.tile(np.arange(cell.n_sites) % 2, (50, 1)), axis=1).astype(np.int8)
    searches = [search(cell, potential, seed) for seed in range(2 if arguments.quick else SEARCHES)]
    limit = arguments.limit or TIMES_LONGER * median(first_at_lowest(one)[0] for one in searches)
    annealings = [annealing(cell, potential, limit, seed) for seed in range(arguments.annealings)]
    best = min(trace[-1][2] for trace in [*searches, *annealings])
    ours, theirs = [time_to(best, trace) for trace in searches], [time_to(best, trace) for trace in annealings]
    return (searches, annealings, best), {
        "n_atoms": len(cell.parent),
        "patterns": count_configurations(cell),
        "distinct": count_distinct(cell),
        "best_known_energy_ev": best,
        "spread_of_random_patterns_ev": float(CommitteeEnergies(cell, potential)(rows).mean(axis=1).std()),
        "searches": summary(ours, searches),
        "annealing_over_ase": {"limit_seconds": round(limit, 1), **summary(theirs, annealings)},
        **ratios(ours, theirs, limit),
        "single_precision": single_precision(cell, potential, rows),
    }


def parsed() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a trained committee")
    parser.add_argument("--dataset", type=Path, default=DATASET, help="what to train on without --model")
    parser.add_argument("--annealings", type=int, default=1, help="number of annealings over ASE")
    parser.add_argument("--limit", type=float, help="seconds for each of them")
    parser.add_argument("--quick", action="store_true", help="a small cell, two searches; nothing is written")
    return parser.parse_args()


def space(repeats: tuple[int, int, int], displacement: float) -> ConfigurationSpace:
    """Return a supercell, half of its Mn 2+, the others 3+; atoms are displaced by so many Å a component."""
    atoms = read(CELL).repeat(repeats)
    atoms.rattle(displacement, seed=1)
    return ConfigurationSpace.of(atoms, {"Mn": ["Mn2+", "Mn3+"]}, fixed_states=STATES, total_charge=0)


def search(cell: ConfigurationSpace, potential: MaceCommittee, seed: int) -> Trace:
    """Return how the energy fell in one search with default settings, the preparation of the lattice included."""
    committee = MaceCommittee(potential.description, potential.networks, potential.seeds)
    trace: Trace = []
    start = time.process_time()

    def note(event: dict[str, Any]) -> None:
        trace.append((time.process_time() - start, event["evaluations"], event["lowest_energy_ev"]))

    settings = GroundStateSettings(seed=seed, runs=1, budget=BUDGET)
    find_ground_state(cell, CommitteeEnergies(cell, committee), settings, on_progress=note)
    sys.stdout.write(f"search {seed}: {trace[-1]}, lowest first at {first_at_lowest(trace)}\n")
    sys.stdout.flush()
    return trace


def annealing(cell: ConfigurationSpace, potential: MaceCommittee, limit: float, seed: int) -> Trace:
    """Return how the energy fell in simulated annealing over MACECalculator."""
    random = np.random.default_rng(seed)
    start = time.process_time()
    loop = AseLoop(potential, cell.parent.to_ase(), dtype="float64")
    row = random.permutation(np.arange(cell.n_sites) % 2).astype(np.int8)

    def energy_of(some: np.ndarray) -> float:
        return loop.energy(loop.numbers(cell.configuration(some)))

    energy = energy_of(row)
    first = float(np.mean([abs(energy_of(swapped(row, random)) - energy) for _ in range(20)]))
    trace: Trace = [(time.process_time() - start, 21, energy)]
    n_evaluated = 21
    while (elapsed := time.process_time() - start) < limit:
        temperature = first * (1 / 40) ** (elapsed / limit)
        proposed = swapped(row, random)
        change = energy_of(proposed) - energy
        n_evaluated += 1
        if change <= 0 or random.random() < np.exp(-change / temperature):
            row, energy = proposed, energy + change
        trace.append((time.process_time() - start, n_evaluated, min(energy, trace[-1][2])))
    sys.stdout.write(f"annealing {seed}: {trace[-1]}, lowest first at {first_at_lowest(trace)}\n")
    sys.stdout.flush()
    return trace


def swapped(row: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a pattern with the states of two sites exchanged that differ."""
    changed = row.copy()
    one, other = random.choice(np.flatnonzero(row == 0)), random.choice(np.flatnonzero(row == 1))
    changed[[one, other]] = changed[[other, one]]
    return changed


def first_at_lowest(trace: Trace) -> tuple[float, int]:
    """Return seconds and evaluations when a trace first had its lowest energy."""
    found = time_to(trace[-1][2], trace)
    assert found is not None  # noqa: S101 - its own lowest energy is in every trace
    return found


def time_to(energy: float, trace: Trace) -> tuple[float, int] | None:
    """Return seconds and evaluations when a trace first had an energy, None where it never had."""
    return next(((seconds, number) for seconds, number, lowest in trace if lowest < energy + SAME_ENERGY), None)


def summary(found: list[tuple[float, int] | None], traces: list[Trace]) -> dict[str, Any]:
    """Return when the best known energy was found."""
    reached = [one for one in found if one is not None]
    return {
        "number": len(found),
        "found_best": len(reached),
        "seconds_to_best": [None if one is None else round(one[0], 2) for one in found],
        "evaluations_to_best": [None if one is None else one[1] for one in found],
        "seconds_in_all": [round(trace[-1][0], 2) for trace in traces],
        "evaluations_in_all": [trace[-1][1] for trace in traces],
        "lowest_energies_ev": [round(trace[-1][2], 6) for trace in traces],
    }


def ratios(
    ours: list[tuple[float, int] | None], theirs: list[tuple[float, int] | None], limit: float
) -> dict[str, Any]:
    """Return how many times longer annealing takes than the median search; a lower bound where that is its limit."""
    reached = [one[0] for one in ours if one is not None]
    if not reached:
        return {"times_longer": None, "is_lower_bound": None}
    times = [limit if one is None else one[0] for one in theirs]
    return {
        "times_longer": round(median(times) / median(reached), 1),
        "is_lower_bound": any(one is None for one in theirs),
    }


def single_precision(cell: ConfigurationSpace, potential: MaceCommittee, rows: np.ndarray) -> dict[str, float]:
    """Return the error of energy differences in single precision over random patterns."""
    exact, single = (
        CommitteeEnergies(cell, potential.in_precision(precision))(rows).mean(axis=1)
        for precision in ("float64", "float32")
    )
    error = (single - single.mean()) - (exact - exact.mean())
    return {"largest_error_of_differences_ev": float(np.abs(error).max())}


def plot(trials: dict[str, tuple[list[Trace], list[Trace], float]]) -> None:
    """Draw how far the energy is above the best known over the time."""
    figure, axes = plt.subplots(1, len(trials), figsize=(9, 3.6), sharey=True, layout="constrained")
    for axis, (name, (searches, annealings, best)) in zip(axes, trials.items(), strict=True):
        for traces, colour, label in (
            (searches, "tab:blue", "searches"),
            (annealings, "tab:gray", "annealing over ASE"),
        ):
            for number, trace in enumerate(traces):
                seconds, _, energies = zip(*trace, strict=True)
                above = 1000 * np.maximum(np.array(energies) - best, 0.0)
                axis.step(seconds, above, where="post", color=colour, linewidth=1, label=None if number else label)
        axis.set(xscale="log", xlabel="seconds", title=f"32 sites, 6·10⁸ patterns, {name}")
        axis.set_yscale("symlog", linthresh=1.0)
        axis.set_ylim(bottom=-0.1)
        plot_style(axis)
    axes[0].set_ylabel("above the best known (meV)")
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
