"""What MACE does to the features of one site, for few types of atoms: coefficients are multiplied out once a type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida_redoxmlp.engines.mace.backend import o3, torch

__all__ = ("SiteLinear", "SitePolynomials")

_HIGHEST_ORDER = 3
_VALUES_AT_ONCE = 1 << 20
"""Intermediate values that are held at once; a few MB stay in the processor's cache."""


class SitePolynomials:
    """The symmetric contractions of a product block, as polynomials of the features of each channel.

    mace-torch multiplies coupling coefficients and weights of an atom's type for every atom anew. Here that is done
    once a type, and as features commute, one of every two products of components is kept. Source of the contraction:
    Batatia et al., NeurIPS 2022 (arXiv 2206.07697), Eq. 10.

    Args:
        contractions: mace-torch's, one an irreducible representation of the result.
        n_types: number of types that atoms can have.
    """

    def __init__(self, contractions: Sequence[Any], n_types: int) -> None:
        some = contractions[0].U_tensors(1)
        self._first, self._second = torch.triu_indices(some.shape[-2], some.shape[-2], device=some.device)
        self._dims = [_n_components(one) for one in contractions]
        self._types = [self._coefficients(contractions, kind) for kind in range(n_types)]

    @staticmethod
    def applies_to(contractions: Sequence[Any]) -> bool:
        """Tell whether contractions are mace-torch's own and of no higher order than this class knows."""
        return all(hasattr(one, "U_tensors") and one.correlation <= _HIGHEST_ORDER for one in contractions)

    def __call__(self, features: torch.Tensor, members: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return products, shape (n_atoms, n_channels · dim), one representation after the other.

        Args:
            features: shape (n_atoms, n_channels, width).
            members: atoms of every type; those of none get zeros.
        """
        n_atoms, n_channels, _ = features.shape
        products = features.new_zeros(n_atoms, n_channels, sum(self._dims))
        step = max(1, _VALUES_AT_ONCE // (n_channels * len(self._first) * sum(self._dims)))
        for coefficients, atoms in zip(self._types, members, strict=True):
            for some in torch.split(atoms, step) if len(atoms) else ():
                values = self._of_type(coefficients, features[some].permute(1, 2, 0).contiguous())
                products[some] = values.permute(2, 0, 1)
        parts = torch.split(products, self._dims, dim=2)
        return torch.cat([part.reshape(n_atoms, -1) for part in parts], dim=1)

    def _of_type(self, coefficients: Sequence[torch.Tensor], features: torch.Tensor) -> torch.Tensor:
        """Return products, shape (n_channels, dim, n_atoms), of features of shape (n_channels, width, n_atoms)."""
        linear, quadratic, *higher = coefficients
        values = torch.bmm(linear, features)
        pairs = features[:, self._first] * features[:, self._second]
        if not higher:
            return values + torch.bmm(quadratic, pairs)
        (cubic,) = higher
        slopes = torch.bmm(cubic.flatten(1, 2), features).view(*quadratic.shape, -1)
        slopes += quadratic[..., None]
        return values + slopes.mul_(pairs[:, None]).sum(dim=2)

    def _coefficients(self, contractions: Sequence[Any], kind: int) -> list[torch.Tensor]:
        """Return coefficients of one type.

        Returns:
            Of first, second and third order, shapes (n_channels, dim, width), (n_channels, dim, n_pairs) and
            (n_channels, dim, n_pairs, width); without the third where there is none.
        """
        orders = []
        for order in range(1, max(_HIGHEST_ORDER - 1, *(one.correlation for one in contractions)) + 1):
            found = torch.cat([_of_order(one, order, kind) for one in contractions], dim=1)
            if order > 1:
                both = found[:, :, self._first, self._second] + found[:, :, self._second, self._first]
                once = torch.where(self._first == self._second, 0.5, 1.0).to(both)
                found = both * once.view(1, 1, -1, *[1] * (order - 2))
            orders.append(found.contiguous())
        return orders


class SiteLinear:
    """A linear map of features that depends on an atom's type, as one matrix a type and representation.

    Args:
        product: e3nn's fully connected tensor product of features and one-hot types.
        n_types: number of types.
    """

    def __init__(self, product: Any, n_types: int) -> None:
        self._width = product.irreps_out.dim
        self._parts = [_part(product, one, n_types) for one in product.instructions]

    @staticmethod
    def applies_to(product: Any) -> bool:
        """Tell whether a tensor product is e3nn's and keeps representations apart."""
        return isinstance(product, o3.TensorProduct) and all(
            product.irreps_in1[one.i_in1].ir == product.irreps_out[one.i_out].ir for one in product.instructions
        )

    def __call__(self, features: torch.Tensor, members: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return mapped features, shape (n_atoms, dim).

        Args:
            features: shape (n_atoms, dim).
            members: atoms of every type; those of none get zeros.
        """
        mapped = features.new_zeros(len(features), self._width)
        for kind, atoms in enumerate(members):
            if not len(atoms):
                continue
            own, result = features[atoms], features.new_zeros(len(atoms), self._width)
            for source, target, dim, matrices in self._parts:
                block = own[:, source].view(len(atoms), -1, dim).transpose(1, 2) @ matrices[kind]
                result[:, target] += block.transpose(1, 2).reshape(len(atoms), -1)
            mapped[atoms] = result
        return mapped


def _n_components(contraction: Any) -> int:
    """Return the dimension of a contraction's result; coupling coefficients of a scalar have no axis for it."""
    tensor = contraction.U_tensors(1)
    return 1 if tensor.dim() == 2 else int(tensor.shape[0])


def _of_order(contraction: Any, order: int, kind: int) -> torch.Tensor:
    """Return coefficients of one order and type, shape (n_channels, dim, width, ...)."""
    width = contraction.U_tensors(1).shape[-2]
    highest = contraction.weights_max
    if order > contraction.correlation:
        zeros: torch.Tensor = highest.new_zeros(highest.shape[2], _n_components(contraction), *[width] * order)
        return zeros
    weights = highest if order == contraction.correlation else contraction.weights[contraction.correlation - order - 1]
    summed = torch.einsum("...k,kc->c...", contraction.U_tensors(order), weights[kind])
    shaped: torch.Tensor = summed.reshape(summed.shape[0], _n_components(contraction), *[width] * order)
    return shaped


def _part(product: Any, instruction: Any, n_types: int) -> tuple[slice, slice, int, torch.Tensor]:
    """Return where one path of a product reads, where it adds, its dimension, and a matrix a type.

    The response to one component tells the matrix, as all components of a representation are treated alike.
    """
    (channels, irrep), source = product.irreps_in1[instruction.i_in1], product.irreps_in1.slices()[instruction.i_in1]
    target = product.irreps_out.slices()[instruction.i_out]
    some = next(product.parameters())
    unit = some.new_zeros(channels, product.irreps_in1.dim)
    unit[:, source].view(channels, channels, irrep.dim)[:, :, 0] = torch.eye(channels, dtype=some.dtype).to(some)
    types = torch.eye(n_types, dtype=some.dtype).to(some)
    matrices = [product(unit, one.expand(channels, -1))[:, target] for one in types]
    stacked = torch.stack(matrices).view(n_types, channels, -1, irrep.dim)[..., 0].contiguous()
    return source, target, irrep.dim, stacked
