"""Geometries that relaxations start from: bond lengths of the species, and a small displacement of every atom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.distortion import pre_distort
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.search.space import VACANCY, ConfigurationSpace

__all__ = ("StartingGeometry",)


@dataclass(frozen=True)
class StartingGeometry:
    """Where the relaxation of a configuration starts.

    Attributes:
        space: the configurations.
        pre_distortion: strength of the shift of the ligands towards the species' bond lengths.
        rattle: standard deviation in Å of a displacement of every atom, the same for all configurations: forces keep a
            symmetric structure symmetric, be it on a saddle.
        seed: seed of that displacement.
    """

    space: ConfigurationSpace
    pre_distortion: float
    rattle: float
    seed: int

    def of(self, row: NDArray[np.int8]) -> Configuration:
        """Return the structure of one configuration, shape (n_sites,), without its vacancies."""
        configuration = self.space.configuration(row)
        occupied = self.space.atomic_numbers(row[None])[0] > 0
        positions = configuration.positions
        if self.pre_distortion > 0:
            atoms, undistorted = configuration.to_ase(), configuration.positions
            for pattern in self._patterns(row, occupied):
                positions = positions + pre_distort(atoms, pattern, self.pre_distortion) - undistorted
        if self.rattle > 0:
            random = np.random.default_rng(self.seed)
            displacements = random.standard_normal(self.space.parent.positions.shape)
            positions = positions + self.rattle * displacements[occupied]
        return configuration.moved_to(positions)

    def _patterns(self, row: NDArray[np.int8], occupied: NDArray[np.bool_]) -> list[Pattern]:
        """Return the cations of each sublattice that has several, by index of the atoms that are there.

        The undistorted surroundings of a site are those of the mean over the sites that may hold the same species.
        """
        atom_of_site = np.cumsum(occupied) - 1
        found = []
        for sublattice in dict.fromkeys(self.space.allowed):
            if len([one for one in sublattice if one != VACANCY]) < 2 or any(one.state < 0 for one in sublattice):
                continue
            held = [
                (int(atom_of_site[site]), some[choice].state)
                for site, some, choice in zip(self.space.sites, self.space.allowed, row.tolist(), strict=True)
                if some == sublattice and some[choice].state > 0
            ]
            if held:
                found.append(Pattern(*(tuple(column) for column in zip(*held, strict=True))))
        return found
