"""Committees of analytic potentials whose averages are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species

STIFFNESS = 4.0


class SpringCommittee:
    """Every atom on a spring at its site; what a pattern costs and how far members are apart are given.

    Args:
        sites: where the springs end, in Å, shape (n_atoms, 3).
        cost: energy in eV of a tuple of oxidation states.
        slope: how much the force spread of an atom in eV/Å grows with its displacement in Å.
    """

    device = "cpu"
    n_members = 2
    encoding = Encoding.for_species("species", [Species("Mn", 2), Species("Mn", 3), Species("O", -2)])

    def __init__(
        self, sites: np.ndarray, cost: Callable[[tuple[int, ...]], float] = lambda _: 0.0, slope: float = 0.01
    ) -> None:
        self.sites, self.cost, self.slope = sites, cost, slope
        self.n_evaluations = 0

    def evaluate(self, configurations: Sequence[Configuration], *, stress: bool = False) -> list[CommitteeEvaluation]:
        self.n_evaluations += 1
        return [self._evaluate(one) for one in configurations]

    def _evaluate(self, here: Configuration) -> CommitteeEvaluation:
        moved = here.positions - self.sites
        states = tuple(state for state in here.oxidation_states.tolist() if state > 0)
        both = []
        for sign in (-1, 1):
            stiffness = STIFFNESS + sign * self.slope
            both.append((0.5 * stiffness * (moved**2).sum() + self.cost(states), -stiffness * moved))
        energies, forces = zip(*both, strict=True)
        return CommitteeEvaluation(np.array(energies), np.array(forces))

    def evaluate_decorations(
        self, template: Configuration, kinds: Sequence[Species | None], decorations: np.ndarray
    ) -> np.ndarray:
        return np.array([self._evaluate(template.decorated([kinds[k] for k in row])).energies for row in decorations])


def lattice(n_metal: int, states: Sequence[int]) -> Configuration:
    """A row of Mn and one of as many O, 3 Å apart."""
    row = 3.0 * np.arange(n_metal)
    zeros = np.zeros(n_metal)
    positions = np.vstack([np.column_stack([row, zeros, zeros]), np.column_stack([row, zeros + 3.0, zeros])])
    numbers = np.array([25] * n_metal + [8] * n_metal)
    charges = np.array([*states, *[-2] * n_metal])
    return Configuration(numbers, positions, np.diag([3.0 * n_metal, 6.0, 6.0]), charges)
