"""Build a MACE network from its typed description and evaluate it."""

from __future__ import annotations

import copy
import json
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import (
    ScaleShiftMACE,
    interaction_classes,
    o3,
    readout_classes,
    reproducible,
    torch,
)
from aiida_redoxmlp.engines.mace.description import MaceDescription

__all__ = ("GATES", "build_network", "count_weights")

GATES = {"silu": torch.nn.functional.silu, "tanh": torch.tanh, "abs": torch.abs}
"""Non-linearities of the readout by their names in the settings."""

_PASSED_ON = (
    "radial_type",
    "distance_transform",
    "pair_repulsion",
    "apply_cutoff",
    "use_reduced_cg",
    "use_so3",
    "use_agnostic_product",
    "use_last_readout_only",
    "use_edge_irreps_first",
)


def build_network(description: MaceDescription, *, seed: int | None = None) -> torch.nn.Module:
    """Build a network on the CPU, its weights drawn from ``seed``.

    The reference energies stay outside the network: they are thousands of eV, and adding them in the network's
    own floating-point type would cost the digits that tell two patterns apart. The network knows the real elements
    behind stand-in numbers, for what depends on nuclear charges and covalent radii.

    e3nn generates and compiles code for every layer, which takes seconds; a copy of a network that was built before
    takes a tenth of that.
    """
    shape = description.model_copy(update={"members": (), "training": {}, "versions": {}, "reference_energies": ()})
    text = json.dumps(shape.model_dump(), sort_keys=True)
    try:
        network: torch.nn.Module = copy.deepcopy(_built(text, seed))
    except TypeError:  # some architectures have placeholders for weights, which cannot be copied
        network = _built.__wrapped__(text, seed)
    return network


@lru_cache(maxsize=4)
def _built(shape: str, seed: int | None) -> torch.nn.Module:
    """Build the network of a description in JSON."""
    description = MaceDescription.model_validate(json.loads(shape))
    architecture = description.architecture
    encoding = Encoding.from_dict(description.encoding)
    numbers = encoding.elements
    irreps = (o3.Irreps.spherical_harmonics(architecture.max_L, p=-1) * architecture.num_channels).sort().irreps
    arguments: dict[str, Any] = {
        "atomic_inter_scale": description.scale,
        "atomic_inter_shift": description.shift,
        "r_max": architecture.r_max,
        "num_bessel": architecture.num_radial_basis,
        "num_polynomial_cutoff": architecture.num_cutoff_basis,
        "max_ell": architecture.max_ell,
        "interaction_cls": interaction_classes[architecture.interaction],
        "interaction_cls_first": interaction_classes[architecture.interaction_first],
        "num_interactions": architecture.num_interactions,
        "num_elements": len(numbers),
        "hidden_irreps": irreps.simplify(),
        "MLP_irreps": o3.Irreps(f"{architecture.readout_width}x0e"),
        "atomic_energies": np.zeros(len(numbers)),
        "avg_num_neighbors": description.avg_num_neighbors,
        "atomic_numbers": list(numbers),
        "correlation": architecture.correlation,
        "gate": GATES[architecture.gate],
        "radial_MLP": list(architecture.radial_mlp),
        "readout_cls": readout_classes[architecture.readout],
        "edge_irreps": None if architecture.edge_irreps is None else o3.Irreps(architecture.edge_irreps),
        "embedding_specs": _embedding_specs(encoding, architecture.embedding_width),
        **architecture.model_dump(include=set(_PASSED_ON)),
    }
    with reproducible(description.dtype, seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript's remarks on e3nn's code
        network: torch.nn.Module = ScaleShiftMACE(**arguments)
    return network


def _embedding_specs(encoding: Encoding, width: int) -> dict[str, dict[str, Any]] | None:
    """Return the channels of the encoding as mace-torch's ``embedding_specs``."""
    specs = {
        channel.name: {"type": "categorical", "per": "atom", "num_classes": channel.n_classes, "emb_dim": width}
        for channel in encoding.channels
    }
    return specs or None


def count_weights(network: torch.nn.Module) -> int:
    """Count the trainable weights."""
    return sum(weight.numel() for weight in network.parameters())
