"""Evolution of a population of configurations."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from aiida_redoxmlp.search.checkpoint import Arrays, part, prefixed
from aiida_redoxmlp.search.strategies.contract import Lowest, Problem
from aiida_redoxmlp.search.strategies.crossover import cut_and_splice, permuted, with_random_symmetry

__all__ = ("Evolution", "EvolutionSettings")

_ATTEMPTS = 5
_SPARED = 0.75
"""Share of those outside the elite that may survive; chance takes the others, which keeps the population diverse."""


class EvolutionSettings(BaseModel):
    """A population that breeds, mutates and keeps its best."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["evolution"] = "evolution"
    population: int = Field(40, ge=2, description="Configurations that live at a time.")
    children: int = Field(40, ge=1, description="New configurations of a generation; each is evaluated.")
    elite: int = Field(10, ge=0, description="Lowest configurations that always survive.")
    tournament: int = Field(3, ge=1, description="Configurations of which the lowest becomes a parent.")
    crossover: float = Field(0.6, ge=0, le=1, description="Share of children with two parents; half by cut and splice.")
    mutations: float = Field(1.5, ge=1, description="Mean number of random moves of a mutated child.")
    mutated: float = Field(0.3, ge=0, le=1, description="Share of children of two parents that are mutated as well.")
    generations: int = Field(200, ge=1, description="Most generations.")
    patience: int = Field(15, ge=1, description="Generations without a lower energy before stopping.")

    @model_validator(mode="after")
    def _some_die(self) -> EvolutionSettings:
        if self.elite >= self.population:
            raise ValueError(
                f"an elite of {self.elite} leaves no place in a population of {self.population}; make it smaller"
            )
        return self


class Evolution:
    """Parents chosen by tournaments, crossover, mutations and survival of the elite and of winners of tournaments.

    Nothing is born twice, not even an equivalent by symmetry: a child that died before would cost a generation's
    place and teach nothing. All keep charge and composition.
    """

    def __init__(self, settings: EvolutionSettings, problem: Problem, random: np.random.Generator) -> None:
        self._settings, self._problem, self._random = settings, problem, random
        self.lowest = Lowest(problem.space.n_sites)
        self._generation = 0
        self._unchanged = 0
        self._rows: NDArray[np.int8] = np.zeros((0, problem.space.n_sites), dtype=np.int8)
        self._energies = np.zeros(0)
        self._born: set[bytes] = set()

    def advance(self) -> bool:
        """Breed one generation."""
        if not self._generation:
            born = self._new(self._problem.random_rows(self._settings.population, self._random))
        else:
            born = self._children()
        if not len(born):
            return False
        before = self.lowest.energy
        energies = self._problem.evaluations.mean(born)
        self.lowest.see(born, energies)
        self._survive(np.concatenate([self._rows, born]), np.concatenate([self._energies, energies]))
        self._generation += 1
        self._unchanged = 0 if self.lowest.energy < before else self._unchanged + 1
        return self._generation < self._settings.generations and self._unchanged < self._settings.patience

    def arrays(self) -> Arrays:
        """Return the state but for the random generator's, to store it."""
        return {
            "generation": np.array([self._generation, self._unchanged]),
            "rows": self._rows,
            "energies": self._energies,
            "born": np.frombuffer(b"".join(sorted(self._born)), dtype=np.int8).reshape(-1, self._problem.space.n_sites),
            **prefixed("lowest", self.lowest.arrays()),
        }

    def restore(self, arrays: Arrays) -> None:
        """Take over what :meth:`arrays` of a strategy with the same settings returned."""
        self._generation, self._unchanged = arrays["generation"].tolist()
        self._rows, self._energies = arrays["rows"], arrays["energies"]
        self._born = {row.tobytes() for row in arrays["born"]}
        self.lowest.restore(part(arrays, "lowest"))

    def _children(self) -> NDArray[np.int8]:
        """Return new children, as many as are wanted or can be found."""
        wanted = self._settings.children
        found = np.zeros((0, self._problem.space.n_sites), dtype=np.int8)
        for _ in range(_ATTEMPTS):
            found = np.concatenate([found, self._new(self._bred(wanted), wanted - len(found))])
            if len(found) == wanted:
                break
        return found

    def _new(self, rows: NDArray[np.int8], most: int | None = None) -> NDArray[np.int8]:
        """Return those rows, the first ``most`` of them, that nothing born so far is equivalent to."""
        keys = self._problem.evaluations.forms.keys(rows)
        first = {key: place for place, key in reversed(list(enumerate(keys))) if key not in self._born}
        places = sorted(first.values())[:most]
        self._born.update(keys[place] for place in places)
        return rows[places]

    def _bred(self, number: int) -> NDArray[np.int8]:
        """Return children, shape (number, n_sites), some of them perhaps alive already."""
        random, space, moves = self._random, self._problem.space, self._problem.moves
        mothers, fathers = self._rows[self._parents(number)], self._rows[self._parents(number)]
        fathers = with_random_symmetry(fathers, space.permutations, random)
        kind = random.random(number)
        spliced = np.flatnonzero(kind < 0.5 * self._settings.crossover)
        exchanged = np.flatnonzero((kind >= 0.5 * self._settings.crossover) & (kind < self._settings.crossover))
        children: NDArray[np.int8] = mothers.copy()
        children[spliced] = cut_and_splice(mothers[spliced], fathers[spliced], space, random)
        children[exchanged] = permuted(mothers[exchanged], fathers[exchanged], space, random)
        mutated = (kind >= self._settings.crossover) | (random.random(number) < self._settings.mutated)
        steps = np.where(mutated, random.geometric(1 / self._settings.mutations, number), 0)
        for step in range(int(steps.max(initial=0))):
            moving = np.flatnonzero(steps > step)
            children[moving] = moves.change(children[moving], random)
        return children

    def _parents(self, number: int) -> NDArray[np.int64]:
        """Return the winners of tournaments; the population is in ascending energy."""
        drawn = self._random.integers(0, len(self._rows), (number, self._settings.tournament))
        winners: NDArray[np.int64] = drawn.min(axis=1)
        return winners

    def _survive(self, rows: NDArray[np.int8], energies: NDArray[np.float64]) -> None:
        """Keep the elite and the lowest of those others that chance spares."""
        order = np.argsort(energies, kind="stable")
        elite, others = order[: self._settings.elite], order[self._settings.elite :]
        needed = self._settings.population - len(elite)
        spared = max(needed, round(_SPARED * len(others)))
        places = np.sort(self._random.permutation(len(others))[:spared])[:needed]
        kept = np.concatenate([elite, others[places]])
        self._rows, self._energies = rows[kept], energies[kept]
