"""Bond lengths that a redox pattern wants: Shannon radii and the pre-distortion they give."""

from __future__ import annotations

from collections.abc import Collection

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

    Source: R. D. Shannon, Acta Crystallogr. A 32, 751 (1976), as tabulated by pymatgen. States between two
    tabulated ones are interpolated at the same coordination number. Where the table does not reach the state
    at the coordination number asked for, six-coordinate radii are taken; beyond those, the outermost one is
    kept.

    Args:
        element: chemical symbol.
        state: oxidation state.
        coordination: number of ligands.
        low_spin: take the low-spin radius where the table tells the two apart.

    Raises:
        InputError: if the table has no cation of the element.
    """
    table = _radii_by_coordination(element, low_spin=low_spin)
    if not table:
        raise InputError(f"Shannon's table has no cation of {element}; give redox elements that form cations.")
    nearest_six = sorted(table, key=lambda number: (abs(number - 6), number))
    candidates = [coordination, *nearest_six] if coordination in table else nearest_six
    reached = [number for number in candidates if min(table[number]) <= state <= max(table[number])]
    radii = table[(reached or nearest_six)[0]]
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
        displacements[shifted] -= np.average(displacements[shifted], axis=0, weights=atoms.get_masses()[shifted])
    return positions + displacements


def _ligands_of_sites(atoms: Atoms, sites: tuple[int, ...]) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
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


def _radii_by_coordination(element: str, *, low_spin: bool) -> dict[int, dict[int, float]]:
    """Return the radii of an element's cations in Å by coordination number and state."""
    radii: dict[int, dict[int, float]] = {}
    for state, shells in (Element(element).data.get("Shannon radii") or {}).items():
        for number, roman in _COORDINATION.items():
            if int(state) > 0 and roman in shells:
                entry = shells[roman]
                chosen = entry.get("Low Spin" if low_spin else "High Spin") or entry[min(entry)]
                radii.setdefault(number, {})[int(state)] = float(chosen["ionic_radius"])
    return radii
