"""Hops of mobile ions to vacant sites, and geometries along their ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.optimize import minimize

from aiida_redoxmlp.active_learning.exploration.settings import IonHops
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.symmetry import space_group_operations

__all__ = ("IonHop", "distinct_hops", "hop_images", "hops_by_structure", "vacant_sites")

_SAME_SITE = 1.0
"""Sites closer than this (Å) are one site."""

_SAME_HOP = 0.1
"""Difference in Å below which a symmetry operation takes a hop to another."""

_SAME_CELL = 0.1
"""Largest difference of two cells' vectors as a share of their length."""

_ENVIRONMENT = 4.0
"""Atoms farther than this (Å) from both ends of a hop have no say in its way."""

_FIRST_OFFSET = 0.05
"""Å, by which a way is pushed off the straight line at first, where symmetry may hold it between two atoms."""


@dataclass(frozen=True, eq=False)
class IonHop:
    """A hop of one ion.

    Attributes:
        ion: index of the ion.
        vector: from where it is to the vacant site in Å, shape (3,).
    """

    ion: int
    vector: NDArray[np.float64] = field(repr=False)

    @property
    def distance(self) -> float:
        """Length of the hop in Å."""
        return float(np.linalg.norm(self.vector))


def hops_by_structure(structures: Mapping[str, Configuration], settings: IonHops) -> dict[str, list[IonHop]]:
    """Return the distinct hops of every structure's ions, by its name.

    Args:
        structures: the structures by name; where one has an ion, others may have a vacant site.
        settings: element of the ions, sites if they are given, and largest distance.

    Raises:
        InputError: if no ion of any structure can hop.
    """
    hops = {}
    for name, here in structures.items():
        others = (other for other in structures.values() if other is not here)
        hops[name] = distinct_hops(here, vacant_sites(here, others, settings), settings)
    if not any(hops.values()):
        raise InputError(
            f"No structure has {settings.element} with a vacant site within {settings.max_distance:g} Å; give "
            "ion_hops.sites, a structure of the same lattice with more of it, or a larger ion_hops.max_distance."
        )
    return hops


def vacant_sites(
    configuration: Configuration, others: Iterable[Configuration], settings: IonHops
) -> NDArray[np.float64]:
    """Return where an ion of a structure could go in Å, shape (n_sites, 3).

    Without sites of the user's own these are the places of such ions in other structures of the same lattice: the cell
    differs by little, and all other atoms are of the same elements and near where they are in this structure.

    Args:
        configuration: the structure.
        others: structures that may have more of the ions.
        settings: element of the ions, and sites if they are given.
    """
    here = configuration.to_ase()
    known = [np.asarray(settings.sites, dtype=np.float64)] if settings.sites else []
    if not known:
        known = [
            there.get_scaled_positions()[_ions(there, settings)]
            for there in (other.to_ase() for other in others)
            if _same_lattice(here, there, settings)
        ]
    taken = here.positions
    found: list[NDArray[np.float64]] = []
    for site in (position for sites in known for position in sites @ here.cell.array):
        _, distances = get_distances(site[None], taken, cell=here.cell, pbc=True)
        if distances.min() > _SAME_SITE:
            found.append(site)
            taken = np.vstack([taken, site])
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def distinct_hops(configuration: Configuration, sites: NDArray[np.float64], settings: IonHops) -> list[IonHop]:
    """Return the hops from ions to vacant sites within reach, shortest first, one of those that symmetry makes equal.

    Args:
        configuration: the structure; states and spins tell atoms apart.
        sites: vacant sites in Å, shape (n_sites, 3).
        settings: element of the ions and largest distance.
    """
    atoms = configuration.to_ase()
    ions = _ions(atoms, settings)
    ends = Atoms(f"X{len(ions) + len(sites)}", np.vstack([atoms.positions[ions], sites]), cell=atoms.cell, pbc=True)
    first, second, vectors = neighbor_list("ijD", ends, settings.max_distance)
    between = (first < len(ions)) & (second >= len(ions))
    hops = [IonHop(int(ions[i]), vector) for i, vector in zip(first[between], vectors[between], strict=True)]
    hops.sort(key=lambda hop: (round(hop.distance, 3), hop.ion, *np.round(hop.vector, 3)))
    rotations, translations = space_group_operations(atoms, labels=_labels(configuration))
    distinct: list[IonHop] = []
    for hop in hops:
        start, way = (np.linalg.solve(atoms.cell.array.T, one) for one in (atoms.positions[hop.ion], hop.vector))
        starts, ways = rotations @ start + translations, np.asarray(rotations @ way, dtype=np.float64)
        if not any(_is_among(one, starts, ways, atoms) for one in distinct):
            distinct.append(hop)
    return distinct


def hop_images(
    configuration: Configuration, hop: IonHop, n_images: int, random: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Return positions of all atoms in Å along a hop: the images between, and the end. The other atoms stay.

    The images lie in planes across the straight line, at equal distances. In its plane the ion goes where its distances
    to the atoms around are closest to those interpolated between both ends, by the image-dependent pair potential of
    Smidstrup et al., J. Chem. Phys. 140, 214106 (2014): around the atoms on the line, not through them.

    Args:
        configuration: the structure.
        hop: which ion goes where.
        n_images: images between the ends.
        random: decides to which side the ion leaves a line that symmetry holds it on.
    """
    start = configuration.positions[hop.ion]
    around = _around(configuration, hop)
    first, last = (np.linalg.norm(around - end, axis=1) for end in (start, start + hop.vector))
    across = np.linalg.svd(hop.vector[None])[2][1:]
    side = _FIRST_OFFSET * random.standard_normal(2)
    found = []
    for share in np.arange(1, n_images + 1) / (n_images + 1):
        line = start + share * hop.vector
        targets = (1 - share) * first + share * last
        reach = hop.distance / 2
        best = minimize(
            _pair_potential, side, (line, across, around, targets), "L-BFGS-B", True, bounds=[(-reach, reach)] * 2
        )
        found.append(_with_ion_at(configuration, hop.ion, line + best.x @ across))
    return [*found, _with_ion_at(configuration, hop.ion, start + hop.vector)]


def _ions(atoms: Atoms, settings: IonHops) -> NDArray[np.int64]:
    return np.flatnonzero(atoms.symbols == settings.element)


def _same_lattice(here: Atoms, there: Atoms, settings: IonHops) -> bool:
    """Whether two structures are of one lattice, but for their ions."""
    lengths = np.linalg.norm(here.cell.array, axis=1)
    if (np.linalg.norm(here.cell.array - there.cell.array, axis=1) > _SAME_CELL * lengths).any():
        return False
    own, other = (atoms[[atom.index for atom in atoms if atom.symbol != settings.element]] for atoms in (here, there))
    if len(own) != len(other) or not len(own):
        return False
    _, distances = get_distances(own.positions, other.get_scaled_positions() @ here.cell.array, here.cell, pbc=True)
    nearest = distances.argmin(axis=1)
    same_elements = own.numbers == other.numbers[nearest]
    return bool(same_elements.all() and distances.min(axis=1).max() <= _SAME_SITE)


def _labels(configuration: Configuration) -> NDArray[np.int64]:
    """Number atoms by element, state and spin."""
    spins = np.zeros(len(configuration)) if configuration.spins is None else configuration.spins
    kinds = np.column_stack([configuration.numbers, configuration.oxidation_states, spins])
    return np.unique(kinds, axis=0, return_inverse=True)[1].astype(np.int64).reshape(-1)


def _is_among(hop: IonHop, starts: NDArray[np.float64], ways: NDArray[np.float64], atoms: Atoms) -> bool:
    """Whether a hop is one of some others, given by starts and ways in fractional coordinates."""
    apart = starts - np.linalg.solve(atoms.cell.array.T, atoms.positions[hop.ion])
    apart -= np.round(apart)
    near = np.linalg.norm(apart @ atoms.cell.array, axis=1) < _SAME_HOP
    return bool((near & (np.linalg.norm(ways @ atoms.cell.array - hop.vector, axis=1) < _SAME_HOP)).any())


def _around(configuration: Configuration, hop: IonHop) -> NDArray[np.float64]:
    """Return where the atoms around a hop are in Å, those of neighbouring cells among them."""
    middle = configuration.positions[hop.ion] + hop.vector / 2
    others = np.delete(configuration.positions, hop.ion, axis=0)
    probe = Atoms(f"X{len(others) + 1}", np.vstack([middle, others]), cell=configuration.cell, pbc=True)
    first, vectors = neighbor_list("iD", probe, [hop.distance / 2 + _ENVIRONMENT, *[0.0] * len(others)])
    return np.asarray(middle + vectors[first == 0], dtype=np.float64)


def _pair_potential(
    offset: NDArray[np.float64],
    line: NDArray[np.float64],
    across: NDArray[np.float64],
    around: NDArray[np.float64],
    targets: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Return the image-dependent pair potential of the ion and its slope along both directions across the line."""
    vectors = line + offset @ across - around
    distances = np.linalg.norm(vectors, axis=1)
    missed = distances - targets
    slopes = 2 * missed / distances**4 * (1 - 2 * missed / distances)
    return float((missed**2 / distances**4).sum()), across @ ((slopes / distances) @ vectors)


def _with_ion_at(configuration: Configuration, ion: int, position: NDArray[np.float64]) -> NDArray[np.float64]:
    positions: NDArray[np.float64] = configuration.positions.copy()
    positions[ion] = position
    return positions
