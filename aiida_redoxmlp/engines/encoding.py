"""Encodings: how species become what an engine takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species

__all__ = ("Encoding", "EncodingName")

EncodingName = Literal["species", "none"]

_LAST_STAND_IN = 118


@dataclass(frozen=True)
class Encoding:
    """A map from species to the atomic numbers an engine is trained on.

    With the encoding ``species`` the most abundant convention of the field is used: the first state of an
    element (the lowest) keeps the element's own atomic number, every further state borrows a number of an
    element that is not in the data, from the end of the periodic table downwards. With ``none`` every state
    of an element has the element's own number: the redox-unaware baseline. Masses are always the real element's.

    Attributes:
        name: ``species`` or ``none``.
        stand_ins: (species, atomic number) pairs, ordered by species.
    """

    name: EncodingName
    stand_ins: tuple[tuple[Species, int], ...]

    @classmethod
    def for_species(cls, name: EncodingName, species: Iterable[Species]) -> Encoding:
        """Build the encoding of the given species."""
        ordered = sorted(set(species))
        taken = {atomic_numbers[one.element] for one in ordered}
        free = (number for number in range(_LAST_STAND_IN, 0, -1) if number not in taken)
        stand_ins: list[tuple[Species, int]] = []
        seen: set[str] = set()
        for one in ordered:
            own = name == "none" or one.element not in seen
            stand_ins.append((one, atomic_numbers[one.element] if own else next(free)))
            seen.add(one.element)
        return cls(name, tuple(stand_ins))

    @property
    def model_numbers(self) -> tuple[int, ...]:
        """The atomic numbers the engine's model knows, ascending."""
        return tuple(sorted({number for _, number in self.stand_ins}))

    def encode(self, configuration: Configuration) -> NDArray[np.int64]:
        """Return the atomic number the engine takes for every atom, shape (n_atoms,).

        Raises:
            InputError: for a species the encoding does not know.
        """
        table = {(atomic_numbers[one.element], one.state): number for one, number in self.stand_ins}
        elements = {atomic_numbers[one.element]: number for one, number in self.stand_ins}
        encoded = np.empty(len(configuration), dtype=np.int64)
        for index, (number, state) in enumerate(
            zip(configuration.numbers, configuration.oxidation_states, strict=True)
        ):
            key = (int(number), int(state))
            if self.name == "none" and key[0] in elements:
                encoded[index] = elements[key[0]]
            elif key in table:
                encoded[index] = table[key]
            else:
                unknown = Species(chemical_symbols[key[0]], key[1]).label
                known = ", ".join(one.label for one, _ in self.stand_ins)
                raise InputError(f"The potential does not know the species {unknown}; it knows {known}.")
        return encoded

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable description."""
        return {"name": self.name, "stand_ins": {one.label: number for one, number in self.stand_ins}}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Encoding:
        """Read what :meth:`to_dict` wrote."""
        pairs = tuple(sorted((Species.parse(label), int(number)) for label, number in content["stand_ins"].items()))
        return cls(content["name"], pairs)
