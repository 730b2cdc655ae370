"""Bond lengths that a redox pattern wants: Shannon radii and the pre-distortion they give."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from pymatgen.core.periodic_table import Element

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("ANIONS", "ligands", "pre_distort", "shannon_radius")

ANIONS = frozenset({"N", "O", "F", "S", "Cl", "Se", "Br", "Te", "I"})
"""Elements taken as ligands of a redox site."""

_SHELL_WIDTH = 1.25  # the coordination shell ends at this multiple of the shortest metal-ligand distance
_LONGEST_BOND = 3.5  # Å; an anion farther away is no ligand
_RADIUS_SHARE = 0.5  # a shell shared with another site would overshoot with the whole difference of the radii
_COORDINATION = {4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII", 9: "IX", 10: "X", 12: "XII"}


def shannon_radius(element: str, state: int, coordination: int = 6, *, low_spin: bool = False) -> float:
    """Return the effective ionic radius of a cation in Å.

    Source: R. D. Shannon, Acta Crystallogr. A 32, 751 (1976), as tabulated by pymatgen. Where the table has
        no
    entry for the coordination number the six-coordinate one, and then the nearest, is taken; where it has
    none for the state, the neighbouring states are interpolated and the outermost one is kept beyond them.

    Args:
        element: chemical symbol.
        state: oxidation state.
        coordination: number of ligands.
        low_spin: take the low-spin radius where the table tells the two apart.

    Raises:
        InputError: if the table has no cation of the element.
    """
    table = Element(element).data.get("Shannon radii") or {}
    radii = {
        int(key): _tabulated(shells, coordination, low_spin=low_spin)
        for key, shells in table.items()
        if int(key) > 0
    }
    if not radii:
        raise InputError(
            f"Shannon's table has no cation of {element}; give redox elements that form cations."
        )
    states = sorted(radii)
    return float(np.interp(state, states, [radii[one] for one in states]))


def ligands(atoms: Atoms, site: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ligands of a site: the anions within 1.25 times its shortest distance to one.

    Args:
        atoms: structure.
        site: index of the cation.

    Returns:
        Indices of the ligands, shape (n_ligands,), and vectors from the site to them in Å, shape (n_ligands,
        3). A ligand reached in two periodic images is there twice; a site without anions within 3.5 Å has
        none.
    """
    return _ligands_of_sites(atoms, (site,))[site]


def pre_distort(
    atoms: Atoms,
    pattern: Pattern,
    strength: float = 1.0,
    *,
    low_spin_sites: Collection[int] = (),
) -> NDArray[np.float64]:
    """Return positions with the ligands shifted towards the bond lengths of a pattern.

    The ligands of a redox site move along their bonds by ``strength`` times half the difference between the
    Shannon radius of the site's state and the mean radius over the pattern, so sites in the smaller states
    contract and the others expand; a ligand of several sites moves by the sum. Redox sites and all other
    atoms stay. The ligands' common drift is taken out, which keeps the centre of mass.

    Args:
        atoms: structure whose redox sites have their average surroundings.
        pattern: wanted states.
        strength: multiple of the displacement; 0 leaves the structure as it is.
        low_spin_sites: indices of the redox sites whose low-spin radius is meant.

    Returns:
        Cartesian positions in Å, shape (n_atoms, 3).
    """
    positions = np.array(atoms.positions, dtype=np.float64)
    symbols = atoms.get_chemical_symbols()
    shells = _ligands_of_sites(atoms, pattern.sites)
    radii = np.array(
        [
            shannon_radius(symbols[site], state, len(shells[site][0]), low_spin=site in low_spin_sites)
            for site, state in zip(pattern.sites, pattern.states, strict=True)
        ]
    )
    shifts = strength * _RADIUS_SHARE * (radii - radii.mean())
    displacements = np.zeros_like(positions)
    for site, shift in zip(pattern.sites, shifts, strict=True):
        indices, bonds = shells[site]
        directions = bonds / np.linalg.norm(bonds, axis=1, keepdims=True)
        np.add.at(displacements, indices, shift * directions)
    shifted = np.setdiff1d(np.concatenate([shells[site][0] for site in pattern.sites]), pattern.sites)
    displacements[list(pattern.sites)] = 0.0
    if len(shifted):
        displacements[shifted] -= np.average(
            displacements[shifted], axis=0, weights=atoms.get_masses()[shifted]
        )
    return positions + displacements


def _ligands_of_sites(
    atoms: Atoms, sites: tuple[int, ...]
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return the ligands of several sites with one neighbour search, by site."""
    centres, others, lengths, vectors = neighbor_list("ijdD", atoms, _LONGEST_BOND)
    is_anion = np.array([symbol in ANIONS for symbol in atoms.get_chemical_symbols()])
    shells = {}
    for site in sites:
        bonded = (centres == site) & is_anion[others]
        if bonded.any():
            bonded &= lengths <= _SHELL_WIDTH * lengths[bonded].min()
        shells[site] = (
            np.asarray(others[bonded], dtype=np.int64),
            np.asarray(vectors[bonded], dtype=np.float64),
        )
    return shells


def _tabulated(
    shells: Mapping[str, Mapping[str, Mapping[str, float]]], coordination: int, *, low_spin: bool
) -> float:
    """Return the radius of one state from its table by coordination number and spin state."""
    numbers = {number: roman for number, roman in _COORDINATION.items() if roman in shells}
    if numbers:
        preferred = coordination if coordination in numbers else 6
        entry = shells[numbers[min(numbers, key=lambda number: (abs(number - preferred), number))]]
    else:
        entry = shells[min(shells)]
    chosen = entry.get("Low Spin" if low_spin else "High Spin") or entry[min(entry)]
    return float(chosen["ionic_radius"])
