"""Search guided by a pair model that is fitted to the committee's energies on the way."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.search.checkpoint import Arrays, part, prefixed
from aiida_redoxmlp.search.pair_basis import PairBasis
from aiida_redoxmlp.search.pair_model import PairModel, anneal, fit_pairs
from aiida_redoxmlp.search.strategies.contract import Lowest, Problem

__all__ = ("SurrogateGuided", "SurrogateSettings")

_ELITE = 5
_DEVIATIONS = 2.0
"""A candidate may be lower than the lowest if it is predicted so many standard deviations above it, or less."""

_SMALLEST_WIDTH = 1e-6
"""Standard deviation in eV that random configurations' energies are taken to have at least."""


class SurrogateSettings(BaseModel):
    """A pair model proposes, the committee disposes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["surrogate"] = "surrogate"
    initial: int = Field(60, ge=2, description="Random configurations that the first fit is made to.")
    candidates: int = Field(24, ge=1, description="Configurations that the committee evaluates between two fits.")
    models: int = Field(8, ge=1, description="Models drawn from what the fit leaves open; each is annealed.")
    chains: int = Field(16, ge=1, description="Chains of annealing in each model.")
    steps_a_site: int = Field(30, ge=1, description="Moves that each of these chains tries, a site.")
    caution: float = Field(
        1.0, ge=0, description="Candidates are ranked by predicted energy less this many standard deviations."
    )
    top: int = Field(5, ge=1, description="The search stops when this many lowest configurations stay the same.")
    patience: int = Field(5, ge=1, description="For so many fits, if the model is sure that nothing is lower.")
    most_patience: int = Field(25, ge=1, description="For so many fits, if it is not.")
    most_fits: int = Field(500, ge=1, description="Most fits.")
    most_pairs: int = Field(4000, ge=0, description="Most orbits of pairs in the model, the shortest first.")


class SurrogateGuided:
    """Fits points and pairs, anneals models drawn from the posterior, and has the best candidates evaluated.

    Models drawn from the posterior (Thompson sampling) differ where the data leave them open, so their lowest
    configurations are those that may yet turn out to be the lowest. Neighbours of the lowest known configurations
    are candidates as well, which finds what pairs cannot describe.
    Source: W. R. Thompson, Biometrika 25, 285 (1933).
    """

    def __init__(self, settings: SurrogateSettings, problem: Problem, random: np.random.Generator) -> None:
        self._settings, self._problem, self._random = settings, problem, random
        self._basis = PairBasis(problem.space, most_pairs=settings.most_pairs)
        self.lowest = Lowest(problem.space.n_sites)
        self._rows: NDArray[np.int8] = np.zeros((0, problem.space.n_sites), dtype=np.int8)
        self._energies = np.zeros(0)
        self._fits = 0
        self._unchanged = 0
        self._error = np.inf
        self._width = 1.0

    def advance(self) -> bool:
        """Evaluate the first configurations, or those that a new fit proposes."""
        if not len(self._rows):
            rows = self._unseen(self._problem.random_rows(self._settings.initial, self._random))
            self._learn(rows, self._problem.evaluations.mean(rows))
            self._width = max(float(self._energies.std()), _SMALLEST_WIDTH)
            return True
        model = self.model()
        self._fits += 1
        candidates = self._candidates(model)
        if not len(candidates):
            return False
        predicted, deviations = model.predict(candidates)
        hopeful = predicted - _DEVIATIONS * np.hypot(deviations, max(self._error, model.posterior.noise))
        promising = bool(hopeful.min() < self.lowest.energy)
        best = np.argsort(predicted - self._settings.caution * deviations, kind="stable")[: self._settings.candidates]
        before, energies = self._top(), self._problem.evaluations.mean(candidates[best])
        known = np.isfinite(energies)
        self._error = float(np.sqrt(np.mean((energies - predicted[best])[known] ** 2))) if known.any() else np.inf
        self._learn(candidates[best], energies)
        self._unchanged = self._unchanged + 1 if self._top() == before else 0
        patience = self._settings.most_patience if promising else self._settings.patience
        return self._unchanged < patience and self._fits < self._settings.most_fits

    def model(self) -> PairModel:
        """Return the model fitted to what this run has seen."""
        return fit_pairs(self._basis, self._rows, self._energies, low_energy_width=self._width)

    def arrays(self) -> Arrays:
        """Return the state but for the random generator's, to store it."""
        return {
            "rows": self._rows,
            "energies": self._energies,
            "fits": np.array([self._fits, self._unchanged]),
            "error": np.array(self._error),
            "width": np.array(self._width),
            **prefixed("lowest", self.lowest.arrays()),
        }

    def restore(self, arrays: Arrays) -> None:
        """Take over what :meth:`arrays` of a strategy with the same settings returned."""
        self._rows, self._energies = arrays["rows"], arrays["energies"]
        self._fits, self._unchanged = arrays["fits"].tolist()
        self._error = float(arrays["error"])
        self._width = float(arrays["width"])
        self.lowest.restore(part(arrays, "lowest"))

    def _learn(self, rows: NDArray[np.int8], energies: NDArray[np.float64]) -> None:
        """Add configurations that the budget has allowed to evaluate to what is fitted."""
        self.lowest.see(rows, energies)
        known = np.isfinite(energies)
        self._rows = np.concatenate([self._rows, rows[known]])
        self._energies = np.concatenate([self._energies, energies[known]])

    def _candidates(self, model: PairModel) -> NDArray[np.int8]:
        """Return what models drawn from the posterior have as their lowest, and neighbours of the lowest known."""
        settings, problem = self._settings, self._problem
        drawn = model.sample(settings.models, self._random)
        drawn[0] = model.coefficients
        starts = self._rows[self._random.integers(0, len(self._rows), settings.models * settings.chains)]
        steps = settings.steps_a_site * problem.space.n_sites
        annealed = anneal(self._basis, drawn, starts, problem.moves, steps, self._random)
        elite = self._rows[np.argsort(self._energies, kind="stable")[:_ELITE]]
        return self._unseen(np.concatenate([annealed, *map(problem.moves.neighbours, elite)]))

    def _unseen(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the canonical forms that this run has not seen, each once, in the order given."""
        forms = self._problem.evaluations.forms.canonical(rows)
        seen = {row.tobytes() for row in self._rows}
        new = {form.tobytes(): place for place, form in reversed(list(enumerate(forms))) if form.tobytes() not in seen}
        return forms[sorted(new.values())]

    def _top(self) -> list[bytes]:
        """Return the lowest configurations."""
        return [
            self._rows[place].tobytes() for place in np.argsort(self._energies, kind="stable")[: self._settings.top]
        ]
