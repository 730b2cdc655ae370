"""MACE's convolution on a lattice that stays where it is: one matrix a channel and receiving site."""

from __future__ import annotations

from typing import Any

from aiida_redoxmlp.engines.mace.backend import o3, torch

__all__ = ("LatticeConvolution",)

_DENSE_FROM = 0.5
"""Share of the sites that are neighbours of one from which on all of them are taken as such: nothing is gathered."""


class LatticeConvolution:
    """Messages of all sites as a linear map of the features of all sites.

    MACE's convolution multiplies the sender's features with spherical harmonics and radial weights of the edge and adds
    the products of all edges of a receiver up. Where positions do not change, that is a matrix. It couples no channels,
    so there is one for each of them. Edges to images of the same neighbour are added up beforehand.

    Args:
        product: the interaction block's tensor product.
        edge_attrs: spherical harmonics, shape (n_edges, dim).
        weights: radial weights of the product, shape (n_edges, n_weights).
        edges: sender and receiver of every edge, shape (2, n_edges).
        n_sites: sites of the lattice.
    """

    def __init__(
        self, product: Any, edge_attrs: torch.Tensor, weights: torch.Tensor, edges: torch.Tensor, n_sites: int
    ) -> None:
        self._n_sites = n_sites
        self._width = product.irreps_out.dim
        pairs, pair_of_edge = torch.unique(edges[1] * n_sites + edges[0], return_inverse=True)
        self._neighbours, slots = _neighbour_table(pairs, n_sites)
        places = (slots[0] * self._neighbours.shape[1] + slots[1])[pair_of_edge]
        self._blocks = [
            _Block(product, index, edge_attrs, weights, places, self._neighbours)
            for index in range(len(product.irreps_in1))
        ]

    @staticmethod
    def applies_to(product: Any) -> bool:
        """Tell whether a tensor product is e3nn's and couples no channels."""
        return isinstance(product, o3.TensorProduct) and all(
            one.connection_mode == "uvu" and product.irreps_in2[one.i_in2].mul == 1 for one in product.instructions
        )

    @staticmethod
    def n_values(product: Any, n_edges: int) -> int:
        """Return about how many values the matrices of a tensor product hold."""
        sizes = [
            product.irreps_in1[one.i_in1].dim * product.irreps_out[one.i_out].ir.dim for one in product.instructions
        ]
        return n_edges * int(sum(sizes))

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Return messages, shape (n_decorations · n_sites, dim), of features in the same order."""
        n_decorations = len(features) // self._n_sites
        messages = features.new_zeros(n_decorations, self._n_sites, self._width)
        for block in self._blocks:
            block.add_to(messages, features.view(n_decorations, self._n_sites, -1), self._neighbours)
        return messages.view(len(features), self._width)


class _Block:
    """The part of the convolution that one irreducible representation of the sender's features takes part in."""

    def __init__(
        self,
        product: Any,
        index: int,
        edge_attrs: torch.Tensor,
        weights: torch.Tensor,
        places: torch.Tensor,
        neighbours: torch.Tensor,
    ) -> None:
        self._slice = product.irreps_in1.slices()[index]
        self._channels, self._dim = product.irreps_in1[index].mul, product.irreps_in1[index].ir.dim
        outputs = [one.i_out for one in product.instructions if one.i_in1 == index]
        self._outputs = [(product.irreps_out.slices()[out], product.irreps_out[out].ir.dim) for out in outputs]
        n_sites, n_neighbours = neighbours.shape
        columns = []
        for component in range(self._dim):
            unit = edge_attrs.new_zeros(1, product.irreps_in1.dim)
            unit[:, self._slice].view(self._channels, self._dim)[:, component] = 1.0
            response = product(unit.expand(len(edge_attrs), -1), edge_attrs, weights)
            parts = [response[:, where].reshape(len(response), self._channels, dim) for where, dim in self._outputs]
            summed = edge_attrs.new_zeros(n_sites * n_neighbours, self._channels, self._height)
            columns.append(summed.index_add_(0, places, torch.cat(parts, dim=2)))
        matrix = torch.stack(columns, dim=-1).view(n_sites, n_neighbours, self._channels, self._height, self._dim)
        # channel, receiving site, what it gets; neighbour, what that has
        self._matrix = matrix.permute(2, 0, 3, 1, 4).reshape(
            self._channels * n_sites, self._height, n_neighbours * self._dim
        )
        if n_neighbours == n_sites:
            self._matrix = self._matrix.view(self._channels, n_sites * self._height, n_neighbours * self._dim)

    @property
    def _height(self) -> int:
        return sum(dim for _, dim in self._outputs)

    def add_to(self, messages: torch.Tensor, features: torch.Tensor, neighbours: torch.Tensor) -> None:
        """Write this part of the messages, shape (n_decorations, n_sites, dim)."""
        n_decorations, n_sites, _ = features.shape
        own = features[:, :, self._slice].view(n_decorations, n_sites, self._channels, self._dim).permute(2, 1, 3, 0)
        if neighbours.shape[1] < n_sites:
            own = own.contiguous()[:, neighbours]
        received = torch.bmm(self._matrix, own.reshape(len(self._matrix), -1, n_decorations))
        received = received.view(self._channels, n_sites, self._height, n_decorations)
        start = 0
        for where, dim in self._outputs:
            part = received[:, :, start : start + dim].permute(3, 1, 0, 2)
            messages[:, :, where] = part.reshape(n_decorations, n_sites, -1)
            start += dim


def _neighbour_table(pairs: torch.Tensor, n_sites: int) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Return the neighbours of every site in equally long rows, and where in them pairs stand.

    Args:
        pairs: receiver · n_sites + sender, ascending.
        n_sites: sites of the lattice.

    Returns:
        Neighbours, shape (n_sites, n_neighbours), site 0 in places that are left; row and column of every pair.
    """
    receiver, sender = pairs // n_sites, pairs % n_sites
    counts = torch.bincount(receiver, minlength=n_sites)
    longest = int(counts.max())
    if longest >= _DENSE_FROM * n_sites:
        return torch.arange(n_sites, device=pairs.device).expand(n_sites, -1), (receiver, sender)
    column = torch.arange(len(pairs), device=pairs.device) - (torch.cumsum(counts, 0) - counts)[receiver]
    table = torch.zeros(n_sites, longest, dtype=torch.int64, device=pairs.device)
    table[receiver, column] = sender
    return table, (receiver, column)
