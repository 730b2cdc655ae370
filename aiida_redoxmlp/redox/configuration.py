"""A periodic structure in which every atom has an oxidation state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.redox.species import Species

__all__ = ("OXIDATION_STATES_ARRAY", "SPINS_ARRAY", "Configuration")

OXIDATION_STATES_ARRAY = "oxidation_states"
"""Name of the per-atom array that carries oxidation states on an :class:`ase.Atoms`."""

SPINS_ARRAY = "spins"
"""Name of the per-atom array that carries spins on an :class:`ase.Atoms`."""


@dataclass(frozen=True, eq=False)
class Configuration:
    """Atoms of a fully periodic cell with their oxidation states.

    Attributes:
        numbers: atomic numbers of the real elements, shape (n_atoms,).
        positions: Cartesian positions in Å, shape (n_atoms, 3).
        cell: cell vectors as rows in Å, shape (3, 3).
        oxidation_states: integer charge of every atom, shape (n_atoms,).
        spins: unpaired electrons of every atom, negative where they point down, shape (n_atoms,): 5 or -5 for
            high-spin Mn2+. None where nothing is said about them.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    oxidation_states: NDArray[np.int64]
    spins: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def total_charge(self) -> int:
        """Sum of the oxidation states."""
        return int(self.oxidation_states.sum())

    def to_ase(self) -> Atoms:
        """Return the structure as ASE atoms, with the arrays ``oxidation_states`` and, where given, ``spins``."""
        atoms = Atoms(numbers=self.numbers, positions=self.positions, cell=self.cell, pbc=True)
        atoms.new_array(OXIDATION_STATES_ARRAY, self.oxidation_states.copy())
        if self.spins is not None:
            atoms.new_array(SPINS_ARRAY, self.spins.copy())
        return atoms

    def decorated(self, kinds: Sequence[Species | None]) -> Configuration:
        """Return the same sites with other species, the vacant ones left out; spins stay with their sites.

        Args:
            kinds: the species of every site, None for a vacancy.
        """
        there = np.array([kind is not None for kind in kinds])
        species = [kind for kind in kinds if kind is not None]
        return Configuration(
            numbers=np.array([atomic_numbers[one.element] for one in species], dtype=np.int64),
            positions=self.positions[there],
            cell=self.cell,
            oxidation_states=np.array([one.state for one in species], dtype=np.int64),
            spins=None if self.spins is None else self.spins[there],
        )

    @classmethod
    def from_ase(cls, atoms: Atoms) -> Configuration:
        """Read a configuration from ASE atoms.

        Without the array ``oxidation_states`` every atom is taken as neutral; without the array ``spins``
        nothing is said about spins.
        """
        spins = atoms.arrays.get(SPINS_ARRAY)
        states = atoms.arrays.get(OXIDATION_STATES_ARRAY, np.zeros(len(atoms)))
        return cls(
            numbers=np.asarray(atoms.numbers, dtype=np.int64),
            positions=np.asarray(atoms.positions, dtype=np.float64),
            cell=np.asarray(atoms.cell.array, dtype=np.float64),
            oxidation_states=np.asarray(states, dtype=np.int64),
            spins=None if spins is None else np.asarray(spins, dtype=np.int64),
        )

    def moved_to(self, positions: NDArray[np.float64]) -> Configuration:
        """Return the same atoms and states at other positions (Å, shape (n_atoms, 3))."""
        return replace(self, positions=np.asarray(positions, dtype=np.float64))
