"""Simulated annealing of several independent chains."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.search.checkpoint import Arrays, part, prefixed
from aiida_redoxmlp.search.strategies.contract import Lowest, Problem
from aiida_redoxmlp.search.strategies.temperatures import accepted, typical_change

__all__ = ("Annealing", "AnnealingSettings")

_FINAL = 1 / 40
"""Final temperature in units of the typical change of the energy."""


class AnnealingSettings(BaseModel):
    """Simulated annealing. Temperatures are k_B T in eV."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["annealing"] = "annealing"
    chains: int = Field(8, ge=1, description="Independent chains; each adds one evaluation a step.")
    steps: int = Field(500, ge=1, description="Moves a chain tries from the highest to the lowest temperature.")
    initial_temperature: float | None = Field(
        None, gt=0, description="By default what a move typically changes the energy by."
    )
    final_temperature: float | None = Field(None, gt=0, description="By default 1/40 of that.")


class Annealing:
    """Chains of moves at a temperature that falls geometrically.

    Source: S. Kirkpatrick, C. D. Gelatt and M. P. Vecchi, Science 220, 671 (1983).
    """

    def __init__(self, settings: AnnealingSettings, problem: Problem, random: np.random.Generator) -> None:
        self._settings, self._problem, self._random = settings, problem, random
        self.lowest = Lowest(problem.space.n_sites)
        self._step = 0
        self._rows: NDArray[np.int8] = np.zeros((0, problem.space.n_sites), dtype=np.int8)
        self._energies = np.zeros(0)
        self._range = np.zeros(2)

    def advance(self) -> bool:
        """Try one move in every chain."""
        if not self._step:
            self._start()
        fraction = self._step / max(1, self._settings.steps - 1)
        temperature = float(self._range[0] ** (1 - fraction) * self._range[1] ** fraction)
        proposed = self._problem.moves.change(self._rows, self._random)
        energies = self._problem.evaluations.mean(proposed)
        chosen = accepted(energies - self._energies, temperature, self._random)
        self._rows = np.where(chosen[:, None], proposed, self._rows)
        self._energies = np.where(chosen, energies, self._energies)
        self.lowest.see(proposed, energies)
        self._step += 1
        return self._step < self._settings.steps

    def arrays(self) -> Arrays:
        """Return the state but for the random generator's, to store it."""
        return {
            "step": np.array(self._step),
            "rows": self._rows,
            "energies": self._energies,
            "range": self._range,
            **prefixed("lowest", self.lowest.arrays()),
        }

    def restore(self, arrays: Arrays) -> None:
        """Take over what :meth:`arrays` of a strategy with the same settings returned."""
        self._step = int(arrays["step"])
        self._rows, self._energies, self._range = arrays["rows"], arrays["energies"], arrays["range"]
        self.lowest.restore(part(arrays, "lowest"))

    def _start(self) -> None:
        self._rows = self._problem.random_rows(self._settings.chains, self._random)
        typical = typical_change(self._problem, self._rows, self._random)
        self._range = np.array(
            [self._settings.initial_temperature or typical, self._settings.final_temperature or _FINAL * typical]
        )
        self._energies = self._problem.evaluations.mean(self._rows)
        self.lowest.see(self._rows, self._energies)
