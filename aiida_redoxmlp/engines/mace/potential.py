"""A trained committee of MACE networks: evaluate, save, load."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors
import safetensors.torch
from numpy.typing import NDArray

from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import DTYPES, choose_device, reproducible, torch
from aiida_redoxmlp.engines.mace.decorations import Lattice
from aiida_redoxmlp.engines.mace.description import (
    MaceDescription,
    MemberFile,
    read_description,
    read_weights,
    write_description,
)
from aiida_redoxmlp.engines.mace.evaluation import atom_features, join, predict
from aiida_redoxmlp.engines.mace.graph import Graph, build_graph
from aiida_redoxmlp.engines.mace.lattice_energies import LatticeEnergies
from aiida_redoxmlp.engines.mace.network import build_network
from aiida_redoxmlp.engines.reference_energies import composition
from aiida_redoxmlp.errors import InputError, ModelIntegrityError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species

__all__ = ("EDGES_PER_BATCH", "MaceCommittee", "load_committee")

EDGES_PER_BATCH = {"cpu": 50_000, "cuda": 1_000_000}
"""Edges evaluated at once. Memory grows with edges rather than atoms; one larger configuration still goes alone."""


@dataclass(frozen=True, eq=False)
class MaceCommittee:
    """MACE networks that share data, encoding and architecture and differ by their seeds.

    Attributes:
        description: all that is not a weight.
        networks: one network a member, on the device they run on.
        seeds: the seed each member grew from.
    """

    description: MaceDescription
    networks: tuple[torch.nn.Module, ...]
    seeds: tuple[int, ...]
    _last_lattice: list[tuple[Configuration, tuple[Species | None, ...], LatticeEnergies]] = field(
        default_factory=list, init=False, repr=False
    )

    @property
    def encoding(self) -> Encoding:
        """How species become model numbers."""
        return Encoding.from_dict(self.description.encoding)

    @property
    def n_members(self) -> int:
        """Size of the committee."""
        return len(self.networks)

    @property
    def device(self) -> str:
        """Where the committee runs: ``cpu`` or ``cuda``."""
        return str(next(self.networks[0].parameters()).device.type)

    def member(self, index: int) -> MaceCommittee:
        """Return one member, counted from 0, as a committee of its own.

        Raises:
            InputError: if there is no such member.
        """
        if not 0 <= index < self.n_members:
            raise InputError(f"There is no member {index}; the committee has the members 0 to {self.n_members - 1}.")
        training = dict(self.description.training)
        if len(training.get("best_epochs", ())) == self.n_members:
            training["best_epochs"] = [training["best_epochs"][index]]
        description = self.description.model_copy(update={"training": training})
        return MaceCommittee(description, (self.networks[index],), (self.seeds[index],))

    def evaluate(self, configurations: Sequence[Configuration], *, stress: bool = False) -> list[CommitteeEvaluation]:
        """Evaluate a batch of configurations, in the order given.

        Neighbours are found once a configuration and shared by all members.

        Raises:
            InputError: for a species or spin the committee was not trained on.
        """
        encoding = self.encoding
        model_numbers = encoding.model_numbers
        reference = np.array(self.description.reference_energies)
        results: list[CommitteeEvaluation] = []
        for chunk, graphs in self._chunks(configurations, encoding):
            offsets = [
                float(composition(encoding.encode(configuration), model_numbers) @ reference) for configuration in chunk
            ]
            results.extend(self._evaluate_chunk(graphs, offsets, len(model_numbers), stress=stress))
        return results

    def evaluate_decorations(
        self, template: Configuration, kinds: Sequence[Species | None], decorations: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the energies of many decorations of one lattice, without forces.

        Raises:
            InputError: for a kind the committee was not trained on, or a template without spins where it resolves them.
        """
        energies = self._lattice_energies(template, kinds)
        reference = np.append(self.description.reference_energies, 0.0)  # the last is a vacancy's
        zero = reference[energies.lattice.types_of(decorations)[0]].sum(axis=1)
        with reproducible(self.description.dtype):
            total: NDArray[np.float64] = energies(decorations) + zero[:, None]
        return total

    def in_precision(self, dtype: Literal["float32", "float64"]) -> MaceCommittee:
        """Return the committee with its weights in single or double precision.

        Single precision is faster; a search that compares energies needs errors far below their differences.
        """
        description = self.description.model_copy(update={"dtype": dtype})
        networks = [build_network(description).to(torch.device(self.device)) for _ in self.networks]
        for network, own in zip(networks, self.networks, strict=True):
            network.load_state_dict(own.state_dict())
            network.requires_grad_(False).eval()
        return MaceCommittee(description, tuple(networks), self.seeds)

    def _lattice_energies(self, template: Configuration, kinds: Sequence[Species | None]) -> LatticeEnergies:
        """Return the energies of a lattice; the last one is kept, as searches ask for it again and again."""
        if self._last_lattice and self._last_lattice[0][0] is template and self._last_lattice[0][1] == tuple(kinds):
            return self._last_lattice[0][2]
        encoding = self.encoding
        energies = LatticeEnergies(
            Lattice.of(template, kinds, encoding, self.description.architecture.r_max),
            self.networks,
            n_types=len(encoding.model_numbers),
            dtype=DTYPES[self.description.dtype],
            device=torch.device(self.device),
            edges_at_once=self._edges_at_once(encoding),
        )
        self._last_lattice[:] = [(template, tuple(kinds), energies)]
        return energies

    def descriptors(self, configurations: Sequence[Configuration]) -> list[NDArray[np.float64]]:
        """Return the invariant features of every atom in the first network, shape (n_atoms, n_features) each.

        Raises:
            InputError: for a species or spin the committee was not trained on.
        """
        encoding = self.encoding
        n_types, dtype, device = len(encoding.model_numbers), DTYPES[self.description.dtype], torch.device(self.device)
        rows: list[NDArray[np.float64]] = []
        for _, graphs in self._chunks(configurations, encoding):
            with reproducible(self.description.dtype):
                batch = join(graphs, n_types=n_types, dtype=dtype, device=device)
                features = _to_numpy(atom_features(self.networks[0], batch))
            rows.extend(np.split(features, np.cumsum([graph.n_atoms for graph in graphs])[:-1]))
        return rows

    def _edges_at_once(self, encoding: Encoding) -> int:
        return EDGES_PER_BATCH.get(self.device, EDGES_PER_BATCH["cpu"]) // (2 if encoding.resolves_spins else 1)

    def _chunks(
        self, configurations: Sequence[Configuration], encoding: Encoding
    ) -> Iterator[tuple[list[Configuration], list[Graph]]]:
        """Yield configurations with their graphs, as many at a time as memory allows."""
        limit = self._edges_at_once(encoding)
        chunk: list[Configuration] = []
        graphs: list[Graph] = []
        n_edges = 0
        for configuration in configurations:
            graph = build_graph(configuration, encoding, self.description.architecture.r_max)
            if chunk and n_edges + graph.n_edges > limit:
                yield chunk, graphs
                chunk, graphs, n_edges = [], [], 0
            chunk.append(configuration)
            graphs.append(graph)
            n_edges += graph.n_edges
        if chunk:
            yield chunk, graphs

    def _evaluate_chunk(
        self, graphs: Sequence[Graph], offsets: Sequence[float], n_types: int, *, stress: bool
    ) -> Iterator[CommitteeEvaluation]:
        energies, forces, stresses = [], [], []
        batch = join(graphs, n_types=n_types, dtype=DTYPES[self.description.dtype], device=torch.device(self.device))
        with reproducible(self.description.dtype):
            for network in self.networks:
                prediction = predict(network, batch, stress=stress)
                energies.append(_to_numpy(prediction.energies))
                forces.append(_to_numpy(prediction.forces))
                if prediction.stresses is not None:
                    stresses.append(_to_numpy(prediction.stresses))
        ends = np.cumsum([graph.n_atoms for graph in graphs])
        for index, (graph, end) in enumerate(zip(graphs, ends, strict=True)):
            yield CommitteeEvaluation(
                energies=np.array([energy[index] for energy in energies]) + offsets[index],
                forces=np.stack([force[end - graph.n_atoms : end] for force in forces]),
                stresses=np.stack([one[index] for one in stresses]) if stress else None,
            )

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors and ``model.json`` with their hashes to an empty folder.

        The networks' constants (coupling coefficients and the like) are saved with the weights: a weight only
        means something with the very coefficients it was trained with.

        Raises:
            InputError: if the folder holds files already.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder} is not empty; save the committee to a new folder.")
        members = []
        for index, (network, seed) in enumerate(zip(self.networks, self.seeds, strict=True)):
            state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
            content = safetensors.torch.save({name: tensor.clone() for name, tensor in state.items()})
            name = f"member_{index}.safetensors"
            (folder / name).write_bytes(content)
            members.append(MemberFile(file=name, sha256=hashlib.sha256(content).hexdigest(), seed=seed))
        write_description(folder, self.description.model_copy(update={"members": tuple(members)}))


def load_committee(folder: Path, device: str = "cpu") -> MaceCommittee:
    """Load what :meth:`MaceCommittee.save` wrote.

    Raises:
        ModelIntegrityError: if a file is missing or is not the one that was saved.
    """
    description = read_description(folder)
    if not description.members:
        raise ModelIntegrityError(f"{folder} describes a committee without members; save the model again.")
    target = choose_device(device)
    networks = [_load_member(folder, member, description).to(target) for member in description.members]
    return MaceCommittee(description, tuple(networks), tuple(member.seed for member in description.members))


def _load_member(folder: Path, member: MemberFile, description: MaceDescription) -> torch.nn.Module:
    content = read_weights(folder, member)
    network = build_network(description)
    try:
        network.load_state_dict(safetensors.torch.load(content))
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise ModelIntegrityError(
            f"{folder / member.file} does not fit the network of its {folder}/model.json."
        ) from error
    return network.requires_grad_(False).eval()


def _to_numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tensor.detach().cpu().numpy().astype(np.float64)
    return values
