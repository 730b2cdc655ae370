"""A MACE network on a lattice that stays where it is: all that depends on positions alone is computed once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.lattice_convolution import LatticeConvolution
from aiida_redoxmlp.engines.mace.site_polynomials import SiteLinear, SitePolynomials

__all__ = ("LatticeNetwork",)

_FIRST = "RealAgnosticInteractionBlock"
_RESIDUAL = "RealAgnosticResidualInteractionBlock"


class LatticeNetwork:
    """The energies of a network as a function of what stands on the sites of a lattice.

    Spherical harmonics, radial weights and the tensor products with them become matrices; weights that depend on the
    type of an atom are multiplied out for each type. What is left are products of matrices. No gradients are kept.

    Args:
        network: one for which :meth:`applies_to` holds.
        tensors: what MACE's ``forward`` reads of the lattice, any atoms on its sites.
        n_types: length of the model's list of numbers.
    """

    def __init__(self, network: Any, tensors: Mapping[str, torch.Tensor], n_types: int) -> None:
        self._network, self._n_types = network, n_types
        n_sites, edges = len(tensors["positions"]), tensors["edge_index"]
        vectors = tensors["positions"][edges[1]] - tensors["positions"][edges[0]] + tensors["shifts"]
        with torch.no_grad():
            edge_attrs = network.spherical_harmonics(vectors)
            radial, cutoff = network.radial_embedding(
                torch.linalg.norm(vectors, dim=1, keepdim=True), tensors["node_attrs"], edges, network.atomic_numbers
            )
            self._convolutions, self._mixings, self._polynomials = [], [], []
            for interaction, product in zip(network.interactions, network.products, strict=True):
                weights = interaction.conv_tp_weights(radial)
                weights = weights if cutoff is None else weights * cutoff
                self._convolutions.append(LatticeConvolution(interaction.conv_tp, edge_attrs, weights, edges, n_sites))
                self._mixings.append(SiteLinear(interaction.skip_tp, n_types))
                kinds = 1 if product.use_agnostic_product else n_types
                self._polynomials.append(SitePolynomials(product.symmetric_contractions.contractions, kinds))

    @staticmethod
    def applies_to(network: Any) -> bool:
        """Tell whether a network is one of those this class knows; energies that depend on pairs of types are not."""
        blocks = [type(one).__name__ for one in network.interactions]
        return (
            set(blocks[1:]) <= {_RESIDUAL}
            and blocks[0] in {_FIRST, _RESIDUAL}
            and not hasattr(network, "pair_repulsion_fn")
            and not hasattr(network.radial_embedding, "distance_transform")
            and len(network.heads) == 1
            and all(
                LatticeConvolution.applies_to(one.conv_tp) and SiteLinear.applies_to(one.skip_tp)
                for one in network.interactions
            )
            and all(
                SitePolynomials.applies_to(getattr(one.symmetric_contractions, "contractions", [one]))
                for one in network.products
            )
        )

    @staticmethod
    def n_values(network: Any, n_edges: int) -> int:
        """Return about how many values the matrices of a network hold on a lattice with so many edges."""
        return sum(LatticeConvolution.n_values(one.conv_tp, n_edges) for one in network.interactions)

    def energies(self, types: torch.Tensor, channels: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return interaction energies in eV, shape (n_decorations,).

        Args:
            types: index in the model's list of numbers of every site, -1 for a vacancy, shape (n_decorations, n_sites).
            channels: category in each of the encoding's channels, shapes (n_decorations, n_sites).
        """
        with torch.no_grad():
            sites = self._site_energies(types.reshape(-1), {name: one.reshape(-1, 1) for name, one in channels.items()})
        return sites.view(types.shape).sum(dim=1)

    def _site_energies(self, types: torch.Tensor, channels: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return energies of sites in eV, shape (n_decorations · n_sites,), 0 where there is no atom."""
        network = self._network
        members = [torch.nonzero(types == kind)[:, 0] for kind in range(self._n_types)]
        attrs = torch.nn.functional.one_hot(types.clamp(min=0), self._n_types).to(network.r_max.dtype)
        there = (types >= 0).to(attrs)
        features = network.node_embedding(attrs)
        if channels:
            features = features + network.joint_embedding(torch.zeros_like(types), channels)
        layers = []
        for layer in range(len(network.interactions)):
            features = self._layer(layer, features * there[:, None], members)
            layers.append(features)
        heads = torch.zeros_like(types)
        readouts = network.readouts
        read = [one(layers[-1 if len(readouts) == 1 else place], heads)[:, 0] for place, one in enumerate(readouts)]
        energies: torch.Tensor = network.scale_shift(torch.stack(read).sum(dim=0), heads) * there
        return energies

    def _layer(self, layer: int, features: torch.Tensor, members: list[torch.Tensor]) -> torch.Tensor:
        """Return the features after one layer of messages; as the interaction and product blocks of mace-torch."""
        interaction, product = self._network.interactions[layer], self._network.products[layer]
        messages = self._convolutions[layer](interaction.linear_up(features))
        messages = interaction.linear(messages) / interaction.avg_num_neighbors
        residual = type(interaction).__name__ == _RESIDUAL
        if not residual:
            messages = self._mixings[layer](messages, members)
        alike = [torch.arange(len(features), device=features.device)] if product.use_agnostic_product else members
        mixed: torch.Tensor = product.linear(self._polynomials[layer](interaction.reshape(messages), alike))
        if residual and product.use_sc:
            mixed = mixed + self._mixings[layer](features, members)
        return mixed
