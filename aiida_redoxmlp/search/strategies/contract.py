"""What every search strategy offers: it goes on batch by batch, and its state can be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.canonical import CanonicalForms
from aiida_redoxmlp.search.checkpoint import Arrays
from aiida_redoxmlp.search.evaluations import CommitteeEnergies, Evaluations
from aiida_redoxmlp.search.moves import Moves, random_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("Lowest", "Problem", "Strategy")


@dataclass(frozen=True, eq=False)
class Problem:
    """A space, what its configurations cost, and how to get from one to another.

    Attributes:
        space: the configurations.
        evaluations: their energies.
        moves: steps between them.
    """

    space: ConfigurationSpace
    evaluations: Evaluations
    moves: Moves

    @classmethod
    def of(
        cls,
        space: ConfigurationSpace,
        energies: CommitteeEnergies,
        *,
        budget: int | None = None,
        batch_size: int = 256,
    ) -> Problem:
        """Join a space and a committee.

        Args:
            space: the configurations.
            energies: the committee; its energies do not change under the space's symmetry.
            budget: how many configurations it may evaluate.
            batch_size: how many it gets at once.
        """
        evaluations = Evaluations(CanonicalForms.of(space), energies, budget=budget, batch_size=batch_size)
        return cls(space, evaluations, Moves(space.rules))

    def random_rows(self, number: int, random: np.random.Generator) -> NDArray[np.int8]:
        """Return random configurations, shape (number, n_sites)."""
        return random_configurations(self.space, self.moves, number, random)


class Lowest:
    """The lowest configuration that a run has seen.

    Attributes:
        row: shape (n_sites,).
        energy: committee mean in eV, infinite before the first.
    """

    def __init__(self, n_sites: int) -> None:
        self.row = np.zeros(n_sites, dtype=np.int8)
        self.energy = np.inf

    def see(self, rows: NDArray[np.int8], energies: NDArray[np.float64]) -> None:
        """Compare with more configurations, shapes (n_configurations, n_sites) and (n_configurations,)."""
        place = int(energies.argmin())
        if energies[place] < self.energy:
            self.row, self.energy = rows[place].copy(), float(energies[place])

    def arrays(self) -> Arrays:
        """Return row and energy, to store them."""
        return {"row": self.row, "energy": np.array(self.energy)}

    def restore(self, arrays: Arrays) -> None:
        """Take over what :meth:`arrays` returned."""
        self.row, self.energy = arrays["row"].astype(np.int8), float(arrays["energy"])


class Strategy(Protocol):
    """One run of a search; it is made from its settings, a :class:`Problem` and a random generator."""

    lowest: Lowest

    def advance(self) -> bool:
        """Go on by one batch of evaluations, and tell whether there is more to do."""

    def arrays(self) -> Arrays:
        """Return the state but for the random generator's, to store it."""

    def restore(self, arrays: Arrays) -> None:
        """Take over what :meth:`arrays` of a strategy with the same settings returned."""
