"""Fold embeddings into numbers: the same potential for programs that know nothing but atomic numbers."""

from __future__ import annotations

from typing import Any

from aiida_redoxmlp.engines.encoding import Encoding, EncodingName
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.network import build_network
from aiida_redoxmlp.engines.mace.transfer import copy_weights
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import OXIDATION_STATES_ARRAY

__all__ = ("fold_description", "fold_network")


def fold_description(description: MaceDescription) -> MaceDescription:
    """Return the description of the same potential with a number for every species instead of an embedding.

    An embedding is added to what a site's number says of it, before anything else is done. So a number for every
    pair of a number and a category, with the sum of both, gives the very same network.
    """
    known = Encoding.from_dict(description.encoding)
    if not known.channels:
        return description
    species = [one for one, _ in known.stand_ins]
    name: EncodingName = "species+spin" if known.resolves_spins else "species"
    folded = Encoding.for_species(name, species, dict(known.magnitudes))
    reference = tuple(description.reference_energies[parent] for parent in _parents(known, folded))
    return description.model_copy(update={"encoding": folded.to_dict(), "reference_energies": reference})


def fold_network(network: torch.nn.Module, description: MaceDescription, dtype: str) -> torch.nn.Module:
    """Return a copy, on the CPU and in ``dtype``, of a network as :func:`fold_description` describes it.

    Args:
        network: one member, left as it is.
        description: the member's own description.
        dtype: ``float32`` or ``float64``.
    """
    known = Encoding.from_dict(description.encoding)
    description = description.model_copy(update={"dtype": dtype})
    copy: Any = build_network(description)
    copy.load_state_dict(network.state_dict())
    if not known.channels:
        return _frozen(copy)
    described = fold_description(description)
    folded = Encoding.from_dict(described.encoding)
    wanted: Any = build_network(described)
    copy_weights(copy, wanted, _parents(known, folded))
    _add_embeddings(copy, wanted, known, folded)
    return _frozen(wanted)


def _parents(known: Encoding, folded: Encoding) -> list[int]:
    """Return, for each number of the folded encoding, the index of the number it had among the known ones."""
    if known.directed:
        numbers = {(species, spin): number for species, spin, number in known.directed}
    else:
        numbers = {(species, 0): number for species, number in known.stand_ins}
    return [known.model_numbers.index(numbers[kind]) for kind in folded.model_kinds]


def _add_embeddings(known: Any, wanted: Any, encoding: Encoding, folded: Encoding) -> None:
    """Add the embedding of each species' state to the row of its number."""
    (channel,) = encoding.channels
    if channel.name != OXIDATION_STATES_ARRAY:
        raise InputError(f"The embedding of {channel.name} cannot become atomic numbers; export the format folder.")
    states = torch.tensor([[species.state - channel.lowest] for species in folded.model_species])
    layer = wanted.node_embedding.linear
    with torch.no_grad():
        added = known.joint_embedding(torch.zeros(len(states), dtype=torch.int64), {channel.name: states})
        (path,) = layer.instructions
        layer.weight += (added / path.path_weight).flatten()


def _frozen(network: torch.nn.Module) -> torch.nn.Module:
    return network.requires_grad_(False).eval()
