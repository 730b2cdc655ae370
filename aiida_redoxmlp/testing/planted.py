"""Search problems whose lowest energy is known by construction, for tests and benchmarks of search strategies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("PlantedProblem", "planted_loops", "planted_wave", "square_or_cubic_space")

_LENGTH = 4.0
_UNIT = 0.02
"""Energy of a bond in eV."""


@dataclass(frozen=True, eq=False)
class PlantedProblem:
    """A space with an energy whose minimum is known.

    Attributes:
        space: half of the sites are Mn2+, the others Mn3+.
        energy: takes rows of shape (n_configurations, n_sites), returns eV, shape (n_configurations,).
        lowest: the lowest energy in eV.
    """

    space: ConfigurationSpace
    energy: Callable[[NDArray[np.int8]], NDArray[np.float64]]
    lowest: float

    def committee(self, n_members: int = 3, spread: float = 1e-4) -> Callable[[NDArray[np.int8]], NDArray[np.float64]]:
        """Return a committee whose mean is the energy, its members apart by a factor of the energy."""
        factors = 1 + spread * (np.arange(n_members) - (n_members - 1) / 2)
        return lambda rows: self.energy(rows)[:, None] * factors


def square_or_cubic_space(shape: tuple[int, int, int], *, rattle: float = 0.0) -> ConfigurationSpace:
    """Return a half-filled simple cubic lattice of Mn2+ and Mn3+ in a cell of ``shape``.

    Args:
        shape: cubes along each axis; an even number of them.
        rattle: largest displacement in Å; more than 0 leaves no symmetry.
    """
    n_sites = int(np.prod(shape))
    places = np.array(list(product(*map(range, shape))), dtype=np.float64)
    displacements = np.random.default_rng(0).uniform(-rattle, rattle, places.shape)
    atoms = Atoms(["Mn"] * n_sites, _LENGTH * places + displacements, cell=_LENGTH * np.array(shape), pbc=True)
    return ConfigurationSpace.of(atoms, {"Mn": ["Mn2+", "Mn3+"]}, total_charge=5 * n_sites // 2)


def planted_loops(
    shape: tuple[int, int, int], seed: int, *, loops_a_site: float = 2.0, nonlinearity: float = 0.0
) -> PlantedProblem:
    """Return frustrated loops of bonds on a lattice without symmetry.

    Each loop is a closed random walk whose bonds favour a random planted configuration, except for one bond that
    opposes it. No configuration satisfies all bonds of a loop, and the planted one leaves the fewest unsatisfied in
    each, so it is lowest in their sum. Source: I. Hen et al., Phys. Rev. A 92, 042325 (2015).

    Args:
        shape: cubes along each axis.
        seed: of configuration and loops.
        loops_a_site: number of loops over that of sites.
        nonlinearity: weight of the squared energy of each loop above its lowest, in units of the linear one: many-body
            energies, with the same minimum.
    """
    random = np.random.default_rng(seed)
    space = square_or_cubic_space(shape, rattle=0.1)
    n_sites = space.n_sites
    planted = random.permutation(np.repeat([-1, 1], n_sites // 2))
    bonds: list[tuple[int, int]] = []
    strengths: list[float] = []
    starts: list[int] = []
    for _ in range(round(loops_a_site * n_sites)):
        loop = _random_loop(shape, random)
        signs = np.where(np.arange(len(loop)) == random.integers(len(loop)), -1.0, 1.0)
        starts.append(len(bonds))
        bonds += loop
        first, second = np.array(loop).T
        strengths += (-signs * planted[first] * planted[second]).tolist()
    first, second = np.array(bonds).T
    lengths = np.diff([*starts, len(bonds)])
    lowest = 2.0 - lengths
    weights = np.array(strengths)

    def energy(rows: NDArray[np.int8]) -> NDArray[np.float64]:
        spins = 2.0 * rows - 1
        loops = np.add.reduceat(weights * spins[:, first] * spins[:, second], starts, axis=1)
        summed: NDArray[np.float64] = (loops + nonlinearity * (loops - lowest) ** 2).sum(axis=1)
        return _UNIT * summed

    return PlantedProblem(space, energy, float(_UNIT * lowest.sum()))


def planted_wave(shape: tuple[int, int, int], seed: int) -> PlantedProblem:
    """Return random pair energies of all lengths with the symmetry of the lattice, whose lowest order is known.

    The energy is a sum over wave vectors of ``V(k)|s(k)|²``; the sum of ``|s(k)|²`` is the number of sites, so that no
    configuration is lower than the smallest V(k) times that number. Stripes of two and two along the first axis, whose
    s(k) is 0 but for one wave vector and its opposite, get there if V is smallest at these. Source: J. M. Luttinger
    and L. Tisza, Phys. Rev. 70, 954 (1946).

    Args:
        shape: cubes along each axis, a multiple of 4 along the first.
        seed: of V.
    """
    random = np.random.default_rng(seed)
    space = square_or_cubic_space(shape)
    places = np.array(list(product(*map(range, shape))))
    waves = 2 * np.pi * places / np.array(shape)
    known: dict[tuple[float, ...], float] = {}
    potential = np.array([known.setdefault(_star(wave, shape), float(random.random())) for wave in waves])
    stripes = _star(np.array([np.pi / 2, 0, 0]), shape)
    potential[[_star(wave, shape) == stripes for wave in waves]] = -0.1
    phases = waves @ places.T
    cosines, sines = np.cos(phases), np.sin(phases)

    def energy(rows: NDArray[np.int8]) -> NDArray[np.float64]:
        spins = 2.0 * rows - 1
        amplitudes = ((spins @ cosines.T) ** 2 + (spins @ sines.T) ** 2) / space.n_sites
        summed: NDArray[np.float64] = amplitudes @ potential
        return 10 * _UNIT * summed

    return PlantedProblem(space, energy, float(10 * _UNIT * potential.min() * space.n_sites))


def _star(wave: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[float, ...]:
    """Return what wave vectors have in common that the symmetry of the cell makes equivalent."""
    folded = np.abs(np.angle(np.exp(1j * wave))).round(6)
    return tuple(value for _, value in sorted(zip(shape, folded.tolist(), strict=True)))


def _random_loop(shape: tuple[int, int, int], random: np.random.Generator) -> list[tuple[int, int]]:
    """Return the bonds of the first loop of at least four that a random walk on the lattice closes."""
    while True:
        place = random.integers(0, shape)
        path = [int(np.ravel_multi_index(tuple(place), shape))]
        while True:
            axis = random.choice(np.flatnonzero(np.array(shape) > 1))
            place[axis] = (place[axis] + random.choice([-1, 1])) % shape[axis]
            site = int(np.ravel_multi_index(tuple(place), shape))
            if site in path:
                loop = [*path[path.index(site) :], site]
                break
            path.append(site)
        if len(loop) > 4:
            return list(pairwise(loop))
