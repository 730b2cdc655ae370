"""Digital spins: how many unpaired electrons a site has, and which way they point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.redox.elements import RedoxTable

__all__ = ("SMALLEST_MOMENT", "digital_spin", "digital_spins")

SMALLEST_MOMENT = 0.5
"""Spin moment in μB, half an electron, below which a site has no sign."""

_VALENCE_ELECTRONS = {symbol: one.valence_electrons for symbol, one in RedoxTable.default().elements.items()}


def digital_spin(moment: float, electrons: int | None, orbital_l: int) -> int:
    """Return the number of unpaired electrons, negative where they point down.

    A shell with n electrons can have n, n - 2, … unpaired ones. The one nearest to the moment is taken, the larger
    of two that are equally near: the neighbours' share of the moment never changes the parity.

    Args:
        moment: spin moment in the shell in μB, up minus down.
        electrons: electrons of the shell in the site's oxidation state, or None where that is not known; the
            moment is then rounded.
        orbital_l: angular momentum of the shell.
    """
    if abs(moment) < SMALLEST_MOMENT:
        return 0
    places = 2 * (2 * orbital_l + 1)
    if electrons is None or not 0 <= electrons <= places:
        return round(moment)
    possible = range(electrons % 2, min(electrons, places - electrons) + 1, 2)
    nearest = min(possible, key=lambda unpaired: (abs(abs(moment) - unpaired), -unpaired))
    return nearest if moment > 0 else -nearest


def digital_spins(
    numbers: NDArray[np.int64],
    oxidation_states: NDArray[np.int64],
    sites: Sequence[int],
    eigenvalues: Sequence[NDArray[np.float64]],
) -> NDArray[np.int64]:
    """Return the digital spin of every atom, shape (n_atoms,); atoms without eigenvalues have none.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        oxidation_states: shape (n_atoms,).
        sites: indices of the redox sites.
        eigenvalues: occupation eigenvalues of each redox site, up and down, shape (2, 2l + 1).
    """
    spins = np.zeros(len(numbers), dtype=np.int64)
    for site, levels in zip(sites, eigenvalues, strict=False):
        valence = _VALENCE_ELECTRONS.get(chemical_symbols[int(numbers[site])])
        electrons = None if valence is None else valence - int(oxidation_states[site])
        moment = float(levels[0].sum() - levels[1].sum())
        spins[site] = digital_spin(moment, electrons, (int(levels.shape[1]) - 1) // 2)
    return spins
