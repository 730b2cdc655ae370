"""Signs of the moments on the redox sites for a given magnetic order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError

__all__ = ("MagneticOrder", "moment_signs")

MagneticOrder = Literal["ferromagnetic", "antiferromagnetic", "charge_ordered"]

_COUPLING_DECAY = 0.3  # Å; bonds that differ by a little count alike, the next shell counts for little
_COUPLING_RANGE = 3.0  # Å beyond the shortest redox-redox distance
_EXACT_UP_TO = 16  # sites; 2^15 orders are tried at once


def moment_signs(
    atoms: Atoms, redox_sites: Sequence[int], order: MagneticOrder | Sequence[int], *, states: Sequence[int] = ()
) -> tuple[int, ...]:
    """Return the sign of the moment of every redox site.

    ``antiferromagnetic`` is the ground state of an Ising antiferromagnet on the redox sites, periodic images
    included, whose coupling decays as exp(-d / 0.3 Å): the maximum cut of the nearest-neighbour graph, where
    further shells decide what the nearest one leaves open. A two-sublattice structure gets its two
    sublattices. It is exact for up to 16 sites; larger cells are coloured bond by bond from the strongest and
    then improved by flips, which is exact for two sublattices. The first site points up; orders that are
    equally good are decided by the order of the sites.

    ``charge_ordered`` points the sites of the lowest state up and all others down, so that no electron can hop between
    them without a spin flip.

    Args:
        atoms: structure.
        redox_sites: indices of the redox sites, ascending.
        order: ``ferromagnetic``, ``antiferromagnetic``, ``charge_ordered`` or one sign (+1 or -1) a redox site.
        states: oxidation states of the redox sites, for ``charge_ordered``.

    Returns:
        One sign, +1 or -1, a redox site.

    Raises:
        InputError: for an unknown order, or signs that do not fit the sites.
    """
    if order == "ferromagnetic":
        return (1,) * len(redox_sites)
    if order == "charge_ordered":
        order = [1 if state == min(states) else -1 for state in states]
    elif order == "antiferromagnetic":
        couplings = _couplings(atoms, redox_sites)
        order = _exact_cut(couplings) if len(redox_sites) <= _EXACT_UP_TO else _greedy_cut(couplings)
    elif isinstance(order, str):
        raise InputError(
            f"The magnetic order {order!r} is unknown; write ferromagnetic, antiferromagnetic, "
            "charge_ordered or a list of signs."
        )
    signs = tuple(int(sign) for sign in order)
    if len(signs) != len(redox_sites) or any(sign not in (-1, 1) for sign in signs):
        raise InputError(
            f"The magnetic order {list(order)} does not fit the {len(redox_sites)} redox sites; "
            "give each of them +1 or -1."
        )
    return signs


def _couplings(atoms: Atoms, redox_sites: Sequence[int]) -> NDArray[np.float64]:
    """Return the coupling of every pair of redox sites, summed over images, shape (n_sites, n_sites)."""
    n_sites = len(redox_sites)
    couplings = np.zeros((n_sites, n_sites))
    sublattice = atoms[list(redox_sites)]
    if n_sites < 2:
        return couplings
    distances = sublattice.get_all_distances(mic=True)
    shortest = float(distances[~np.eye(n_sites, dtype=bool)].min())
    first, second, lengths = neighbor_list("ijd", sublattice, shortest + _COUPLING_RANGE)
    np.add.at(couplings, (first, second), np.exp(-(lengths - shortest) / _COUPLING_DECAY))
    np.fill_diagonal(couplings, 0.0)  # a site and its own image always point the same way
    return couplings


def _exact_cut(couplings: NDArray[np.float64]) -> list[int]:
    """Try every order with the first site up; the first of the best in binary order wins."""
    n_sites = len(couplings)
    numbers = np.arange(2 ** (n_sites - 1))
    bits = (numbers[:, None] >> np.arange(n_sites - 2, -1, -1)) & 1
    signs = np.hstack([np.ones((len(numbers), 1)), 1.0 - 2.0 * bits])
    energies = np.einsum("oi,oi->o", signs @ couplings, signs)
    best = int(np.flatnonzero(energies <= energies.min() + _tie(couplings))[0])
    return [int(sign) for sign in signs[best]]


def _greedy_cut(couplings: NDArray[np.float64]) -> list[int]:
    """Colour bond by bond from the strongest, then flip single sites while that helps."""
    n_sites = len(couplings)
    tolerance = _tie(couplings)
    rounded = np.round(couplings / tolerance)
    bonds = sorted(combinations(range(n_sites), 2), key=lambda bond: (-rounded[bond], bond))
    signs = np.ones(n_sites)
    cluster = np.arange(n_sites)
    for i, j in bonds:
        if cluster[i] != cluster[j]:
            joined = cluster == cluster[j]
            if signs[i] == signs[j]:
                signs[joined] *= -1
            cluster[joined] = cluster[i]
    while True:
        gains = signs * (couplings @ signs)
        worst = int(np.argmax(gains))
        if gains[worst] <= tolerance:
            return [int(sign) for sign in signs * signs[0]]
        signs[worst] *= -1


def _tie(couplings: NDArray[np.float64]) -> float:
    """Difference of energies below which two orders are equally good."""
    return 1e-6 * max(float(couplings.sum()), 1.0)
