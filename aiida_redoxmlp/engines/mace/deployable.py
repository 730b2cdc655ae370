"""A member as one self-contained network: reference energies inside, atomic numbers that programs can ask for."""

from __future__ import annotations

from typing import Any

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.folding import fold_description, fold_network
from aiida_redoxmlp.engines.mace.potential import MaceCommittee
from aiida_redoxmlp.errors import InputError

__all__ = ("deployable_encoding", "deployable_network", "with_stand_ins")


def deployable_encoding(potential: MaceCommittee) -> Encoding:
    """Return the encoding behind the atomic numbers of :func:`deployable_network`."""
    return Encoding.from_dict(fold_description(potential.description).encoding)


def deployable_network(potential: MaceCommittee, member: int) -> Any:
    """Return one member with the reference energies inside, on the CPU.

    It is always in double precision: reference energies are thousands of eV, and in single precision adding them
    costs the digits that tell two patterns apart. Widening the weights changes none of them.
    """
    description = fold_description(potential.description)
    network: Any = fold_network(potential.networks[member], potential.description, "float64")
    energies = network.atomic_energies_fn.atomic_energies
    energies.copy_(torch.tensor(description.reference_energies, dtype=energies.dtype).reshape(energies.shape))
    return network


def with_stand_ins(network: Any, encoding: Encoding) -> Any:
    """Rename, in place, the real elements a network knows to the numbers that stand for its species.

    What depends on covalent radii goes on using those of the real elements.

    Raises:
        InputError: for a network with the repulsion of the nuclei, whose charges are its atomic numbers.
    """
    numbers, elements = list(encoding.model_numbers), list(encoding.elements)
    if numbers != elements and hasattr(network, "pair_repulsion_fn"):
        raise InputError(
            "The network has the repulsion of the nuclei (pair_repulsion), and this format takes nuclear charges from "
            "the stand-in numbers; export the format lammps, or folder for ASE."
        )
    for module in network.modules():
        radii = getattr(module, "covalent_radii", None)
        if radii is not None:
            radii[numbers] = radii[elements]
    network.atomic_numbers.copy_(torch.tensor(numbers))
    return network
