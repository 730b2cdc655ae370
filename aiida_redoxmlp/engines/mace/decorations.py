"""Many decorations of one lattice: the neighbours are found once, and only the species differ from graph to graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.graph import Graph, build_graph
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species

__all__ = ("Lattice",)

VACANT = -1


@dataclass(frozen=True, eq=False)
class Lattice:
    """Atoms that stay where they are, and what each of them is to the network if it is of one of some kinds.

    Attributes:
        graph: neighbours with all sites occupied.
        types: index in the model's list of numbers, by kind and site, shape (n_kinds, n_sites); -1 for a vacancy.
        channels: category in each of the encoding's channels, by kind and site, shapes (n_kinds, n_sites).
        reversed_types: as ``types`` with all spins reversed, or None where the encoding has no spins.
    """

    graph: Graph
    types: NDArray[np.int64]
    channels: dict[str, NDArray[np.int64]]
    reversed_types: NDArray[np.int64] | None

    @classmethod
    def of(cls, template: Configuration, kinds: Sequence[Species | None], encoding: Encoding, r_max: float) -> Lattice:
        """Prepare a template.

        Raises:
            InputError: for a kind the encoding does not know, or a template without spins where it resolves them.
        """
        graphs = [
            None if kind is None else build_graph(_filled(template, kind, encoding), encoding, r_max) for kind in kinds
        ]
        some = next(graph for graph in graphs if graph is not None)
        return cls(
            graph=some,
            types=_by_kind([None if one is None else one.node_types for one in graphs], VACANT),
            channels={
                name: _by_kind([None if one is None else one.channels[name] for one in graphs], 0)
                for name in some.channels
            },
            reversed_types=None
            if some.spins_reversed is None
            else _by_kind([None if one is None else _reversed_types(one) for one in graphs], VACANT),
        )

    def types_of(self, decorations: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the index in the model's list of numbers of every site, shapes (n_decorations, n_sites).

        Where the encoding resolves spins, the same with all spins reversed follows.
        """
        tables = [self.types] if self.reversed_types is None else [self.types, self.reversed_types]
        return [_looked_up(table, decorations) for table in tables]

    def channels_of(self, decorations: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return the category of every site in each of the encoding's channels, shapes (n_decorations, n_sites)."""
        return {name: _looked_up(table, decorations) for name, table in self.channels.items()}

    def join(
        self, decorations: NDArray[np.int64], *, n_types: int, dtype: torch.dtype, device: torch.device
    ) -> dict[str, torch.Tensor]:
        """Join decorations into one disconnected graph, each with its spin-reversed copy where there are spins.

        Args:
            decorations: index of every site's kind, shape (n_decorations, n_sites).
            n_types: length of the model's list of numbers.
            dtype: floating-point type.
            device: where the tensors go.

        Returns:
            What MACE's ``forward`` reads; the reversed copies follow all others.
        """
        directions = self.types_of(decorations)
        types, decorations = np.concatenate(directions), np.concatenate([decorations] * len(directions))
        there = types != VACANT
        number = (np.cumsum(there) - 1).reshape(there.shape)
        sender, receiver = self.graph.edges
        kept, edge = np.nonzero(there[:, sender] & there[:, receiver])
        which, site = np.nonzero(there)
        counts = there.sum(axis=1)
        shifts = self.graph.unit_shifts @ self.graph.cell
        real = {
            "positions": self.graph.positions[site],
            "cell": np.tile(self.graph.cell, (len(types), 1)),
            "node_attrs": np.eye(n_types)[types[there]],
            "shifts": shifts[edge],
            "unit_shifts": self.graph.unit_shifts[edge],
        }
        integer = {
            **{name: values[there][:, None] for name, values in self.channels_of(decorations).items()},
            "edge_index": np.stack([number[kept, sender[edge]], number[kept, receiver[edge]]]),
            "batch": which,
            "ptr": np.concatenate([[0], np.cumsum(counts)]),
        }
        tensors = {key: torch.as_tensor(value, dtype=dtype, device=device) for key, value in real.items()}
        return tensors | {
            key: torch.as_tensor(value, dtype=torch.int64, device=device) for key, value in integer.items()
        }


def _filled(template: Configuration, kind: Species, encoding: Encoding) -> Configuration:
    """Return the template with one kind of atom on all sites, its spins with the signs of the template's."""
    n_sites = len(template)
    filled = Configuration(
        numbers=np.full(n_sites, atomic_numbers[kind.element]),
        positions=template.positions,
        cell=template.cell,
        oxidation_states=np.full(n_sites, kind.state),
        spins=template.spins,
    )
    return encoding.with_usual_spins(filled)


def _looked_up(table: NDArray[np.int64], decorations: NDArray[np.int64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = table[decorations, np.arange(table.shape[1])]
    return found


def _by_kind(rows: Sequence[NDArray[np.int64] | None], vacant: int) -> NDArray[np.int64]:
    """Stack what every kind is on all sites, shape (n_kinds, n_sites)."""
    some = next(row for row in rows if row is not None)
    return np.array([np.full_like(some, vacant) if row is None else row for row in rows])


def _reversed_types(graph: Graph) -> NDArray[np.int64] | None:
    return None if graph.spins_reversed is None else graph.spins_reversed.node_types
