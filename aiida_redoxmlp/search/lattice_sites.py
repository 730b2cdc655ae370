"""Sites of a lattice: which atoms stand on them, which coincide, and how the space group permutes them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.redox.symmetry import site_permutations

__all__ = ("FARTHEST_FROM_SITE", "active_site_permutations", "coinciding_atoms", "sites_of_atoms")

FARTHEST_FROM_SITE = 1.0
"""Distance in Å beyond which an atom does not stand on a site."""

_LARGEST_STRAIN = 0.2

_COINCIDE = 0.5
"""Distance in Å below which no two atoms stand; the shortest bond, of H2, has 0.74 Å."""


def sites_of_atoms(atoms: Configuration, lattice: Configuration) -> NDArray[np.int64]:
    """Return the atom of the lattice next to each atom of a structure in the same setting.

    Fractional coordinates are compared, so the cells may differ by a strain.

    Args:
        atoms: structure whose atoms are displaced from the sites, and some of them missing.
        lattice: structure with an atom on every site.

    Returns:
        Index of the site of each atom, shape (n_atoms,).

    Raises:
        InputError: if the cells differ by more than a strain, an atom is farther than 1 Å from every site, or two
            stand on one.
    """
    strain = np.abs(np.linalg.solve(lattice.cell, atoms.cell) - np.eye(3)).max()
    if strain > _LARGEST_STRAIN:
        raise InputError(
            f"The cell of the structure ({_told(atoms)}) is not that of its lattice ({_told(lattice)}); give both in "
            "the same setting, the lattice as a supercell where the structure is one."
        )
    distances = _distances(_fractional(atoms), _fractional(lattice), lattice.cell)
    nearest: NDArray[np.int64] = distances.argmin(axis=1).astype(np.int64)
    apart = distances[np.arange(len(atoms)), nearest]
    if (apart > FARTHEST_FROM_SITE).any():
        atom = int(apart.argmax())
        raise InputError(
            f"Atom {atom} ({chemical_symbols[int(atoms.numbers[atom])]}) is {apart[atom]:.2f} Å from the nearest of "
            f"the {len(lattice)} sites of the lattice; give structures of the same cell and origin."
        )
    sites, counts = np.unique(nearest, return_counts=True)
    if len(sites) < len(atoms):
        crowded = np.flatnonzero(nearest == sites[counts.argmax()])
        raise InputError(
            f"Atoms {crowded[0]} and {crowded[1]} stand on the same of the {len(lattice)} sites of the lattice; "
            "give structures of the same cell and origin."
        )
    return nearest


def coinciding_atoms(structure: Configuration, sites: Sequence[int]) -> tuple[int, int, float] | None:
    """Return a site, an atom that coincides with it and their distance in Å, or None where none do."""
    fractional = _fractional(structure)
    distances = _distances(fractional[list(sites)], fractional, structure.cell)
    distances[np.arange(len(sites)), list(sites)] = np.inf
    row, atom = np.unravel_index(int(distances.argmin()), distances.shape)
    distance = float(distances[row, atom])
    return (sites[int(row)], int(atom), distance) if distance < _COINCIDE else None


def active_site_permutations(
    parent: Configuration,
    sites: Sequence[int],
    allowed: Sequence[Sequence[Species]],
    *,
    lattice: Configuration | None = None,
    tolerance: float = 0.01,
) -> NDArray[np.int64]:
    """Return the permutations of the active sites by the space group of the lattice.

    Only operations that keep every other atom's element, oxidation state and spin direction, and map active
    sites onto sites with the same allowed species and spin direction, are among them; those that permute the active
    sites alike are one.

    Args:
        parent: the structure.
        sites: its active atoms, ascending.
        allowed: allowed species of each.
        lattice: undistorted structure in the same setting, whose atoms are those of the parent and maybe more; the
            parent itself by default. Distortions of the parent then do not lower the symmetry, but atoms that are
            missing from it do.
        tolerance: spglib's symprec in Å.

    Returns:
        Shape (n_operations, n_sites), the identity first: an operation takes active site k to ``permutation[k]``.

    Raises:
        InputError: if the parent does not fit on the lattice, or spglib finds no symmetry.
    """
    lattice = parent if lattice is None else lattice
    places = np.arange(len(parent)) if lattice is parent else sites_of_atoms(parent, lattice)
    spins = np.zeros(len(parent), dtype=np.int64) if parent.spins is None else np.sign(parent.spins)
    kinds: list[Hashable] = [("missing", int(number)) for number in lattice.numbers]
    for atom, place in enumerate(places.tolist()):
        kinds[place] = (int(parent.numbers[atom]), int(parent.oxidation_states[atom]), int(spins[atom]))
    active = places[list(sites)]
    for site, place, species in zip(sites, active.tolist(), allowed, strict=True):
        kinds[place] = (tuple(species), int(spins[site]))
    numbered = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    labels = np.array([numbered[kind] for kind in kinds], dtype=np.int64)
    permutations = site_permutations(lattice.to_ase(), tolerance, labels=labels)
    order = np.full(len(lattice), -1, dtype=np.int64)
    order[active] = np.arange(len(active))
    distinct: NDArray[np.int64] = np.unique(order[permutations[:, active]], axis=0)
    return distinct


def _told(structure: Configuration) -> str:
    """Return the number of atoms and the lengths of the cell vectors in words."""
    lengths = " × ".join(f"{length:.2f}" for length in np.linalg.norm(structure.cell, axis=1))
    return f"{len(structure)} atoms, {lengths} Å"


def _fractional(structure: Configuration) -> NDArray[np.float64]:
    """Return fractional coordinates, shape (n_atoms, 3)."""
    coordinates: NDArray[np.float64] = np.linalg.solve(structure.cell.T, structure.positions.T).T
    return coordinates


def _distances(
    first: NDArray[np.float64], second: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances in Å between fractional coordinates, shape (n_first, n_second).

    They are those to the image nearest in fractional coordinates, which for short distances is the nearest.
    """
    difference = first[:, None, :] - second[None, :, :]
    difference -= np.round(difference)
    distances: NDArray[np.float64] = np.linalg.norm(difference @ cell, axis=2)
    return distances
