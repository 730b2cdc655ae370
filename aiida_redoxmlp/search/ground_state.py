"""Ground-state search over a configuration space, with any strategy, stopped and resumed at will."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.checkpoint import (
    generator_from,
    generator_state,
    part,
    prefixed,
    read_arrays,
    write_arrays,
)
from aiida_redoxmlp.search.evaluations import CommitteeEnergies, Ranking
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.strategies.contract import Problem, Strategy
from aiida_redoxmlp.search.strategies.registry import StrategySettings, make_strategy
from aiida_redoxmlp.search.strategies.surrogate import SurrogateSettings

__all__ = ("GroundState", "GroundStateSettings", "Run", "RunSettings", "find_ground_state")


class RunSettings(BaseModel):
    """What searches with any strategy have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="Seed of the random numbers.")
    budget: int | None = Field(2000, ge=1, description="Most evaluations by the committee, all runs together.")
    runs: int = Field(
        2, ge=1, description="Independent runs, each from random configurations of its own; exhaustive search has one."
    )
    batch_size: int = Field(256, ge=1, description="Configurations the committee gets at once.")
    lowest: int = Field(20, ge=1, description="Lowest configurations that are returned.")
    checkpoint_interval: float = Field(30.0, ge=0, description="Least time between two checkpoints in seconds.")


class GroundStateSettings(RunSettings):
    """How the lowest configuration is searched."""

    strategy: StrategySettings = Field(default_factory=SurrogateSettings, description="The strategy and its settings.")


@dataclass(frozen=True)
class Run:
    """How one run ended.

    Attributes:
        row: its lowest configuration, canonical.
        energy: committee mean in eV.
        n_evaluated: evaluations of the search so far at its end.
        n_evaluated_when_found: those when it first had its lowest energy.
        ended: it was done, or the budget was spent.
    """

    row: tuple[int, ...]
    energy: float
    n_evaluated: int
    n_evaluated_when_found: int
    ended: Literal["done", "budget"]


@dataclass(frozen=True, eq=False)
class GroundState:
    """What a search found.

    Attributes:
        ranking: the lowest configurations, one a class of equivalent ones.
        multiplicities: how many configurations each stands for, shape (n_lowest,).
        runs: the independent runs, in order.
        n_evaluated: configurations the committee evaluated.
        proven: whether every configuration was evaluated.
        complete: whether the search came to its end; otherwise it was stopped and can be resumed.
    """

    ranking: Ranking
    multiplicities: NDArray[np.int64]
    runs: tuple[Run, ...]
    n_evaluated: int
    proven: bool
    complete: bool


def find_ground_state(
    space: ConfigurationSpace,
    energies: CommitteeEnergies,
    settings: GroundStateSettings | None = None,
    *,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: Path | None = None,
) -> GroundState:
    """Search the lowest configuration of a space.

    Runs share what is remembered of the committee's energies, but nothing else. Stopped and resumed from its
    checkpoint, a search ends like one that was never stopped.

    Args:
        space: the configurations.
        energies: the committee; its energies do not change under the space's symmetry.
        settings: strategy, budget and seed.
        on_progress: sees a dictionary after every batch.
        should_stop: asked after every batch; the search is stored and returned as it is when it says yes.
        checkpoint: npz file to store the search in, and to resume it from where it exists.

    Raises:
        InputError: if the checkpoint is of other settings or another space, or the space is too large for an
            exhaustive search.
    """
    search = _Search(space, energies, settings or GroundStateSettings())
    if checkpoint is not None and checkpoint.exists():
        search.restore(checkpoint)
    stored = -math.inf  # the first batch is stored, so that a job that is killed soon after leaves something
    while search.goes_on():
        search.advance()
        if on_progress is not None:
            on_progress(search.progress())
        stopping = should_stop is not None and should_stop()
        due = time.monotonic() - stored >= search.settings.checkpoint_interval
        if checkpoint is not None and (stopping or due or not search.goes_on()):
            search.store(checkpoint)
            stored = time.monotonic()
        if stopping:
            break
    return search.result()


@dataclass(eq=False)
class _Search:
    """The state of a search between two batches.

    Attributes:
        ended: runs that came to their end.
        found: evaluations when the current run first had its lowest energy.
    """

    space: ConfigurationSpace
    energies: CommitteeEnergies
    settings: GroundStateSettings
    ended: list[Run] = field(default_factory=list)
    found: int = 0
    strategy: Strategy = field(init=False)

    def __post_init__(self) -> None:
        self.problem = Problem.of(self.space, self.energies, batch_size=self.settings.batch_size)
        self.n_runs = 1 if self.settings.strategy.name == "exhaustive" else self.settings.runs
        self._begin()

    def goes_on(self) -> bool:
        """Tell whether runs are left."""
        return len(self.ended) < self.n_runs

    def advance(self) -> None:
        """Go on by one batch, and to the next run where this one ended."""
        evaluations, before = self.problem.evaluations, self.strategy.lowest.energy
        more = self.strategy.advance()
        if self.strategy.lowest.energy < before:
            self.found = evaluations.n_evaluated
        if not more or evaluations.spent:
            self._end("budget" if more else "done")

    def progress(self) -> dict[str, Any]:
        """Return where the search is."""
        energy = min([self.strategy.lowest.energy, *(run.energy for run in self.ended)])
        return {
            "event": "searching",
            "strategy": self.settings.strategy.name,
            "run": min(len(self.ended) + 1, self.n_runs),
            "of": self.n_runs,
            "evaluations": self.problem.evaluations.n_evaluated,
            "budget": self.settings.budget,
            "lowest_energy_ev": energy,
        }

    def store(self, path: Path) -> None:
        """Write everything."""
        text = {"fingerprint": self._fingerprint(), "ended": [asdict(run) for run in self.ended], "found": self.found}
        write_arrays(
            path,
            {
                "search": np.array(json.dumps(text)),
                "random": generator_state(self.random),
                **prefixed("evaluations", self.problem.evaluations.arrays()),
                **prefixed("strategy", self.strategy.arrays()),
            },
        )

    def restore(self, path: Path) -> None:
        """Read what :meth:`store` wrote."""
        arrays = read_arrays(path)
        text = json.loads(str(arrays["search"])) if "search" in arrays else {}
        if text.get("fingerprint") != self._fingerprint():
            raise InputError(
                f"{path} is a checkpoint of another space, other settings or no search; remove it or give another file."
            )
        self.ended = [Run(**{**run, "row": tuple(run["row"])}) for run in text["ended"]]
        self.problem.evaluations.restore(part(arrays, "evaluations"))
        self._begin()
        self.found = int(text["found"])
        self.random = generator_from(arrays["random"])
        self.strategy = make_strategy(self.settings.strategy, self.problem, self.random)
        self.strategy.restore(part(arrays, "strategy"))

    def result(self) -> GroundState:
        """Return what was found."""
        ranking = self.problem.evaluations.ranking(self.settings.lowest)
        complete = not self.goes_on()
        exhaustive = self.settings.strategy.name == "exhaustive"
        return GroundState(
            ranking=ranking,
            multiplicities=self.problem.evaluations.forms.multiplicity(ranking.rows),
            runs=tuple(self.ended),
            n_evaluated=self.problem.evaluations.n_evaluated,
            proven=exhaustive and complete and self.ended[0].ended == "done",
            complete=complete,
        )

    def _begin(self) -> None:
        """Begin the next run; what a run leaves of its share of the budget goes to the next."""
        number = len(self.ended)
        if self.settings.budget is not None:
            share = self.settings.budget * (number + 1) // self.n_runs
            self.problem.evaluations.budget = min(share, self.settings.budget)
        self.random = np.random.default_rng([self.settings.seed, number])
        self.strategy = make_strategy(self.settings.strategy, self.problem, self.random)
        self.found = 0

    def _end(self, reason: Literal["done", "budget"]) -> None:
        lowest = self.strategy.lowest
        row = self.problem.evaluations.forms.canonical(lowest.row[None])[0]
        self.ended.append(
            Run(tuple(row.tolist()), lowest.energy, self.problem.evaluations.n_evaluated, self.found, reason)
        )
        if self.goes_on():
            self._begin()

    def _fingerprint(self) -> str:
        """Return what has to be the same for a checkpoint to be taken."""
        space = self.space
        settings = self.settings.model_dump(mode="json", exclude={"checkpoint_interval", "lowest"})
        allowed = [[species.label for species in some] for some in space.allowed]
        rules = [space.rules.targets.tolist(), dict(space.composition), space.total_charge]
        return json.dumps([settings, list(space.sites), allowed, rules, space.permutations.tolist()], sort_keys=True)
