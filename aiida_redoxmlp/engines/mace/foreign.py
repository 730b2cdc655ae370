"""Read what is in a MACE model that another program made."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from matscipy.neighbours import neighbour_list

from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.backend import ScaleShiftMACE, o3, reproducible, torch
from aiida_redoxmlp.engines.mace.evaluation import join, predict
from aiida_redoxmlp.engines.mace.graph import Graph
from aiida_redoxmlp.engines.mace.network import GATES
from aiida_redoxmlp.errors import InputError

with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    from mace.tools.scripts_utils import extract_config_mace_model, remove_pt_head

__all__ = ("read_architecture", "require_same_energy", "single_head")

_SAME = ("use_reduced_cg", "use_so3", "use_agnostic_product", "use_last_readout_only", "use_edge_irreps_first")
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def single_head(model: Any, head: str | None, name: str) -> Any:
    """Return the model with one head.

    Raises:
        InputError: if it is no MACE model with scale and shift, or none or an unknown one of several heads is chosen.
    """
    if not isinstance(model, ScaleShiftMACE):
        raise InputError(f"{name} holds a {type(model).__name__}; give a MACE model with scale and shift.")
    heads = list(getattr(model, "heads", ["Default"]))
    if head is not None and head not in heads:
        raise InputError(f"{name} has no head {head!r}; its heads are {', '.join(heads)}.")
    if len(heads) > 1:
        if head is None:
            raise InputError(f"{name} has the heads {', '.join(heads)}; choose one of them.")
        dtype = "float64" if next(model.parameters()).dtype == torch.float64 else "float32"
        with reproducible(dtype):  # it builds a network of the default type
            return remove_pt_head(model, head)
    return model


def read_architecture(model: torch.nn.Module, name: str) -> MaceArchitecture:
    """Return the architecture of a single-head model.

    Raises:
        InputError: if the model has parts this package does not know.
    """
    try:
        found = extract_config_mace_model(model)
    except AttributeError as error:
        raise InputError(
            f"The architecture of {name} cannot be read ({error}); give a model with MACE's Bessel functions and "
            "without cuEquivariance layers."
        ) from error
    irreps = found["hidden_irreps"]
    channels = irreps.count(o3.Irrep(0, 1))
    expected = (o3.Irreps.spherical_harmonics(irreps.lmax, p=-1) * channels).sort().irreps.simplify()
    if irreps != expected or found["embedding_specs"] is not None:
        raise InputError(
            f"{name} has hidden features {irreps}{' and embeddings' if found['embedding_specs'] else ''}; this package "
            "starts from models with as many features of every angular momentum and none of their own."
        )
    gates = [gate for gate, function in GATES.items() if function is found["gate"]]
    return MaceArchitecture.read(
        {
            "r_max": found["r_max"],
            "num_channels": channels,
            "max_L": irreps.lmax,
            "max_ell": found["max_ell"],
            "num_interactions": found["num_interactions"],
            "correlation": found["correlation"],
            "num_radial_basis": found["num_bessel"],
            "num_cutoff_basis": int(found["num_polynomial_cutoff"]),
            "radial_mlp": tuple(found["radial_MLP"]),
            "readout_width": found["MLP_irreps"].count(o3.Irrep(0, 1)),
            "interaction_first": found["interaction_cls_first"].__name__,
            "interaction": found["interaction_cls"].__name__,
            **({"readout": found["readout_cls"].__name__} if found["num_interactions"] > 1 else {}),
            **({"gate": gates[0]} if gates else {}),
            "radial_type": found["radial_type"],
            "distance_transform": found["distance_transform"] or "None",
            "pair_repulsion": found["pair_repulsion"],
            "apply_cutoff": found["apply_cutoff"],
            "edge_irreps": None if found["edge_irreps"] is None else str(found["edge_irreps"]),
            **{key: bool(found[key]) for key in _SAME},
        }
    )


def require_same_energy(original: Any, rebuilt: torch.nn.Module, n_types: int, name: str) -> None:
    """Compare the two networks on a small distorted crystal.

    Raises:
        InputError: if they do not agree: the original has something that was not read.
    """
    graph = _small_crystal(n_types, float(original.r_max))
    dtype = next(original.parameters()).dtype
    batch = join([graph], n_types=n_types, dtype=dtype, device=torch.device("cpu"))
    before, after = predict(original, batch), predict(rebuilt, batch)
    for one, other in ((before.energies, after.energies), (before.forces, after.forces)):
        if not torch.allclose(one, other, rtol=_TOLERANCE[dtype], atol=_TOLERANCE[dtype]):
            raise InputError(
                f"The network rebuilt from {name} gives other energies than the file's own; it has settings this "
                "package does not know."
            )


def _small_crystal(n_types: int, r_max: float) -> Graph:
    """Return a distorted cube of eight atoms 2.4 Å apart, of the model's species in turn."""
    random = np.random.default_rng(0)
    cell = 4.8 * np.eye(3)
    corners = np.array(list(np.ndindex(2, 2, 2)), dtype=float)
    positions = 2.4 * corners + 0.1 * random.normal(size=(8, 3))
    sender, receiver, shifts = neighbour_list("ijS", positions=positions, cell=cell, pbc=[True] * 3, cutoff=r_max)
    types = np.arange(8) * max(1, n_types // 8) % n_types
    return Graph(types, positions, cell, np.stack([sender, receiver]).astype(np.int64), shifts.astype(np.float64))
