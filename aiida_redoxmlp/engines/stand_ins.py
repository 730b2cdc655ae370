"""Stand-in atomic numbers for what is more than an element."""

from __future__ import annotations

from collections.abc import Iterable

from ase.data import atomic_numbers

from aiida_redoxmlp.errors import InputError

__all__ = ("Kind", "assign_numbers")

Kind = tuple[str, int | None, int]
"""Chemical symbol, oxidation state (None where it gets no number of its own) and spin."""

_LAST = 118


def assign_numbers(kinds: Iterable[Kind]) -> dict[Kind, int]:
    """Return an atomic number for every kind of atom.

    The first kind of an element keeps the element's own number. Every further one borrows a number of an element
    that is not among them, from the end of the periodic table downwards.

    Raises:
        InputError: if there are more kinds than atomic numbers.
    """
    ordered = list(dict.fromkeys(kinds))
    taken = {atomic_numbers[element] for element, _, _ in ordered}
    free = (number for number in range(_LAST, 0, -1) if number not in taken)
    numbers: dict[Kind, int] = {}
    seen: set[str] = set()
    for kind in ordered:
        number = next(free, None) if kind[0] in seen else atomic_numbers[kind[0]]
        if number is None:
            raise InputError(f"{len(ordered)} species and spins are more than {_LAST} atomic numbers can stand for.")
        numbers[kind] = number
        seen.add(kind[0])
    return numbers
