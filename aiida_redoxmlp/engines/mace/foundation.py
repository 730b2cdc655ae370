"""Start from a foundation model: the same architecture, every species with the weights of its parent element."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.foreign import read_architecture, require_same_energy, single_head
from aiida_redoxmlp.engines.mace.network import build_network
from aiida_redoxmlp.engines.mace.potential import MaceCommittee
from aiida_redoxmlp.engines.mace.transfer import copy_weights
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.species import Species

__all__ = ("Foundation", "describe_from_foundation", "load_foundation", "network_from_foundation", "parents_of")


@dataclass(frozen=True, eq=False)
class Foundation:
    """A potential to start from.

    Attributes:
        description: its encoding (elements only, for a model from elsewhere), architecture, reference energies,
            scale and shift.
        network: its network, rebuilt by this package, on the CPU.
        sha256: hash of the file or of the weights, for provenance.
    """

    description: MaceDescription
    network: torch.nn.Module
    sha256: str

    @property
    def encoding(self) -> Encoding:
        """How its species become the numbers its network knows."""
        return Encoding.from_dict(self.description.encoding)

    @classmethod
    def from_committee(cls, potential: MaceCommittee, member: int = 0) -> Foundation:
        """Take one member of a committee this package trained."""
        network = build_network(potential.description)
        network.load_state_dict(potential.networks[member].state_dict())
        digest = hashlib.sha256()
        for name, tensor in network.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return cls(potential.description, network, digest.hexdigest())


def load_foundation(path: Path, *, trusted: bool = False, head: str | None = None) -> Foundation:
    """Load a MACE model file (``.model``), as mace-torch writes and publishes them.

    Such a file is a pickle: loading it runs code that is in it. The network is rebuilt from its architecture and
    weights, and compared with the original before anything else is done with it.

    Args:
        path: the file.
        trusted: that the file's source is trusted.
        head: the head to keep of a model with several.

    Raises:
        InputError: if the file is not trusted, missing, no MACE model, has an architecture this package cannot
            rebuild, or several heads of which none was chosen.
    """
    if not trusted:
        raise InputError(
            f"{path} is a pickle, and loading it runs the code in it; say that you trust its source (trusted=True), or "
            "start from a model this package stored."
        )
    try:
        content = Path(path).read_bytes()
        model = torch.load(path, map_location="cpu", weights_only=False)
    except FileNotFoundError as error:
        raise InputError(f"There is no model file {path}; give the path of a MACE .model file.") from error
    except (pickle.UnpicklingError, RuntimeError, AttributeError, ImportError, EOFError, OSError) as error:
        raise InputError(f"{path} cannot be loaded as a MACE model file ({error}); give a .model file.") from error
    model = single_head(model, head, str(path))
    description = _describe(model, str(path))
    network = build_network(description)
    kept = ("atomic_energies_fn.atomic_energies",)
    state = network.state_dict()
    weights = {
        name: value.reshape(state[name].shape) if name in state and value.numel() == state[name].numel() else value
        for name, value in model.state_dict().items()
    }
    try:
        network.load_state_dict({**weights, **{name: state[name] for name in kept}})
    except RuntimeError as error:
        raise InputError(
            f"The architecture of {path} cannot be rebuilt by this package; give a ScaleShiftMACE model without "
            "cuEquivariance layers."
        ) from error
    require_same_energy(model, network, len(description.reference_energies), str(path))
    return Foundation(description, network, hashlib.sha256(content).hexdigest())


def _describe(model: Any, name: str) -> MaceDescription:
    """Return the description of a single-head model's network."""
    numbers = [int(number) for number in model.atomic_numbers]
    if numbers != sorted(set(numbers)):
        raise InputError(f"The elements of {name} are not in ascending order; give a model as mace-torch writes it.")
    encoding = Encoding.for_species("none", [Species(chemical_symbols[number], 0) for number in numbers])
    energies = model.atomic_energies_fn.atomic_energies.detach().double().flatten()
    return MaceDescription(
        encoding=encoding.to_dict(),
        architecture=read_architecture(model, name),
        reference_energies=tuple(float(energy) for energy in energies),
        scale=float(model.scale_shift.scale),
        shift=float(model.scale_shift.shift),
        avg_num_neighbors=float(model.interactions[0].avg_num_neighbors),
        dtype="float64" if next(model.parameters()).dtype == torch.float64 else "float32",
    )


def describe_from_foundation(
    foundation: Foundation, encoding: Encoding, *, dtype: str, embedding_width: int = 16
) -> MaceDescription:
    """Describe the network that starts from a foundation model; its reference energies are those of the parents.

    Raises:
        InputError: for an element the foundation model does not know.
    """
    parents = parents_of(foundation.encoding, encoding)
    there = foundation.description
    architecture = there.architecture
    if not foundation.encoding.channels:
        architecture = MaceArchitecture.model_validate(
            {**architecture.model_dump(), "embedding_width": embedding_width}
        )
    return MaceDescription.model_validate(
        {
            **there.model_dump(exclude={"members", "training", "versions", "schema_version"}),
            "encoding": encoding.to_dict(),
            "architecture": architecture,
            "reference_energies": tuple(there.reference_energies[parent] for parent in parents),
            "dtype": dtype,
            "training": {"foundation": foundation.sha256},
        }
    )


def network_from_foundation(
    foundation: Foundation, description: MaceDescription, *, seed: int | None = None
) -> torch.nn.Module:
    """Build the described network with the foundation model's weights.

    Every species starts with the weights of its parent: the same species where the foundation model has it, else
    the nearest state of the element. Embeddings the foundation model lacks start at zero, so that the energies are
    exactly its energies; the seed decides what is behind the zeros.
    """
    encoding = Encoding.from_dict(description.encoding)
    network = build_network(description, seed=seed)
    copy_weights(foundation.network, network, parents_of(foundation.encoding, encoding))
    _copy_embedding(foundation, encoding, network)
    return network


def parents_of(known: Encoding, wanted: Encoding) -> list[int]:
    """Return, for each number of the wanted model, the index of its parent among the known model's numbers."""
    parents = []
    for species, spin in wanted.model_kinds:
        candidates = [
            ((abs(other.state - species.state), other.state, abs(other_spin - spin)), index)
            for index, (other, other_spin) in enumerate(known.model_kinds)
            if other.element == species.element
        ]
        if not candidates:
            elements = ", ".join(sorted({other.element for other, _ in known.model_kinds}))
            raise InputError(f"The foundation model does not know the element {species.element}; it knows {elements}.")
        parents.append(min(candidates)[1])
    return parents


def _copy_embedding(foundation: Foundation, encoding: Encoding, network: Any) -> None:
    """Fill the rows of the embeddings: from the foundation model where it has them, else with zeros."""
    lowest = {channel.name: channel.lowest for channel in foundation.encoding.channels}
    known: Any = foundation.network
    if set(lowest) - {channel.name for channel in encoding.channels}:
        raise InputError(
            f"The foundation model embeds {', '.join(lowest)}, which the encoding {encoding.name!r} does not; "
            "train with the encoding 'embedding' or 'embedding+spin'."
        )
    with torch.no_grad():
        for channel in encoding.channels:
            rows = network.joint_embedding.embedders[channel.name].weight
            rows.zero_()
            if channel.name in lowest:
                _copy_rows(
                    known.joint_embedding.embedders[channel.name].weight, lowest[channel.name], rows, channel.lowest
                )
        if lowest:
            network.joint_embedding.project.load_state_dict(known.joint_embedding.project.state_dict())


def _copy_rows(known: torch.Tensor, known_lowest: int, rows: torch.Tensor, lowest: int) -> None:
    """Copy the rows of the classes that both embeddings have."""
    shared: Sequence[int] = range(max(lowest, known_lowest), min(lowest + len(rows), known_lowest + len(known)))
    for value in shared:
        rows[value - lowest] = known[value - known_lowest].to(rows.dtype)
