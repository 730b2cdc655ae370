"""How many committee evaluations the search strategies need, on problems whose lowest energy is known.

Planted problems of two sizes: 16 half-filled sites, where exhaustive search proves the optimum and every strategy
starts 20 times, and 32 (6·10⁸ patterns), where every strategy starts 10 times. A search is one run with default
settings that ends by itself, not knowing the optimum. Run it with `python benchmarks/search_strategies.py` (about 15
minutes on one core); `--quick` makes two searches of each and writes nothing. It needs no potential and no AiiDA.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.ground_state import GroundStateSettings, find_ground_state
from aiida_redoxmlp.search.strategies.registry import strategy_settings
from aiida_redoxmlp.testing.planted import PlantedProblem, planted_loops, planted_wave

CHECKOUT = Path(__file__).resolve().parents[1]
RESULT = CHECKOUT / "benchmarks" / "results" / "search_strategies.json"
TABLE = RESULT.with_suffix(".csv")
FIGURE = CHECKOUT / "docs" / "images" / "search-strategies.png"
STRATEGIES = ("surrogate", "evolution", "annealing", "tempering")
BUDGET = 20000
GOAL = 2000
SAME_ENERGY = 1e-6
PROBLEMS: dict[str, Callable[[tuple[int, int, int], int], PlantedProblem]] = {
    "loops": planted_loops,
    "many-body": lambda shape, seed: planted_loops(shape, seed, nonlinearity=0.25),
    "wave": planted_wave,
}
SHAPES = {16: (4, 2, 2), 32: (4, 4, 2)}


def main() -> None:
    """Run all searches and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two searches of each, nothing is written")
    quick = parser.parse_args().quick
    numbers = {16: 2, 32: 2} if quick else {16: 20, 32: 10}
    results = {str(size): measure(size, number) for size, number in numbers.items()}
    report = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "goal": GOAL, "sites": results}
    if not quick:
        RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        write_table(results)
        plot(results)


def measure(size: int, number: int) -> dict[str, Any]:
    """Return what every strategy needs on the problems of one size."""
    found = {}
    for name, make in PROBLEMS.items():
        space = make(SHAPES[size], 0).space
        found[name] = {
            "configurations": count_configurations(space),
            "distinct": count_distinct(space),
            "strategies": {strategy: searches(make, size, strategy, number) for strategy in STRATEGIES},
        }
        if size == 16:
            found[name]["proven"] = [proven(make(SHAPES[size], seed)) for seed in range(number)]
    return found


def searches(make: Callable[..., PlantedProblem], size: int, strategy: str, number: int) -> dict[str, Any]:
    """Return what one strategy needs on one kind of problem, each search on a problem of its own."""
    needed: list[int | None] = []
    totals, seconds = [], []
    for seed in range(number):
        problem = make(SHAPES[size], seed)
        settings = GroundStateSettings(strategy=strategy_settings(strategy), seed=seed, runs=1, budget=BUDGET)
        start = time.perf_counter()
        found = find_ground_state(problem.space, problem.committee(), settings)
        seconds.append(time.perf_counter() - start)
        (run,) = found.runs
        needed.append(run.n_evaluated_when_found if run.energy < problem.lowest + SAME_ENERGY else None)
        totals.append(found.n_evaluated)
    solved = [one for one in needed if one is not None]
    summary = {
        "searches": number,
        "solved": len(solved),
        "solved_within_goal": sum(one <= GOAL for one in solved),
        "median_evaluations_to_lowest": float(np.median(solved)) if solved else None,
        "most_evaluations_to_lowest": max(solved, default=None),
        "most_evaluations_in_all": max(totals),
        "median_seconds": round(float(np.median(seconds)), 2),
        "evaluations_to_lowest": needed,
    }
    print(size, strategy, summary, flush=True)
    return summary


def proven(problem: PlantedProblem) -> bool:
    """Tell whether exhaustive search proves the planted energy to be the lowest."""
    settings = GroundStateSettings(strategy=strategy_settings("exhaustive"), budget=None)
    found = find_ground_state(problem.space, problem.committee(), settings)
    return found.proven and abs(float(found.ranking.means[0]) - problem.lowest) < SAME_ENERGY


def write_table(results: dict[str, Any]) -> None:
    """Write a row for every problem and strategy."""
    with TABLE.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["sites", "problem", "distinct", "strategy", "solved", "median", "most", "most in all"])
        for size, found in results.items():
            for problem, one in found.items():
                for strategy, run in one["strategies"].items():
                    solved = f"{run['solved']} of {run['searches']}"
                    median, most = (run[f"{key}_evaluations_to_lowest"] for key in ("median", "most"))
                    total = run["most_evaluations_in_all"]
                    writer.writerow([size, problem, one["distinct"], strategy, solved, f"{median:.0f}", most, total])


def plot(results: dict[str, Any]) -> None:
    """Draw the evaluations that every search on 32 sites needed."""
    figure, axes = plt.subplots(1, len(PROBLEMS), figsize=(10, 3.2), sharey=True, layout="constrained")
    for axis, (problem, found) in zip(axes, results["32"].items(), strict=True):
        for place, strategy in enumerate(STRATEGIES):
            needed = [one for one in found["strategies"][strategy]["evaluations_to_lowest"] if one is not None]
            shifts = np.linspace(-0.2, 0.2, len(needed))
            axis.semilogy(place + shifts, needed, "o", markersize=4)
        axis.axhline(GOAL, color="grey", linestyle="--", linewidth=1)
        runs = [found["strategies"][strategy] for strategy in STRATEGIES]
        labels = [f"{name}\n{run['solved']} of {run['searches']}" for name, run in zip(STRATEGIES, runs, strict=True)]
        axis.set_xticks(range(len(STRATEGIES)), labels, fontsize=8)
        axis.set_title(f"{problem}: {found['distinct']:.1e} distinct")
    axes[0].set_ylabel("evaluations to the lowest energy")
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
