"""Models as mace-torch itself builds and writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from aiida_redoxmlp.engines.mace.backend import ScaleShiftMACE, interaction_classes, o3, reproducible

__all__ = ("foreign_model", "written")

ENERGIES = {3: -1.9, 8: -4.1, 15: -5.3, 25: -9.2}


def foreign_model(*, dtype: str = "float64", heads: int = 1, seed: int = 11, **changes: Any) -> torch.nn.Module:
    """A model as mace-torch builds it for Li, O, P and Mn, weights drawn at random, reference energies inside."""
    arguments: dict[str, Any] = {
        "atomic_inter_scale": [0.7, 0.9][:heads] if heads > 1 else 0.7,
        "atomic_inter_shift": [0.1, 0.2][:heads] if heads > 1 else 0.1,
        "r_max": 3.5,
        "num_bessel": 4,
        "num_polynomial_cutoff": 5,
        "max_ell": 2,
        "interaction_cls": interaction_classes["RealAgnosticResidualInteractionBlock"],
        "interaction_cls_first": interaction_classes["RealAgnosticResidualInteractionBlock"],
        "num_interactions": 2,
        "num_elements": 4,
        "hidden_irreps": o3.Irreps("4x0e+4x1o"),
        "MLP_irreps": o3.Irreps("4x0e"),
        "atomic_energies": np.array([list(ENERGIES.values())] * heads),
        "avg_num_neighbors": 9.5,
        "atomic_numbers": list(ENERGIES),
        "correlation": 2,
        "gate": torch.nn.functional.silu,
        "radial_MLP": [8, 8],
        "heads": ["one", "two"][:heads],
        "distance_transform": "Agnesi",
        "pair_repulsion": True,
        **changes,
    }
    with reproducible(dtype, seed):
        return ScaleShiftMACE(**arguments)


def written(tmp_path: Path, model: torch.nn.Module) -> Path:
    torch.save(model, tmp_path / "foundation.model")
    return tmp_path / "foundation.model"
