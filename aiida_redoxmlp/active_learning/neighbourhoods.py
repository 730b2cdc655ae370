"""Label requests without a potential: rattled cells around given structures, with every kind of pattern."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.active_learning.exploration.starting_points import displaced, random_of, strained
from aiida_redoxmlp.active_learning.verdicts import LabelRequest
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.search.orbits import orbits_first
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("NeighbourRequest", "Neighbourhoods", "neighbour_requests")

_MOST_ROUNDS = 1000


class Neighbourhoods(BaseModel):
    """What is labelled around the given structures where there is no potential to explore with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_labels: int = Field(20, ge=1, description="Labels asked for, shared between the structures.")
    rattle: float = Field(0.05, gt=0, description="Standard deviation in Å of a normal displacement of every atom.")
    strain: float = Field(
        0.01, ge=0, lt=0.3, description="Largest strain of the cell, the same in all directions; up and down in turn."
    )
    max_patterns: int = Field(8, ge=1, description="Patterns of a structure, one of every symmetry orbit first.")
    seed: int = Field(0, ge=0, description="Of the displacements.")


@dataclass(frozen=True, eq=False)
class NeighbourRequest:
    """A request with the name of the structure it is a neighbour of."""

    structure: str
    request: LabelRequest


def neighbour_requests(
    structures: Mapping[str, Configuration],
    chemistry: RedoxChemistry,
    settings: Neighbourhoods,
    asked: Collection[str] = (),
) -> list[NeighbourRequest]:
    """Return requests around structures: first each as it is, then rattled and strained, patterns in turn.

    Args:
        structures: the structures by name; the states on their redox sites do not matter.
        chemistry: charges of the material.
        settings: how many, and how far from the structures.
        asked: keys of what was asked before and is left out.

    Raises:
        InputError: without structures or redox sites.
        ClosureError: if no pattern closes the charge of a structure.
    """
    if not structures:
        raise InputError("There is no structure to label neighbours of; give at least one.")
    seen, found = set(asked), []
    waiting = [_neighbours(name, atoms, chemistry, settings) for name, atoms in structures.items()]
    for _ in range(_MOST_ROUNDS):
        for neighbours in waiting:
            one = next(neighbours)
            if one.request.key not in seen:
                seen.add(one.request.key)
                found.append(one)
            if len(found) == settings.n_labels:
                return found
    return found


def _neighbours(
    name: str, atoms: Configuration, chemistry: RedoxChemistry, settings: Neighbourhoods
) -> Iterator[NeighbourRequest]:
    """Yield requests around one structure without end: all its patterns at rest, then again and again displaced."""
    space = ConfigurationSpace.of_redox_states(atoms.to_ase(), chemistry)
    rows, _, _ = orbits_first(space, settings.max_patterns)
    background = replace(atoms, oxidation_states=space.parent.oxidation_states)
    patterns = [space.pattern(row) for row in rows]
    number = 0
    while True:
        turn, place = divmod(number, len(patterns))
        origin = f"{name}, neighbour {number}"
        here = background
        if turn:
            share = settings.strain * (1 if turn % 2 else -1)
            here = strained(here, (share, share, share, 0.0, 0.0, 0.0))
            here = displaced(here, settings.rattle, random_of(settings.seed, origin))
        yield NeighbourRequest(name, LabelRequest(here, patterns[place], origin))
        number += 1
