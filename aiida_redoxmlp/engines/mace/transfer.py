"""Copy the weights of one MACE network to another with other species."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aiida_redoxmlp.engines.mace.backend import o3, torch
from aiida_redoxmlp.errors import InputError

__all__ = ("copy_weights", "species_modules")

_KEPT = re.compile(r"atomic_numbers|atomic_energies_fn\..*|joint_embedding\..*|scale_shift\..*")
_ELEMENT_LAYERS = re.compile(r"node_embedding\.linear|interactions\.\d+\.(source|target)_embedding")
_CONTRACTIONS = re.compile(r"products\.\d+\.symmetric_contractions")
_ELEMENT_ROWS = re.compile(_CONTRACTIONS.pattern + r"\.contractions\.\d+\.(weights_max|weights\.\d+)")


def species_modules(network: torch.nn.Module) -> tuple[str, ...]:
    """Return the names of the modules whose weights have a row for each species."""
    agnostic = bool(getattr(network, "use_agnostic_product", False))
    return tuple(
        name
        for name, module in network.named_modules()
        if _mixes_with_element(name, module) or (_CONTRACTIONS.fullmatch(name) and not agnostic)
    )


def _mixes_with_element(name: str, module: torch.nn.Module) -> bool:
    linear = bool(_ELEMENT_LAYERS.fullmatch(name)) and isinstance(module, o3.Linear)
    return linear or (name.endswith("skip_tp") and isinstance(module, o3.TensorProduct))


def copy_weights(known: torch.nn.Module, wanted: torch.nn.Module, parents: Sequence[int]) -> None:
    """Copy all weights and constants from ``known`` to ``wanted``, whose species inherit from their parents.

    e3nn divides a layer by the square root of its number of inputs, elements among them. The copied weights are
    multiplied by the ratio, so that the layers' outputs stay what they were.

    Args:
        known: network to copy from.
        wanted: network of the same architecture, changed in place. Reference energies, scale, shift, atomic
            numbers and embeddings of channels are left alone.
        parents: for each species of ``wanted`` the index of its parent in ``known``.

    Raises:
        InputError: if the architectures differ.
    """
    source = known.state_dict()
    target = wanted.state_dict()
    layers = dict(known.named_modules())
    done: dict[str, torch.Tensor] = {}
    for name, module in wanted.named_modules():
        if _mixes_with_element(name, module):
            axis = 0 if isinstance(module, o3.Linear) else 1
            done[f"{name}.weight"] = _inherit(layers[name], module, parents, axis)
    agnostic = bool(getattr(wanted, "use_agnostic_product", False))
    for name, tensor in target.items():
        if name in done or _KEPT.fullmatch(name):
            continue
        if name not in source:
            raise InputError(f"The foundation model has no {name!r}; its architecture differs from the network's.")
        rows = source[name][list(parents)] if _ELEMENT_ROWS.fullmatch(name) and not agnostic else source[name]
        if rows.shape != tensor.shape:
            raise InputError(
                f"{name!r} has shape {tuple(rows.shape)} in the foundation model and {tuple(tensor.shape)} here; "
                "the architectures differ."
            )
        done[name] = rows
    with torch.no_grad():
        for name, value in done.items():
            target[name].copy_(value)


def _inherit(known: Any, wanted: Any, parents: Sequence[int], axis: int) -> torch.Tensor:
    """Return the weights of a layer that mixes with the element, path by path, elements along ``axis``."""
    parts = []
    start = 0
    for before, after in zip(known.instructions, wanted.instructions, strict=True):
        size = torch.Size(before.path_shape).numel()
        weight = known.weight.detach()[start : start + size].reshape(before.path_shape)
        chosen = weight.index_select(axis, torch.tensor(list(parents)))
        parts.append((chosen.to(wanted.weight.dtype) * (before.path_weight / after.path_weight)).flatten())
        start += size
    return torch.cat(parts)
