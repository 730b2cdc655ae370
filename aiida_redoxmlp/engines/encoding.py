"""Encodings: how species and spins become what an engine takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.engines.channel import Channel
from aiida_redoxmlp.engines.stand_ins import Kind, assign_numbers
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import OXIDATION_STATES_ARRAY, Configuration
from aiida_redoxmlp.redox.species import Species

__all__ = ("Encoding", "EncodingName")

EncodingName = Literal["species", "embedding", "species+spin", "embedding+spin", "none"]


@dataclass(frozen=True)
class Encoding:
    """A map from species and spins to the atomic numbers and channels an engine is trained on.

    With ``species`` the most abundant convention of the field is used: the first state of an element (the lowest)
    keeps the element's own atomic number, every further state borrows a number of an element that is not in the
    data, from the end of the periodic table downwards. With ``embedding`` every state of an element has the
    element's own number, and the state goes into a channel of its own. With ``none`` every state has the element's
    number and nothing tells them apart: the redox-unaware baseline. ``+spin`` gives a number of its own to every
    signed number of unpaired electrons as well, of a species with ``species`` and of an element with ``embedding``.
    An engine must then give the same energy when all spins are reversed.

    Attributes:
        name: ``species``, ``embedding`` or ``none``, the first two also with ``+spin``.
        stand_ins: (species, atomic number) pairs, ordered by species; with ``+spin`` the number of the species' usual
            magnitude, up.
        magnitudes: for each species the numbers of unpaired electrons it was seen with, the most frequent first;
            empty without ``+spin``.
        directed: (species, spin, atomic number) of every direction and magnitude; empty without ``+spin``.
    """

    name: EncodingName
    stand_ins: tuple[tuple[Species, int], ...]
    magnitudes: tuple[tuple[Species, tuple[int, ...]], ...] = ()
    directed: tuple[tuple[Species, int, int], ...] = ()

    @classmethod
    def for_species(
        cls,
        name: EncodingName,
        species: Iterable[Species],
        magnitudes: Mapping[Species, Iterable[int]] | None = None,
    ) -> Encoding:
        """Build the encoding of the given species.

        Args:
            name: which encoding.
            species: what has to be told apart.
            magnitudes: unpaired electrons each species may have, the usual number first; for ``+spin`` only.

        Raises:
            InputError: for ``+spin`` without the magnitudes of a species.
        """
        ordered = sorted(set(species))
        known = {one: tuple((magnitudes or {}).get(one, ())) for one in ordered} if name.endswith("+spin") else {}
        missing = [one.label for one, seen in known.items() if not seen]
        if missing:
            raise InputError(f"The encoding {name!r} needs the unpaired electrons of {missing[0]}; none were given.")
        directed = [
            (one, sign * size)
            for one in ordered
            for size in known.get(one, (0,))
            for sign in ((1, -1) if size else (1,))
        ]
        numbers = assign_numbers(_kind(name, *pair) for pair in directed)
        usual = {one: known[one][0] if one in known else 0 for one in ordered}
        return cls(
            name,
            tuple((one, numbers[_kind(name, one, usual[one])]) for one in ordered),
            tuple(known.items()),
            tuple((*pair, numbers[_kind(name, *pair)]) for pair in directed) if known else (),
        )

    @classmethod
    def for_configurations(cls, name: EncodingName, configurations: Iterable[Configuration]) -> Encoding:
        """Build the encoding of everything that occurs in the given configurations.

        Raises:
            InputError: if the encoding resolves spins and a configuration has none.
        """
        counts: dict[Species, Counter[int]] = {}
        for one in configurations:
            spins = np.zeros(len(one), dtype=np.int64)
            if name.endswith("+spin"):
                spins = _spins_of(one)
            rows = zip(one.numbers.tolist(), one.oxidation_states.tolist(), np.abs(spins).tolist(), strict=True)
            for number, state, unpaired in rows:
                counts.setdefault(Species(chemical_symbols[number], state), Counter())[unpaired] += 1
        usual = {one: sorted(seen, key=lambda unpaired: (-seen[unpaired], unpaired)) for one, seen in counts.items()}
        return cls.for_species(name, usual, usual)

    @property
    def resolves_states(self) -> bool:
        """Whether a potential with this encoding tells oxidation states apart."""
        return self.name != "none"

    @property
    def resolves_spins(self) -> bool:
        """Whether a potential with this encoding needs spins."""
        return self.name.endswith("+spin")

    @cached_property
    def _by_number(self) -> dict[int, tuple[Species, int]]:
        """Species and spin behind each of the model's numbers, the lowest where there are several."""
        kinds = self.directed or tuple((one, 0, number) for one, number in self.stand_ins)
        lowest = {number: (one, spin) for one, spin, number in sorted(kinds, reverse=True)}
        return dict(sorted(lowest.items()))

    @property
    def model_numbers(self) -> tuple[int, ...]:
        """The atomic numbers the engine's model knows, ascending."""
        return tuple(self._by_number)

    @property
    def model_kinds(self) -> tuple[tuple[Species, int], ...]:
        """Species and spin behind each of the model's numbers, the lowest where there are several."""
        return tuple(self._by_number.values())

    @property
    def model_species(self) -> tuple[Species, ...]:
        """The species of :attr:`model_kinds`."""
        return tuple(one for one, _ in self.model_kinds)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic number of the real element behind each of the model's numbers."""
        return tuple(atomic_numbers[one.element] for one in self.model_species)

    @property
    def masses(self) -> tuple[float, ...]:
        """Mass in u of the real element behind each of the model's numbers."""
        return tuple(float(atomic_masses[number]) for number in self.elements)

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """What an engine is told of every atom besides its number."""
        if not self.name.startswith("embedding"):
            return ()
        states = [one.state for one, _ in self.stand_ins]
        return (Channel(OXIDATION_STATES_ARRAY, min(states), max(states)),)

    def encode(self, configuration: Configuration) -> NDArray[np.int64]:
        """Return the atomic number the engine takes for every atom, shape (n_atoms,).

        Raises:
            InputError: for a species or spin the encoding does not know.
        """
        species = _species_of(configuration)
        self._require_known(species)
        if self.name == "none":
            return np.asarray(configuration.numbers, dtype=np.int64)
        table = dict(self.stand_ins)
        if not self.directed:
            return np.array([table[one] for one in species], dtype=np.int64)
        numbers = {(one, spin): number for one, spin, number in self.directed}
        spins = self._known_spins(configuration).tolist()
        return np.array([numbers[key] for key in zip(species, spins, strict=True)], dtype=np.int64)

    def _require_known(self, species: list[Species]) -> None:
        table, elements = dict(self.stand_ins), {one.element for one, _ in self.stand_ins}
        for one in species:
            if one not in table and not (self.name == "none" and one.element in elements):
                known = ", ".join(other.label for other in table)
                raise InputError(f"The potential does not know the species {one.label}; it knows {known}.")

    def channel_values(self, configuration: Configuration) -> dict[str, NDArray[np.int64]]:
        """Return the whole number of every atom in each channel, arrays of shape (n_atoms,)."""
        values = {OXIDATION_STATES_ARRAY: np.asarray(configuration.oxidation_states, dtype=np.int64)}
        return {channel.name: values[channel.name] for channel in self.channels}

    def _known_spins(self, configuration: Configuration) -> NDArray[np.int64]:
        spins = _spins_of(configuration)
        known = dict(self.magnitudes)
        for one, spin in zip(_species_of(configuration), spins.tolist(), strict=True):
            if one in known and abs(spin) not in known[one]:
                allowed = ", ".join(str(unpaired) for unpaired in sorted(known[one]))
                raise InputError(
                    f"The potential does not know {one.label} with {abs(spin)} unpaired electrons; "
                    f"it knows it with {allowed}."
                )
        return spins

    def with_usual_spins(self, configuration: Configuration) -> Configuration:
        """Return the configuration with spins that fit its oxidation states, where the potential resolves spins.

        A spin the potential knows for the atom's species stays. Any other keeps its sign (up where it has none) and
        takes the magnitude the species was most often seen with: the spin of a site whose electron hops away.

        Raises:
            InputError: if the encoding resolves spins and the configuration has none, or for an unknown species.
        """
        if not self.resolves_spins:
            return configuration
        species, spins, known = _species_of(configuration), _spins_of(configuration).copy(), dict(self.magnitudes)
        self._require_known(species)
        for index, one in enumerate(species):
            if abs(int(spins[index])) not in known[one]:
                spins[index] = known[one][0] * (-1 if spins[index] < 0 else 1)
        return replace(configuration, spins=spins)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable description."""
        content: dict[str, Any] = {
            "name": self.name,
            "stand_ins": {one.label: number for one, number in self.stand_ins},
        }
        if self.directed:
            content["directed"] = [[one.label, spin, number] for one, spin, number in self.directed]
        if self.magnitudes:
            content["magnitudes"] = {one.label: list(unpaired) for one, unpaired in self.magnitudes}
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Encoding:
        """Read what :meth:`to_dict` wrote."""
        pairs = tuple(sorted((Species.parse(label), int(number)) for label, number in content["stand_ins"].items()))
        magnitudes = tuple(
            sorted(
                (Species.parse(label), tuple(map(int, seen))) for label, seen in content.get("magnitudes", {}).items()
            )
        )
        directed = tuple(
            (Species.parse(label), int(spin), int(number)) for label, spin, number in content.get("directed", ())
        )
        return cls(content["name"], pairs, magnitudes, directed)


def _kind(name: EncodingName, species: Species, spin: int) -> Kind:
    """Return what shares one atomic number under the encoding called ``name``."""
    return species.element, species.state if name.startswith("species") else None, spin


def _species_of(configuration: Configuration) -> list[Species]:
    rows = zip(configuration.numbers.tolist(), configuration.oxidation_states.tolist(), strict=True)
    return [Species(chemical_symbols[number], state) for number, state in rows]


def _spins_of(configuration: Configuration) -> NDArray[np.int64]:
    if configuration.spins is None:
        raise InputError(
            "The configuration has no spins, and this potential resolves them; give every atom its number of unpaired "
            "electrons, negative where they point down."
        )
    return np.asarray(configuration.spins, dtype=np.int64)
