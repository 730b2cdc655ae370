"""Symmetry of a structure as permutations of its atoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_redoxmlp.errors import InputError

__all__ = ("site_permutations", "space_group_operations")


def space_group_operations(
    atoms: Atoms, symprec: float = 0.01, labels: Sequence[int] | NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the space group of a structure: operations ``x -> rotation @ x + translation`` in fractional coordinates.

    Translations of a cell that is not primitive are among them.

    Args:
        atoms: structure, periodic in all three directions.
        symprec: distance in Å below which positions are taken as equivalent, as in spglib.
        labels: one number an atom; atoms with different labels are never equivalent. Atomic numbers by
            default.

    Returns:
        Rotations of shape (n_operations, 3, 3) and translations of shape (n_operations, 3).

    Raises:
        InputError: if spglib finds no symmetry.
    """
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    kinds = _compact(_kinds(atoms, labels))
    symmetry = spglib.get_symmetry((cell.tolist(), atoms.get_scaled_positions().tolist(), kinds.tolist()), symprec)
    if symmetry is None:
        raise InputError(
            f"spglib finds no symmetry of {atoms.get_chemical_formula()} at a tolerance of {symprec} Å; "
            "check the cell and that no two atoms coincide."
        )
    return np.asarray(symmetry["rotations"], dtype=np.int64), np.asarray(symmetry["translations"], dtype=np.float64)


def site_permutations(
    atoms: Atoms, symprec: float = 0.01, labels: Sequence[int] | NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the permutations of the atoms that the space group of a structure induces.

    Translations of a cell that is not primitive are among them. Operations that permute the atoms alike (a
    mirror plane that holds every atom, say) are one row, so the rows form a group; the identity is the first
    row.

    Args:
        atoms: structure, periodic in all three directions.
        symprec: distance in Å below which positions are taken as equivalent, as in spglib.
        labels: one number an atom; atoms with different labels are never equivalent. Atomic numbers by
            default.

    Returns:
        Shape (n_operations, n_atoms): an operation takes the atom at ``i`` to ``permutation[i]``.

    Raises:
        InputError: if spglib finds no symmetry, or its operations do not map the atoms one to one.
    """
    kinds = _kinds(atoms, labels)
    fractional = np.asarray(atoms.get_scaled_positions(), dtype=np.float64)
    rotations, translations = space_group_operations(atoms, symprec, labels)
    moved = np.einsum("oij,aj->oai", rotations, fractional) + translations[:, None, :]
    rows = _matching_atoms(moved, fractional, kinds)
    if any(len(np.unique(row)) != len(atoms) for row in rows):
        raise InputError(
            f"The symmetry operations found at a tolerance of {symprec} Å do not map the atoms one to one; "
            "give a smaller symmetry tolerance."
        )
    permutations: NDArray[np.int64] = np.unique(rows, axis=0)
    return permutations


def _kinds(atoms: Atoms, labels: Sequence[int] | NDArray[np.int64] | None) -> NDArray[np.int64]:
    return np.asarray(atoms.numbers if labels is None else labels, dtype=np.int64)


def _compact(kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the kinds from 1, as spglib wants small positive integers."""
    return np.unique(kinds, return_inverse=True)[1].astype(np.int64) + 1


def _matching_atoms(
    moved: NDArray[np.float64], fractional: NDArray[np.float64], kinds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the atom of its kind at the image of every atom under every operation, shape (n_operations, n_atoms).

    Args:
        moved: images in fractional coordinates, shape (n_operations, n_atoms, 3).
        fractional: atoms in fractional coordinates, shape (n_atoms, 3).
        kinds: shape (n_atoms,).
    """
    # The kind is a fourth coordinate, not periodic, that keeps atoms of different kinds apart.
    apart = _compact(kinds)[:, None].astype(np.float64)
    tree = cKDTree(np.hstack([fractional % 1.0 % 1.0, apart]), boxsize=[1, 1, 1, 0])
    images = np.concatenate([moved % 1.0 % 1.0, np.broadcast_to(apart, (len(moved), *apart.shape))], axis=2)
    nearest: NDArray[np.int64] = tree.query(images)[1].astype(np.int64)
    return nearest
