"""Exhaustive search: every configuration that symmetry tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.checkpoint import Arrays, part, prefixed
from aiida_redoxmlp.search.counting import count_distinct
from aiida_redoxmlp.search.enumeration import distinct_configurations
from aiida_redoxmlp.search.strategies.contract import Lowest, Problem

__all__ = ("Exhaustive", "ExhaustiveSettings")


class ExhaustiveSettings(BaseModel):
    """Every configuration, one a class of equivalent ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["exhaustive"] = "exhaustive"
    remembered: int = Field(1000, ge=2, description="Lowest configurations that are kept in memory.")


class Exhaustive:
    """Evaluates a stream of configurations, so that its lowest is proven to be the lowest.

    Raises:
        InputError: if there are more distinct configurations than evaluations in the budget.
    """

    def __init__(self, settings: ExhaustiveSettings, problem: Problem, random: np.random.Generator) -> None:
        del random  # nothing is left to chance
        self._settings, self._problem = settings, problem
        self.lowest = Lowest(problem.space.n_sites)
        self.n_distinct = count_distinct(problem.space)
        self._done = 0
        self._stream: Iterator[NDArray[np.int8]] | None = None
        left = problem.evaluations.left
        if left is not None and self.n_distinct > left + len(problem.evaluations):
            raise InputError(
                f"The space has {self.n_distinct} distinct configurations, but {left} evaluations are left for an "
                "exhaustive search; raise the budget, or take the strategy 'surrogate'."
            )

    def advance(self) -> bool:
        """Evaluate the next batch of configurations."""
        if self._stream is None:
            self._stream = self._batches(self._done)
        rows = next(self._stream, None)
        if rows is None:
            return False
        self.lowest.see(rows, self._problem.evaluations.mean(rows))
        self._problem.evaluations.keep_lowest(self._settings.remembered)
        self._done += len(rows)
        return self._done < self.n_distinct

    def arrays(self) -> Arrays:
        """Return the state, to store it."""
        return {"done": np.array(self._done), **prefixed("lowest", self.lowest.arrays())}

    def restore(self, arrays: Arrays) -> None:
        """Take over what :meth:`arrays` of a strategy with the same settings returned."""
        self._done, self._stream = int(arrays["done"]), None
        self.lowest.restore(part(arrays, "lowest"))

    def _batches(self, skipped: int) -> Iterator[NDArray[np.int8]]:
        """Yield what comes after the first configurations, a batch of the committee at a time."""
        size = self._problem.evaluations.batch_size
        for block in distinct_configurations(self._problem.space):
            rows = block.rows[skipped:]
            skipped = max(0, skipped - len(block))
            for start in range(0, len(rows), size):
                yield rows[start : start + size]
