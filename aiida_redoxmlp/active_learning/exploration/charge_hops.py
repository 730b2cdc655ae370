"""Charges that hop between the redox sites of a walker, the ions fixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase import units
from numpy.typing import NDArray

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.search.comparability import require_comparable
from aiida_redoxmlp.search.moves import Moves
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.strategies.temperatures import accepted

__all__ = ("ChargeHops",)


class ChargeHops:
    """Hops of the charge among the patterns of a structure that close it, each as likely as the hop back.

    Spins follow the states from those of the start, so that a pattern has the same spins whenever a walker is there and
    detailed balance holds for potentials that resolve spins as well.
    """

    def __init__(
        self, start: Configuration, spins: NDArray[np.int64] | None, chemistry: RedoxChemistry, encoding: Encoding
    ) -> None:
        """Take the atoms and what their redox sites may be.

        Args:
            start: the atoms; where they are does not matter.
            spins: of the start, shape (n_atoms,); None where the potential does not resolve spins.
            chemistry: charges of the material.
            encoding: that of the potential.

        Raises:
            InputError: if there is no redox site, or the potential does not know one of its states.
            ClosureError: if no pattern closes the charge.
        """
        self._space = ConfigurationSpace.of_redox_states(start.to_ase(), chemistry)
        require_comparable(self._space, encoding)
        self._moves = Moves(self._space.rules)
        self._spins = spins if encoding.resolves_spins else None
        self._encoding = encoding

    def proposed(self, configuration: Configuration, random: np.random.Generator) -> Configuration | None:
        """Return the configuration after a random hop; None where what was drawn leaves it as it is."""
        row = self._space.row_of_pattern(Pattern.read(configuration.oxidation_states, self._space.sites))
        hopped = self._moves.propose(row[None], random)
        if (hopped[0] == row).all():
            return None
        states = self._space.oxidation_states(hopped)[0]
        return self._encoding.with_usual_spins(replace(configuration, oxidation_states=states, spins=self._spins))

    @staticmethod
    def is_accepted(change: float, temperature: float, random: np.random.Generator) -> bool:
        """Decide by Metropolis' rule.

        Args:
            change: new minus old committee mean energy in eV.
            temperature: K.
            random: source of the random number.
        """
        return bool(accepted(np.array([change]), units.kB * temperature, random)[0])
