"""Interaction energies of many decorations of one lattice by all members of a committee."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.decorations import Lattice
from aiida_redoxmlp.engines.mace.evaluation import Batch, predict_energies
from aiida_redoxmlp.engines.mace.graph import batch_graphs
from aiida_redoxmlp.engines.mace.lattice_network import LatticeNetwork

__all__ = ("LatticeEnergies",)

_SITES_AT_ONCE = {"cpu": 2048, "cuda": 1 << 16}
"""Sites of all decorations that are evaluated together on a lattice."""

_MOST_VALUES = 1 << 28
"""Most values that the matrices of a committee hold, 2 GiB in double precision."""

_AGREEMENT = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Relative difference that rounding may make."""


class LatticeEnergies:
    """Evaluates decorations by each network's :class:`LatticeNetwork`, or by its graphs where there is none.

    There is none for architectures that :class:`LatticeNetwork` does not know and for matrices that take too much
    memory, and it is left aside where its first energy is not the network's own.

    Attributes:
        on_lattice: what is prepared for each member, None where graphs are evaluated; empty before the first call.

    Args:
        lattice: sites and what can stand there.
        networks: one a member.
        n_types: length of the model's list of numbers.
        dtype: floating-point type.
        device: where the networks are.
        edges_at_once: edges of graphs that are evaluated together.
    """

    def __init__(
        self,
        lattice: Lattice,
        networks: Sequence[torch.nn.Module],
        *,
        n_types: int,
        dtype: torch.dtype,
        device: torch.device,
        edges_at_once: int,
    ) -> None:
        self.lattice = lattice
        self._networks, self._n_types, self._dtype, self._device = tuple(networks), n_types, dtype, device
        self._graphs_at_once = max(1, edges_at_once // max(1, lattice.graph.n_edges))
        self.on_lattice: tuple[LatticeNetwork | None, ...] = ()

    def __call__(self, decorations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return interaction energies in eV, shape (n_decorations, n_members)."""
        energies = np.zeros((len(decorations), len(self._networks)))
        if len(decorations) and not self.on_lattice:
            self.on_lattice = tuple(self._prepared(network, decorations[:1]) for network in self._networks)
        for member, prepared in enumerate(self.on_lattice if len(decorations) else ()):
            energies[:, member] = (
                self._by_graphs(self._networks[member], decorations)
                if prepared is None
                else self._by_matrices(prepared, decorations)
            )
        return energies

    def _prepared(self, network: torch.nn.Module, example: NDArray[np.int64]) -> LatticeNetwork | None:
        n_values = len(self._networks) * LatticeNetwork.n_values(network, self.lattice.graph.n_edges)
        if not LatticeNetwork.applies_to(network) or n_values > _MOST_VALUES:
            return None
        occupied = batch_graphs([self.lattice.graph], n_types=self._n_types, dtype=self._dtype, device=self._device)
        prepared = LatticeNetwork(network, occupied, self._n_types)
        expected, found = self._by_graphs(network, example), self._by_matrices(prepared, example)
        agreement = _AGREEMENT[self._dtype]
        return prepared if np.allclose(found, expected, rtol=agreement, atol=agreement) else None

    def _by_matrices(self, prepared: LatticeNetwork, decorations: NDArray[np.int64]) -> NDArray[np.float64]:
        size = max(1, _SITES_AT_ONCE.get(self._device.type, _SITES_AT_ONCE["cpu"]) // self.lattice.graph.n_atoms)
        parts = []
        for start in range(0, len(decorations), size):
            chosen = decorations[start : start + size]
            channels = {name: self._integers(one) for name, one in self.lattice.channels_of(chosen).items()}
            directions = [prepared.energies(self._integers(one), channels) for one in self.lattice.types_of(chosen)]
            parts.append(torch.stack(directions).mean(dim=0))
        return _to_numpy(torch.cat(parts))

    def _by_graphs(self, network: torch.nn.Module, decorations: NDArray[np.int64]) -> NDArray[np.float64]:
        parts = []
        for start in range(0, len(decorations), self._graphs_at_once):
            chosen = decorations[start : start + self._graphs_at_once]
            copies = len(self.lattice.types_of(chosen))
            parts.append(predict_energies(network, Batch(self._join(chosen), copies)))
        return _to_numpy(torch.cat(parts))

    def _join(self, decorations: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        return self.lattice.join(decorations, n_types=self._n_types, dtype=self._dtype, device=self._device)

    def _integers(self, values: NDArray[np.int64]) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.int64, device=self._device)


def _to_numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tensor.cpu().numpy().astype(np.float64)
    return values
