"""How many labels does a loop need that sees forces, electrons and structures, or forces only, or nothing?

Run it from a checkout, in its environment: ``python benchmarks/active_learning.py [--processes N] [--quick]``. Frames
of ``benchmarks/data/limnpo4.npz`` are the pool: a loop sees their geometries, believes in a pattern for each, asks for
labels, gets DFT's, and trains its committee anew. All loops of a seed begin with the same few frames, and have the same
numbers of labels after every iteration and the same gradient steps. They are judged on trajectories that are in no
pool. Random selection goes on to twice the labels: does another strategy reach the force error and the pattern recovery
that it ends with, in the mean over the seeds, with half of them? The selection was developed with the seeds 1 to 3,
which are not among the default ones. Writes ``results/active_learning.json`` and
``docs/images/active-learning.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from bisect import bisect_left
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter
from training_runs import ALLOWED_STATES, SMALL, closed_frames, how_states_are_read, plot_style, settings_for, split

from aiida_redoxmlp.active_learning.candidates import formula_of
from aiida_redoxmlp.active_learning.judging import fresh_errors, spread_factors
from aiida_redoxmlp.active_learning.label_book import LabelBook
from aiida_redoxmlp.active_learning.proposal import propose
from aiida_redoxmlp.active_learning.records import IterationRecord, LoopState, Usage
from aiida_redoxmlp.active_learning.selection import CandidateBand, SelectionSettings
from aiida_redoxmlp.active_learning.verdicts import LabelAnswer, Verdict, frames_of, judge_answer
from aiida_redoxmlp.dataset.errors import mean_absolute
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.strata import shuffle_key
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.engines.registry import get_engine
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.runners.pattern_recovery import candidates_of, rank_patterns
from aiida_redoxmlp.testing.replayed_pool import ReplayedPool

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "active_learning.json"
FIGURE = CHECKOUT / "docs" / "images" / "active-learning.png"
STRATEGIES = {"redox_aware": "tab:blue", "random": "tab:gray", "uncertainty": "tab:orange"}
CHEMISTRY = RedoxChemistry.model_validate({"allowed_states": ALLOWED_STATES})
FAR = CandidateBand(floor=0.02, ceiling=None)
"""No ceiling: frames of a pool come from DFT, so none of them is a structure that the potential made up."""


READ_WITH = how_states_are_read()


class Loop:
    """One loop over a pool."""

    def __init__(self, strategy: str, seed: int, pool: list[Frame], test: list[Frame], arguments: Any) -> None:
        """Begin with frames that the seed decides."""
        self.selection = SelectionSettings(strategy=strategy, band=FAR, seed=seed)
        self.pool, self.test, self.arguments = ReplayedPool(pool, CHEMISTRY), test, arguments
        self.frames = sorted(pool, key=lambda frame: shuffle_key(seed, frame.content_hash))[: arguments.labels[0]]
        taken = {frame.configuration.positions.tobytes() for frame in self.frames}
        everything = self.pool.candidates()
        self.candidates = [one for one in everything if one.configuration.positions.tobytes() not in taken]
        self.state = LoopState()
        self.curve: list[dict[str, Any]] = []

    def run(self, first: CommitteePotential) -> dict[str, Any]:
        """Run the loop to its last label, from the committee that all loops of a seed share."""
        potential = self.judged(first)
        for before, after in pairwise(labels_of(self.selection.strategy, self.arguments)):
            potential = self.iterate(potential, after - before)
        return {"strategy": self.selection.strategy, "seed": self.selection.seed, "curve": self.curve}

    def iterate(self, potential: CommitteePotential, n_labels: int) -> CommitteePotential:
        """Select, label, train on, judge."""
        number = len(self.state.iterations)
        settings = self.selection.model_copy(update={"n_labels": n_labels})
        proposal = propose(
            potential,
            self.candidates,
            CHEMISTRY,
            settings,
            labelled=self.frames,
            book=self.state.labels,
            factors=self.state.factors,
        )
        verdicts = [verdict_of(self.pool.answer(request)) for request in proposal.requests]
        answered = {request.structure.positions.tobytes() for request in proposal.requests}
        self.candidates = [one for one in self.candidates if one.configuration.positions.tobytes() not in answered]
        self.frames = [*self.frames, *frames_of(verdicts)]
        labels: LabelBook = self.state.labels.recorded(verdicts, number)
        record = IterationRecord(
            number=number,
            strategy=settings.strategy,
            band=proposal.selection.counts,
            labels=labels.counts(number),
            n_frames=len(self.frames),
            errors_before=fresh_errors(potential, verdicts),
            factors=spread_factors(potential, verdicts, proposal.beliefs, self.state.factors),
            used=Usage(labels=len(verdicts)),
            warnings=list(proposal.selection.warnings),
        )
        self.state = self.state.with_iteration(record, labels)
        return self.judged(train(self.frames, self.arguments))

    def judged(self, potential: CommitteePotential) -> CommitteePotential:
        """Add a point to the curve."""
        point = {"labels": len(self.frames), **judge(potential, self.test)}
        self.curve.append(point)
        sys.stdout.write(
            f"{self.selection.strategy} seed {self.selection.seed}: {point['labels']} labels, "
            f"{1000 * point['force_mae']:.0f} meV/Å, {100 * point['recovery']:.0f} %\n"
        )
        sys.stdout.flush()
        return potential


def labels_of(strategy: str, arguments: Any) -> list[int]:
    """Return the numbers of labels of a loop."""
    return [*arguments.labels, 2 * arguments.labels[-1]] if strategy == "random" else list(arguments.labels)


def steps_of(n_labels: int, arguments: Any) -> int:
    """Return the gradient steps of a training."""
    place = bisect_left(arguments.labels, n_labels)
    return int(arguments.steps[min(place, len(arguments.steps) - 1)])


def train(frames: list[Frame], arguments: Any) -> CommitteePotential:
    """Train a committee from random weights.

    Nothing is held out of so few labels: a training ends by its steps. Frames are repeated, so that no epoch is shorter
    than forty steps and little time goes into checkpoints.
    """
    repeated = frames * max(1, round(80 / len(frames)))
    settings = settings_for(
        len(repeated), steps_of(len(frames), arguments), seeds=list(range(arguments.members)), **SMALL
    )
    with tempfile.TemporaryDirectory() as folder:
        return get_engine("mace").train(repeated, frames[:8], settings, checkpoint_folder=Path(folder)).potential


def verdict_of(answer: LabelAnswer) -> Verdict:
    """Decide what an answer means, its states read as they were for the dataset."""
    return judge_answer(answer, READ_WITH.get(formula_of(answer.request.structure), CHEMISTRY))


def judge(potential: CommitteePotential, test: list[Frame]) -> dict[str, float]:
    """Return force error (eV/Å), energy error (eV/atom) and pattern recovery on frames held out."""
    results = potential.evaluate([frame.configuration for frame in test])
    pairs = list(zip(results, test, strict=True))
    rankings = rank_patterns(potential, test, [candidates_of(frame, ALLOWED_STATES, 256) for frame in test])
    found = [one.lowest == frame.pattern for one, frame in zip(rankings, test, strict=True) if one is not None]
    return {
        "force_mae": mean_absolute(np.concatenate([(one.mean_forces - frame.forces).ravel() for one, frame in pairs])),
        "energy_mae": mean_absolute([(one.energy - frame.energy) / len(frame.configuration) for one, frame in pairs]),
        "recovery": float(np.mean(found)),
    }


def mean_curve(runs: list[dict[str, Any]], strategy: str) -> list[dict[str, float]]:
    """Return the mean over the seeds at every number of labels that all of them have."""
    own = [{point["labels"]: point for point in run["curve"]} for run in runs if run["strategy"] == strategy]
    shared = sorted(set.intersection(*(set(curve) for curve in own)))
    return [
        {
            "labels": labels,
            **{key: float(np.mean([curve[labels][key] for curve in own])) for key in ("force_mae", "recovery")},
        }
        for labels in shared
    ]


def labels_needed(curve: list[dict[str, float]], goal: dict[str, float]) -> int | None:
    """Return the first number of labels with the goal's force error and pattern recovery, None if there is none."""
    return next(
        (
            int(point["labels"])
            for point in curve
            if point["force_mae"] <= goal["force_mae"] and point["recovery"] >= goal["recovery"]
        ),
        None,
    )


def plot(curves: dict[str, list[dict[str, float]]], runs: list[dict[str, Any]], goal: float) -> None:
    """Force error and pattern recovery over the labels: means as lines, single loops as points, the goal dotted."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, key, scale in zip(axes, ("force_mae", "recovery"), (1000, 100), strict=True):
        for run in runs:
            single = [(point["labels"], scale * point[key]) for point in run["curve"]]
            axis.plot(*zip(*single, strict=True), ".", color=STRATEGIES[run["strategy"]], alpha=0.4)
        for strategy, curve in curves.items():
            mean = [(point["labels"], scale * point[key]) for point in curve]
            axis.plot(*zip(*mean, strict=True), "-", color=STRATEGIES[strategy], label=strategy)
    axes[0].axhline(1000 * goal, color="k", linestyle=":", linewidth=1)
    axes[0].set(yscale="log", ylabel="force MAE (meV/Å)", title="Frames in no pool")
    axes[0].yaxis.set_major_locator(FixedLocator([60, 80, 100, 150, 200]))
    axes[0].yaxis.set_major_formatter(ScalarFormatter())
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    axes[1].set(ylabel="lowest pattern is DFT's (%)", title="Pattern recovery", ylim=(90, 100.5))
    for axis in axes:
        axis.set(xlabel="labels")
        plot_style(axis)
    figure.savefig(FIGURE, dpi=150)


def tasks_of(arguments: Any) -> list[tuple[str, int]]:
    """Return strategy and seed of every loop."""
    return [(strategy, seed) for strategy in arguments.strategies for seed in arguments.seeds]


def run_loop(arguments: Any, strategy: str, seed: int) -> dict[str, Any]:
    """Run one loop, or take it from the folder; the first committee of a seed is the same for all strategies."""
    numbers = map(str, [seed, *arguments.labels, *arguments.steps, arguments.members])
    file = arguments.folder / f"{strategy}-{'-'.join(numbers)}.json"
    if not file.exists():
        loop = Loop(strategy, seed, *split(closed_frames()), arguments)
        file.write_text(json.dumps(loop.run(train(loop.frames, arguments))), encoding="utf-8")
    run: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return run


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[4, 5, 6, 7])
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument(
        "--labels", type=int, nargs="+", default=[4, 30, 60], help="labels at the start and after each iteration"
    )
    parser.add_argument("--processes", type=int, default=2, help="loops at a time, one core each")
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[1000, 1000, 4000], help="gradient steps with each number of labels"
    )
    parser.add_argument("--folder", type=Path, help="where loops that ended are kept, and taken from; none without")
    parser.add_argument("--quick", action="store_true", help="two iterations of one seed; writes nothing")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.steps = arguments.seeds[:1], [60]
    with tempfile.TemporaryDirectory() as folder:
        arguments.folder = arguments.folder or Path(folder)
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Run all loops, say what they need, write."""
    pool, test = split(closed_frames())
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as executor:
        runs = list(executor.map(partial(run_loop, arguments), *zip(*tasks_of(arguments), strict=True)))
    curves = {strategy: mean_curve(runs, strategy) for strategy in arguments.strategies}
    goal = curves["random"][-1] if "random" in curves else next(iter(curves.values()))[-1]
    needed = {strategy: labels_needed(curve, goal) for strategy, curve in curves.items()}
    sys.stdout.write(f"goal {goal}; labels needed {needed}\n")
    if arguments.quick:
        return
    settings = {key: value for key, value in vars(arguments).items() if key not in {"quick", "processes", "folder"}}
    result = {
        "settings": settings,
        "n_pool": len(pool),
        "n_test": len(test),
        "goal": goal,
        "labels_needed": needed,
        "mean_curves": curves,
        "runs": runs,
    }
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    plot(curves, runs, goal["force_mae"])


if __name__ == "__main__":
    main()
