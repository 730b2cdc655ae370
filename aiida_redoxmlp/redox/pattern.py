"""Redox patterns: which redox site is in which oxidation state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError

__all__ = ("Pattern",)


@dataclass(frozen=True, order=True)
class Pattern:
    """The tuple of oxidation states over the redox sites of a structure.

    Attributes:
        sites: indices of the redox sites in the structure, ascending.
        states: oxidation state of each of those sites, in the same order.
    """

    sites: tuple[int, ...]
    states: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.sites) != len(self.states):
            raise InputError(
                f"A pattern has one state a redox site, but {len(self.states)} states were given "
                f"for {len(self.sites)} sites."
            )
        if list(self.sites) != sorted(set(self.sites)):
            raise InputError(f"The redox sites {list(self.sites)} must be ascending, each named once.")

    @property
    def charge(self) -> int:
        """Sum of the states over the redox sites."""
        return sum(self.states)

    @property
    def label(self) -> str:
        """Printable label, such as ``(2,3)``."""
        return f"({','.join(str(state) for state in self.states)})"

    @classmethod
    def read(cls, oxidation_states: Sequence[int] | NDArray[np.int64], sites: Sequence[int]) -> Pattern:
        """Read the pattern of ``sites`` from per-atom oxidation states, shape (n_atoms,)."""
        return cls(tuple(sites), tuple(int(oxidation_states[site]) for site in sites))

    def written_on(self, oxidation_states: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return per-atom oxidation states, shape (n_atoms,), with this pattern's states on its sites."""
        states = np.array(oxidation_states, dtype=np.int64)
        states[list(self.sites)] = self.states
        return states
