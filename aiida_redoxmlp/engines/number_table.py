"""What the atomic numbers of a potential stand for, as a table for people and other programs."""

from __future__ import annotations

from dataclasses import dataclass

from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from aiida_redoxmlp.engines.encoding import Encoding

__all__ = ("NumberRow", "number_table")


@dataclass(frozen=True)
class NumberRow:
    """One kind of atom a potential tells apart.

    Attributes:
        name: ``Mn3+``, ``Mn3+ spin -4`` where spins are numbers, ``Mn`` where states are not told apart.
        element: chemical symbol of the real element.
        oxidation_state: None where states are not told apart.
        spin: unpaired electrons, negative where they point down; None where spins are not told apart.
        atomic_number: what the potential takes.
        symbol: chemical symbol of that number, for programs that ask for symbols.
        mass: mass of the real element in u.
    """

    name: str
    element: str
    oxidation_state: int | None
    spin: int | None
    atomic_number: int
    symbol: str
    mass: float


def number_table(encoding: Encoding) -> tuple[NumberRow, ...]:
    """List every kind of atom by ascending number, those that share one by their state."""
    rows: dict[str, NumberRow] = {}
    kinds = encoding.directed or tuple((species, 0, number) for species, number in encoding.stand_ins)
    for species, spin, number in sorted(kinds, key=lambda kind: (kind[2], kind[0], -kind[1])):
        name = species.label if encoding.resolves_states else species.element
        if encoding.directed and spin:
            name = f"{name} spin {spin:+d}"
        rows.setdefault(
            name,
            NumberRow(
                name=name,
                element=species.element,
                oxidation_state=species.state if encoding.resolves_states else None,
                spin=spin if encoding.directed else None,
                atomic_number=number,
                symbol=chemical_symbols[number],
                mass=float(atomic_masses[atomic_numbers[species.element]]),
            ),
        )
    return tuple(rows.values())
