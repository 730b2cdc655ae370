"""Energies of configurations at the parent's positions, by a committee of potentials."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.space import VACANCY, ConfigurationSpace

__all__ = ("CommitteeEnergies",)


class CommitteeEnergies:
    """A committee as a function of rows of a space; the ions stay where the parent has them."""

    def __init__(self, space: ConfigurationSpace, potential: CommitteePotential) -> None:
        """Take a space and a committee that knows its species."""
        self.space = space
        self.potential = potential

    def __call__(self, rows: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return energies in eV, shape (n_configurations, n_members).

        Raises:
            InputError: for a species the committee was not trained on.
        """
        decorations = np.tile(self._background, (len(rows), 1))
        for column, (site, choices) in enumerate(zip(self.space.sites, self._choices, strict=True)):
            decorations[:, site] = choices[rows[:, column]]
        kinds = [None if kind == VACANCY else kind for kind in self._kinds]
        return self.potential.evaluate_decorations(self.space.parent, kinds, decorations)

    @cached_property
    def _fixed(self) -> list[Species]:
        parent = self.space.parent
        rows = zip(parent.numbers.tolist(), parent.oxidation_states.tolist(), strict=True)
        return [Species(chemical_symbols[number], state) for number, state in rows]

    @cached_property
    def _kinds(self) -> list[Species]:
        """Everything that stands anywhere."""
        inactive = {one for index, one in enumerate(self._fixed) if index not in self.space.sites}
        return sorted(inactive.union(*self.space.allowed))

    @cached_property
    def _background(self) -> NDArray[np.int64]:
        """Kind of every atom of the parent, shape (n_atoms,); that of active sites means nothing."""
        return np.array([self._kinds.index(one) if one in self._kinds else 0 for one in self._fixed])

    @cached_property
    def _choices(self) -> list[NDArray[np.int64]]:
        """Kind behind every choice of every active site."""
        return [np.array([self._kinds.index(one) for one in allowed]) for allowed in self.space.allowed]
