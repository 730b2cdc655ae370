"""What an active-learning loop would submit, before anything is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.active_learning.stopping import Budget
from aiida_redoxmlp.report.dynamics_wording import counted
from aiida_redoxmlp.workchains.active_learning_left import output_name
from aiida_redoxmlp.workchains.job_options import cores_of

__all__ = ("PlannedJobs", "plan_of", "plan_sentences", "plan_table")


@dataclass(frozen=True)
class PlannedJobs:
    """Jobs of one kind in an iteration.

    Attributes:
        stage: what they do.
        count: how many, without restarts.
        nodes: nodes a job.
        cores: cores a job.
        asks: what else a job asks the scheduler for.
        walltime: limit of a job in seconds, None without one.
    """

    stage: str
    count: int
    nodes: int
    cores: int
    asks: str
    walltime: int | None

    @property
    def most_core_hours(self) -> float | None:
        """What all of them take if each reaches its wall time."""
        return None if self.walltime is None else self.count * self.cores * self.walltime / 3600


def plan_of(builder: Any) -> list[PlannedJobs]:
    """Return the jobs of one iteration.

    Args:
        builder: of the work chain, with its inputs.
    """
    chosen = builder.selection.get_dict()["selection"]["n_labels"]
    most = Budget.model_validate(builder.budget.get_dict()).labels
    labels = chosen if most is None else min(chosen, most)
    seeds = len(builder.train.job.settings.get_dict()["seeds"])
    given = builder.train.members_per_job
    share = seeds if given is None else given.value
    return [
        _planned("exploration", 1, builder.explore.job.metadata.options),
        _planned("labels", labels, builder.label.pw.pw.metadata.options),
        _planned("training", -(-seeds // share), builder.train.job.metadata.options),
        _planned("evaluation", 1, builder.evaluate.job.metadata.options),
    ]


def plan_table(builder: Any) -> Table:
    """Return a line for every kind of job."""
    table = Table(title="jobs of an iteration", title_justify="left")
    for heading in ("stage", "jobs", "nodes a job", "cores a job", "asks for", "wall time / h", "core-hours at most"):
        table.add_column(
            heading,
            justify="left" if heading in ("stage", "asks for") else "right",
            min_width=len("exploration") if heading == "stage" else None,
        )
    for one in plan_of(builder):
        hours = one.most_core_hours
        table.add_row(
            one.stage,
            str(one.count),
            str(one.nodes),
            str(one.cores),
            one.asks,
            "no limit" if one.walltime is None else f"{one.walltime / 3600:.3g}",
            "" if hours is None else f"{hours:.4g}",
        )
    return table


def plan_sentences(builder: Any) -> list[str]:
    """Say what is learned about, how the loop begins, and what it spends at most."""
    structures = {name: node.get_formula(mode="hill") for name, node in dict(builder.structures).items()}
    budget = Budget.model_validate(builder.budget.get_dict())
    limits = ", ".join(f"{limit:g} {name}" for name, limit in budget.model_dump(exclude_none=True).items())
    jobs = plan_of(builder)
    labels = next(one for one in jobs if one.stage == "labels")
    sentences = [
        f"{len(structures)} structures: {', '.join(f'{name} {formula}' for name, formula in structures.items())}.",
        f"It begins with {_beginning(builder)}.",
        f"Budget: {limits}; {builder.max_concurrent.value} labels run at a time, {labels.count} an iteration.",
    ]
    if len(builder.train.job.settings.get_dict()["seeds"]) == 1:
        sentences.append("A committee of one has no spread, so that selection does not look at the candidate band.")
    if again := _asked_again(builder):
        sentences.append(again)
    if cost := _cost(jobs, labels, budget, _n_neighbours(builder) or labels.count):
        sentences.append(cost)
    return sentences


def _cost(jobs: list[PlannedJobs], labels: PlannedJobs, budget: Budget, first: int) -> str | None:
    """Say what the loop takes at most if its first iteration asks for ``first`` labels, None if nothing limits it."""
    rounds = [budget.iterations] if budget.iterations is not None else []
    rounds += [] if budget.labels is None else [1 + -(-max(budget.labels - first, 0) // labels.count)]
    if not rounds:
        return None
    iterations = min(rounds)
    asked = first + (iterations - 1) * labels.count
    batches = (asked if budget.labels is None else min(asked, budget.labels)) / labels.count
    hours = sum((batches if one is labels else iterations) * (one.most_core_hours or 0.0) for one in jobs)
    unlimited = [one.stage for one in jobs if one.most_core_hours is None]
    uncounted = f" and without {', '.join(unlimited)}, which have no limit" if unlimited else ""
    capped = "" if budget.core_hours is None else f"; the budget ends them at {budget.core_hours:g}"
    return (
        f"{iterations} iterations take {hours:.4g} core-hours at most, by the wall times, without restarts"
        f"{uncounted}{capped}."
    )


def _asked_again(builder: Any) -> str | None:
    """Say what becomes of labels that failed in an earlier loop, None where there are none."""
    if builder.loop is None:
        return None
    labels = LoopState.model_validate(builder.loop.get_dict()).labels
    waiting = labels.with_attempts(builder.max_label_attempts.value).waiting()
    if not waiting:
        return None
    asked = sum(output_name(key) in dict(builder.unanswered or {}) for key in waiting)
    failed = counted(len(waiting), "label")
    return f"Of {failed} that failed before, {asked} have the atoms of a structure and come first."


def _n_neighbours(builder: Any) -> int | None:
    """Return how many neighbours of the structures are labelled first, None where something is given to begin with."""
    if any(name in builder and builder[name] is not None for name in ("loop", "dataset", "model")):
        return None
    return int(builder.neighbourhoods.get_dict()["n_labels"])


def _beginning(builder: Any) -> str:
    if "loop" in builder and builder.loop is not None:
        return "what an earlier loop left"
    given = [name for name in ("dataset", "model") if name in builder and builder[name] is not None]
    if not given:
        return f"labels of {_n_neighbours(builder)} neighbours of the structures"
    return " and ".join(f"the {name} that is given" for name in given)


def _planned(stage: str, count: int, options: Any) -> PlannedJobs:
    resources = dict(options.get("resources", {}))
    nodes = int(resources.get("num_machines", 1))
    asked = [str(options[key]) for key in ("queue_name", "account", "qos") if options.get(key)]
    if "--gres=" in (commands := options.get("custom_scheduler_commands") or ""):
        asked.append(commands.partition("--gres=")[2].split()[0])
    return PlannedJobs(stage, count, nodes, cores_of(resources), ", ".join(asked), options.get("max_wallclock_seconds"))
