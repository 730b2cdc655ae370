"""Neighbour lists and batches of graphs, as MACE's forward pass takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from matscipy.neighbours import neighbour_list
from numpy.typing import NDArray

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("Graph", "batch_graphs", "build_graph")


@dataclass(frozen=True, eq=False)
class Graph:
    """One configuration as a graph.

    Attributes:
        node_types: index of every atom's number in the model's list of numbers, shape (n_atoms,).
        positions: Å, shape (n_atoms, 3).
        cell: rows in Å, shape (3, 3).
        edges: sender and receiver of every edge, shape (2, n_edges).
        unit_shifts: cell vectors crossed by every edge, shape (n_edges, 3).
        channels: category of every atom in each of the encoding's channels, shapes (n_atoms,).
        spins_reversed: the same configuration with all spins reversed, or None where the encoding has no spins.
    """

    node_types: NDArray[np.int64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    edges: NDArray[np.int64]
    unit_shifts: NDArray[np.float64]
    channels: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    spins_reversed: Graph | None = None

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.node_types)

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return int(self.edges.shape[1])


def build_graph(configuration: Configuration, encoding: Encoding, r_max: float) -> Graph:
    """Find the neighbours within ``r_max`` (Å) under periodic boundaries.

    Raises:
        InputError: for a species or spin the encoding does not know.
    """
    sender, receiver, unit_shifts = neighbour_list(
        "ijS", positions=configuration.positions, cell=configuration.cell, pbc=[True] * 3, cutoff=r_max
    )
    graph = Graph(
        **_nodes(configuration, encoding),
        positions=configuration.positions,
        cell=configuration.cell,
        edges=np.stack([sender, receiver]).astype(np.int64),
        unit_shifts=unit_shifts.astype(np.float64),
    )
    if not encoding.resolves_spins or configuration.spins is None:
        return graph
    reverse = replace(configuration, spins=-configuration.spins)
    return replace(graph, spins_reversed=replace(graph, **_nodes(reverse, encoding)))


def _nodes(configuration: Configuration, encoding: Encoding) -> dict[str, Any]:
    """Return what a graph says of its nodes."""
    values = encoding.channel_values(configuration)
    return {
        "node_types": np.searchsorted(np.array(encoding.model_numbers), encoding.encode(configuration)),
        "channels": {one.name: values[one.name] - one.lowest for one in encoding.channels},
    }


def batch_graphs(
    graphs: Sequence[Graph], *, n_types: int, dtype: torch.dtype, device: torch.device
) -> dict[str, torch.Tensor]:
    """Join graphs into one disconnected graph: the dictionary MACE's ``forward`` reads."""
    counts = np.array([graph.n_atoms for graph in graphs])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    node_types = np.concatenate([graph.node_types for graph in graphs])
    edges = np.concatenate([graph.edges + offset for graph, offset in zip(graphs, offsets[:-1], strict=True)], axis=1)
    shifts = np.concatenate([graph.unit_shifts @ graph.cell for graph in graphs])
    real = {
        "positions": np.concatenate([graph.positions for graph in graphs]),
        "cell": np.concatenate([graph.cell for graph in graphs]),
        "node_attrs": np.eye(n_types)[node_types],
        "shifts": shifts,
        "unit_shifts": np.concatenate([graph.unit_shifts for graph in graphs]),
    }
    names = graphs[0].channels if graphs else ()
    integer = {
        **{name: np.concatenate([graph.channels[name] for graph in graphs])[:, None] for name in names},
        "edge_index": edges,
        "batch": np.repeat(np.arange(len(graphs)), counts),
        "ptr": offsets,
    }
    batch = {key: torch.as_tensor(value, dtype=dtype, device=device) for key, value in real.items()}
    batch |= {key: torch.as_tensor(value, dtype=torch.int64, device=device) for key, value in integer.items()}
    return batch
