"""Exchange Monte Carlo with parallel tempering."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from aiida_redoxmlp.search.checkpoint import Arrays, part, prefixed
from aiida_redoxmlp.search.strategies.contract import Lowest, Problem
from aiida_redoxmlp.search.strategies.temperatures import accepted, typical_change

__all__ = ("Tempering", "TemperingSettings")

_LOWEST = 1 / 15
"""Lowest temperature in units of the typical change of the energy."""


class TemperingSettings(BaseModel):
    """Exchange Monte Carlo at several temperatures. Temperatures are k_B T in eV."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["tempering"] = "tempering"
    temperatures: int = Field(8, ge=1, description="Number of temperatures, from lowest to highest in equal ratios.")
    ladders: int = Field(1, ge=1, description="Copies of the whole set of temperatures; they exchange nothing.")
    steps: int = Field(1000, ge=1, description="Moves that are tried at each temperature.")
    swap_every: int = Field(5, ge=1, description="Moves between two attempts to swap neighbouring temperatures.")
    lowest_temperature: float | None = Field(
        None, gt=0, description="By default 1/15 of what a move typically changes the energy by."
    )
    highest_temperature: float | None = Field(None, gt=0, description="By default that change.")

    @model_validator(mode="after")
    def _ascending(self) -> TemperingSettings:
        lowest, highest = self.lowest_temperature, self.highest_temperature
        if lowest is not None and highest is not None and lowest > highest:
            raise ValueError(
                f"the lowest temperature of {lowest} eV is above the highest of {highest} eV; swap the two"
            )
        return self


class Tempering:
    """Replicas at fixed temperatures that are moved by Metropolis' rule and swapped.

    Each replica samples Boltzmann's distribution at its temperature. Source: K. Hukushima and K. Nemoto, J. Phys. Soc.
    Jpn. 65, 1604 (1996).
    """

    def __init__(self, settings: TemperingSettings, problem: Problem, random: np.random.Generator) -> None:
        self._settings, self._problem, self._random = settings, problem, random
        self.lowest = Lowest(problem.space.n_sites)
        self._step = 0
        self.rows: NDArray[np.int8] = np.zeros((0, problem.space.n_sites), dtype=np.int8)
        self.energies = np.zeros(0)
        self.temperatures = np.zeros(0)

    def advance(self) -> bool:
        """Try one move of every replica, and swaps where they are due."""
        if not self._step:
            self._start()
        proposed = self._problem.moves.propose(self.rows, self._random)
        energies = self._problem.evaluations.mean(proposed)
        chosen = accepted(energies - self.energies, self.temperatures, self._random)
        self.rows = np.where(chosen[:, None], proposed, self.rows)
        self.energies = np.where(chosen, energies, self.energies)
        self.lowest.see(proposed, energies)
        self._step += 1
        if self._step % self._settings.swap_every == 0:
            self._swap(self._step // self._settings.swap_every % 2)
        return self._step < self._settings.steps

    def arrays(self) -> Arrays:
        """Return the state but for the random generator's, to store it."""
        return {
            "step": np.array(self._step),
            "rows": self.rows,
            "energies": self.energies,
            "temperatures": self.temperatures,
            **prefixed("lowest", self.lowest.arrays()),
        }

    def restore(self, arrays: Arrays) -> None:
        """Take over what :meth:`arrays` of a strategy with the same settings returned."""
        self._step = int(arrays["step"])
        self.rows, self.energies, self.temperatures = arrays["rows"], arrays["energies"], arrays["temperatures"]
        self.lowest.restore(part(arrays, "lowest"))

    def _start(self) -> None:
        settings = self._settings
        self.rows = self._problem.random_rows(settings.temperatures * settings.ladders, self._random)
        typical = typical_change(self._problem, self.rows, self._random)
        highest = settings.highest_temperature or max(typical, settings.lowest_temperature or 0.0)
        lowest = settings.lowest_temperature or min(_LOWEST * typical, highest)
        self.temperatures = np.tile(np.geomspace(lowest, highest, settings.temperatures), settings.ladders)
        self.energies = self._problem.evaluations.mean(self.rows)
        self.lowest.see(self.rows, self.energies)

    def _swap(self, offset: int) -> None:
        """Try to swap every second pair of neighbouring temperatures, the pairs from ``offset`` on."""
        places = np.arange(len(self.rows)).reshape(self._settings.ladders, -1)
        colder, hotter = places[:, offset:-1:2].ravel(), places[:, offset + 1 :: 2].ravel()
        difference = 1 / self.temperatures[colder] - 1 / self.temperatures[hotter]
        loss = (self.energies[hotter] - self.energies[colder]) * difference
        chosen = accepted(np.nan_to_num(loss, nan=np.inf), 1.0, self._random)
        one, other = colder[chosen], hotter[chosen]
        self.rows[np.r_[one, other]] = self.rows[np.r_[other, one]]
        self.energies[np.r_[one, other]] = self.energies[np.r_[other, one]]
