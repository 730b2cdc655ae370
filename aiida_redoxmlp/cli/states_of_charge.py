"""Structures at several states of charge, made from one by taking atoms out."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from aiida_redoxmlp.cli.active_learning_config import ActiveLearningRunConfig
from aiida_redoxmlp.cli.crystal import read_crystal, repetitions
from aiida_redoxmlp.cli.structure_inputs import read_structure
from aiida_redoxmlp.errors import InputError

__all__ = ("structures_of", "with_remaining")


def structures_of(config: ActiveLearningRunConfig) -> dict[str, Atoms]:
    """Return the structures that a configuration makes by name, such as ``Li3`` for three lithium atoms that stay.

    Where the loop goes on from a campaign, its relaxed structures stand for the structure as it is.

    Raises:
        InputError: if a file cannot be read, or there are not as many atoms as are to stay.
    """
    atoms = read_structure(config)
    charges = config.states_of_charge
    if charges is None:
        structures = {"given": atoms} if config.campaign is None else {}
    else:
        made = {number: with_remaining(atoms, charges.element, number) for number in charges.remaining}
        structures = {f"{charges.element}{number}": structure for number, structure in made.items()}
    for name, path in config.more_structures.items():
        if name in structures:
            raise InputError(f"more_structures names {name!r}, which states_of_charge makes already; rename it.")
        structures[name] = read_crystal(path, repetitions("1x1x1", "supercell"))
    return structures


def with_remaining(atoms: Atoms, element: str, number: int) -> Atoms:
    """Return the structure with only some atoms of an element, far from each other.

    The first one stays, then always the one farthest from those that stay already; the same every time.

    Args:
        atoms: the structure with all of them.
        element: symbol.
        number: how many stay.

    Raises:
        InputError: if there are fewer, or none at all.
    """
    symbols = atoms.get_chemical_symbols()
    places = [index for index, symbol in enumerate(symbols) if symbol == element]
    if not places:
        raise InputError(
            f"states_of_charge takes out {element!r}, but the structure has none; its elements are "
            f"{', '.join(sorted(set(symbols)))}."
        )
    if number > len(places):
        raise InputError(
            f"states_of_charge: {number} {element} are to remain, but the cell has {len(places)}; give numbers up to "
            f"{len(places)} or a larger supercell."
        )
    kept: list[int] = places[:1] if number else []
    distances = atoms.get_all_distances(mic=True)
    while len(kept) < number:
        free = [place for place in places if place not in kept]
        nearest = np.round(distances[np.ix_(free, kept)].min(axis=1), 6)
        kept.append(free[int(nearest.argmax())])
    gone = set(places) - set(kept)
    return atoms[[index for index in range(len(atoms)) if index not in gone]]
