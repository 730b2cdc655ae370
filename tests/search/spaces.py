"""Small spaces of configurations, and what is known of them by brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
from ase import Atoms
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.space import VACANCY, ConfigurationSpace

MANGANESE = (Species("Mn", 2), Species("Mn", 3), Species("Mn", 4))
METALS = (Species("Ni", 2), Species("Ni", 3), Species("Co", 3), Species("Mn", 4))
LITHIUM = (Species("Li", 1), VACANCY)
LENGTH = 4.0
SHAPES = [(6, 1, 1), (3, 2, 1), (2, 2, 1), (2, 2, 2)]


def rock_salt(shape: tuple[int, int, int], lithium: bool = False) -> Atoms:
    """A simple cubic lattice of Mn with an atom in the middle of each cube."""
    atoms = Atoms(["Mn", "Li" if lithium else "O"], [[0, 0, 0], [LENGTH / 2] * 3], cell=[LENGTH] * 3, pbc=True)
    return atoms.repeat(shape)


def half_filled(shape: tuple[int, int, int]) -> ConfigurationSpace:
    """Half of the Mn 2+, half 3+."""
    atoms = rock_salt(shape)
    return ConfigurationSpace.of(atoms, {"Mn": MANGANESE[:2]}, fixed_states={"O": -2}, total_charge=len(atoms) // 4)


@st.composite
def spaces(draw: st.DrawFn) -> ConfigurationSpace:
    """Spaces of at most 8 sites on rock salt, whose charge and composition some configuration has."""
    with_lithium = draw(st.booleans())
    shape = draw(st.sampled_from(SHAPES[2:3] if with_lithium else SHAPES))
    metals = draw(st.lists(st.sampled_from(MANGANESE + METALS), min_size=1, max_size=3, unique=True))
    allowed: dict[str | int, tuple[Species, ...]] = {"Mn": tuple(metals)}
    if with_lithium:
        allowed["Li"] = LITHIUM
    if draw(st.booleans()):
        allowed[0] = MANGANESE[:2]
    free = ConfigurationSpace.of(rock_salt(shape, with_lithium), allowed, total_charge=None)
    row = [draw(st.integers(0, int(size) - 1)) for size in free.rules.sizes]
    chosen = [some[choice] for some, choice in zip(free.allowed, row, strict=True)]
    key = draw(st.sampled_from([None, *(species.element for species in chosen)]))
    return ConfigurationSpace.of(
        rock_salt(shape, with_lithium),
        allowed,
        total_charge=draw(st.sampled_from([None, sum(species.state for species in chosen)])),
        composition={} if key is None else {key: sum(species.element == key for species in chosen)},
    )


def brute_force(space: ConfigurationSpace) -> NDArray[np.int8]:
    """All rows of a space, ascending, by trying every one."""
    rows = []
    for row in product(*(range(len(some)) for some in space.allowed)):
        chosen = [some[choice] for some, choice in zip(space.allowed, row, strict=True)]
        charge = sum(species.state for species in chosen) + space.fixed_charge
        numbers = {key: sum(key in (s.element, s.label) for s in chosen) for key in space.composition}
        if space.total_charge in (None, charge) and numbers == dict(space.composition):
            rows.append(row)
    return np.array(rows, dtype=np.int8).reshape(-1, space.n_sites)


def image(row: NDArray[np.int8], permutation: NDArray[np.int64]) -> NDArray[np.int8]:
    """A row after an operation that takes what is on site k to site permutation[k]."""
    moved = np.empty_like(row)
    moved[permutation] = row
    return moved


def orbits(space: ConfigurationSpace, rows: NDArray[np.int8]) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
    """The classes of equivalent rows by their smallest member."""
    classes = ({tuple(image(row, one).tolist()) for one in space.permutations} for row in rows)
    return {min(members): members for members in classes}


def shifted(configuration: Configuration, shift: tuple[int, int, int]) -> Configuration:
    """A configuration on rock salt moved by a lattice vector."""
    return configuration.moved_to(configuration.positions + LENGTH * np.array(shift))
