"""From what a user says of oxidation states and spins to one whole number an atom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import OXIDATION_STATES_ARRAY, SPINS_ARRAY
from aiida_redoxmlp.redox.species import Species

__all__ = ("Given", "spins_of_atoms", "states_of_atoms")

_ARRAYS = {"oxidation state": OXIDATION_STATES_ARRAY, "spin": SPINS_ARRAY}

Given = Mapping[str, int | Sequence[int]] | Sequence[int]
"""``[2, 3]``, one for each atom or for each atom with a choice, or ``{"Mn": [2, 3], "Li": 1}``."""


def states_of_atoms(symbols: Sequence[str], given: Given | None, encoding: Encoding) -> NDArray[np.int64]:
    """Return the oxidation state of every atom, shape (n_atoms,).

    An element that the potential knows in one state needs no mention.

    Args:
        symbols: chemical symbols of the atoms.
        given: by element, one state or one for each of its atoms; or a list with one for each atom, or one for each
            atom whose element the potential knows in several states.
        encoding: the potential's.

    Raises:
        InputError: for an element the potential does not know, or numbers that do not fit the atoms.
    """
    known: dict[str, set[int]] = {}
    for species, _ in encoding.stand_ins:
        known.setdefault(species.element, set()).add(species.state)
    for symbol in symbols:
        if symbol not in known:
            raise InputError(f"The potential does not know {symbol}; it knows {', '.join(sorted(known))}.")
    if not encoding.resolves_states:
        return np.zeros(len(symbols), dtype=np.int64)
    return _spread(symbols, given, [sorted(known[symbol]) for symbol in symbols], "oxidation state")


def spins_of_atoms(
    symbols: Sequence[str], states: NDArray[np.int64], given: Given | None, encoding: Encoding
) -> NDArray[np.int64] | None:
    """Return the unpaired electrons of every atom, negative where they point down, shape (n_atoms,).

    Atoms that the potential knows without unpaired electrons only need no mention. None where the potential does not
    resolve spins.

    Args:
        symbols: chemical symbols of the atoms.
        states: their oxidation states, shape (n_atoms,).
        given: as in :func:`states_of_atoms`.
        encoding: the potential's.

    Raises:
        InputError: for a potential that does not resolve spins, or numbers that do not fit the atoms.
    """
    if not encoding.resolves_spins:
        if given is not None:
            raise InputError(f"The potential has the encoding {encoding.name!r}, which has no spins; leave them out.")
        return None
    known = dict(encoding.magnitudes)
    allowed = []
    for symbol, state in zip(symbols, states.tolist(), strict=True):
        sizes = known.get(Species(symbol, state), (0,))
        allowed.append(sorted({sign * size for size in sizes for sign in (1, -1)}))
    return _spread(symbols, given, allowed, "spin")


def _spread(symbols: Sequence[str], given: Given | None, allowed: Sequence[list[int]], what: str) -> NDArray[np.int64]:
    """Give every atom its number: from what was given, or the only one that is allowed."""
    if isinstance(given, Mapping):
        values = _by_element(symbols, given, allowed, what)
    else:
        values = _in_order(symbols, given, allowed, what)
    return np.array(values, dtype=np.int64)


def _by_element(
    symbols: Sequence[str], given: Mapping[str, int | Sequence[int]], allowed: Sequence[list[int]], what: str
) -> list[int]:
    values: list[int | None] = [choices[0] if len(choices) == 1 else None for choices in allowed]
    for element, wanted in given.items():
        sites = [site for site, symbol in enumerate(symbols) if symbol == element]
        numbers = [wanted] * len(sites) if isinstance(wanted, int | np.integer) else [int(one) for one in wanted]
        if not sites or len(numbers) != len(sites):
            raise InputError(
                f"{len(numbers)} {what}s were given for {element}, of which the structure has {len(sites)} atoms; "
                "give one for each."
            )
        for site, number in zip(sites, numbers, strict=True):
            values[site] = int(number)
    for symbol, value in zip(symbols, values, strict=True):
        if value is None:
            raise InputError(_ask(symbols, allowed, symbol, what))
    return [value for value in values if value is not None]


def _in_order(
    symbols: Sequence[str], given: Sequence[int] | None, allowed: Sequence[list[int]], what: str
) -> list[int]:
    undecided = [site for site, choices in enumerate(allowed) if len(choices) > 1]
    numbers = [] if given is None else [int(one) for one in given]
    if len(numbers) == len(symbols):
        return numbers
    if given is None and undecided:
        raise InputError(_ask(symbols, allowed, symbols[undecided[0]], what))
    if len(numbers) != len(undecided):
        elements = ", ".join(sorted({symbols[site] for site in undecided})) or "none"
        raise InputError(
            f"{len(numbers)} {what}s were given; give one for each of the {len(symbols)} atoms, or one for each of the "
            f"{len(undecided)} atoms ({elements}) for which the potential knows several."
        )
    values = [choices[0] for choices in allowed]
    for site, number in zip(undecided, numbers, strict=True):
        values[site] = number
    return values


def _ask(symbols: Sequence[str], allowed: Sequence[list[int]], element: str, what: str) -> str:
    sites = [site for site, symbol in enumerate(symbols) if symbol == element]
    listed = ", ".join(map(str, sorted({one for site in sites for one in allowed[site]})))
    return (
        f"The potential knows several {what}s of {element} ({listed}); give one for each of the "
        f"{len(sites)} {element} in their order, or set the atoms' array {_ARRAYS[what]!r}."
    )
