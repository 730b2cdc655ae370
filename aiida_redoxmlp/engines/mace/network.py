"""Build a MACE network from its typed description and evaluate it."""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import ScaleShiftMACE, interaction_classes, o3, reproducible, torch
from aiida_redoxmlp.engines.mace.description import MaceDescription

__all__ = ("build_network", "count_weights")


def build_network(description: MaceDescription, *, seed: int | None = None) -> torch.nn.Module:
    """Build a network on the CPU, its weights drawn from ``seed``.

    The reference energies stay outside the network: they are thousands of eV, and adding them in the network's
    own floating-point type would cost the digits that tell two patterns apart.
    """
    architecture = description.architecture
    numbers = Encoding.from_dict(description.encoding).model_numbers
    irreps = (o3.Irreps.spherical_harmonics(architecture.max_L, p=-1) * architecture.num_channels).sort().irreps
    arguments: dict[str, Any] = {
        "atomic_inter_scale": description.scale,
        "atomic_inter_shift": description.shift,
        "r_max": architecture.r_max,
        "num_bessel": architecture.num_radial_basis,
        "num_polynomial_cutoff": architecture.num_cutoff_basis,
        "max_ell": architecture.max_ell,
        "interaction_cls": interaction_classes["RealAgnosticResidualInteractionBlock"],
        "interaction_cls_first": interaction_classes["RealAgnosticInteractionBlock"],
        "num_interactions": architecture.num_interactions,
        "num_elements": len(numbers),
        "hidden_irreps": irreps.simplify(),
        "MLP_irreps": o3.Irreps(f"{architecture.readout_width}x0e"),
        "atomic_energies": np.zeros(len(numbers)),
        "avg_num_neighbors": description.avg_num_neighbors,
        "atomic_numbers": list(numbers),
        "correlation": architecture.correlation,
        "gate": torch.nn.functional.silu,
        "radial_MLP": list(architecture.radial_mlp),
    }
    with reproducible(description.dtype, seed):
        network: torch.nn.Module = ScaleShiftMACE(**arguments)
    return network


def count_weights(network: torch.nn.Module) -> int:
    """Count the trainable weights."""
    return sum(weight.numel() for weight in network.parameters())
