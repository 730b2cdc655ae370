"""One evaluation of a network on some graphs, even under the reversal of all spins by construction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.graph import Graph, batch_graphs

__all__ = ("Batch", "Prediction", "atom_features", "join", "predict", "predict_energies")


@dataclass(frozen=True, eq=False)
class Batch:
    """Graphs joined into one input of a network.

    Attributes:
        tensors: what MACE's ``forward`` reads.
        copies: 1, or 2 where every graph is followed, after all the others, by itself with all spins reversed.
    """

    tensors: dict[str, torch.Tensor]
    copies: int


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of a batch.

    Attributes:
        energies: interaction energies in eV, shape (n_graphs,).
        forces: eV/Å, shape (n_atoms_total, 3).
        stresses: eV/Å³, shape (n_graphs, 3, 3), or None when not asked for.
    """

    energies: torch.Tensor
    forces: torch.Tensor
    stresses: torch.Tensor | None


def join(graphs: Sequence[Graph], *, n_types: int, dtype: torch.dtype, device: torch.device) -> Batch:
    """Join graphs, each with its spin-reversed copy where the encoding resolves spins."""
    reversed_ones = [graph.spins_reversed for graph in graphs if graph.spins_reversed is not None]
    tensors = batch_graphs([*graphs, *reversed_ones], n_types=n_types, dtype=dtype, device=device)
    return Batch(tensors, copies=2 if reversed_ones else 1)


def predict(network: torch.nn.Module, batch: Batch, *, training: bool = False, stress: bool = False) -> Prediction:
    """Evaluate a network on a batch.

    With spins the energy is the mean over the spins as given and all of them reversed, E(σ) = ½ [N(σ) + N(-σ)]
    for the network's N: without a magnetic field and spin-orbit coupling no energy depends on the overall sign. The
    mean is taken of sums over atoms, so it keeps the energy a sum of local terms, smooth, and independent of the
    order of the atoms. A rule such as "the first site points up" would lose the last.
    """
    with _element_features_as_copies(network):
        output = network(dict(batch.tensors), training=training, compute_stress=stress)
    copies = batch.copies
    return Prediction(
        energies=_mean(output["interaction_energy"], copies),
        forces=_mean(output["forces"], copies),
        stresses=_mean(output["stress"], copies) if stress else None,
    )


def predict_energies(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return the interaction energies of a batch in eV, shape (n_graphs,), as :func:`predict` without forces."""
    with torch.no_grad(), _element_features_as_copies(network):
        output = network(dict(batch.tensors), training=False, compute_force=False)
    return _mean(output["interaction_energy"], batch.copies)


def atom_features(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return the invariant features of every atom after all layers, shape (n_atoms_total, n_features).

    They are what the readouts turn into energies: the scalars among each layer's features, the mean of both
    directions where spins are resolved.
    """
    with torch.no_grad(), _element_features_as_copies(network):
        output = network(dict(batch.tensors), training=False, compute_force=False)
    return _mean(output["node_feats"][:, _scalars(network)], batch.copies)


def _scalars(network: Any) -> list[int]:
    """Return the places of the scalars in a row of all layers' features."""
    places: list[int] = []
    start = 0
    for product in network.products:
        irreps = product.linear.irreps_out
        for (_, irrep), part in zip(irreps, irreps.slices(), strict=True):
            if irrep.l == 0:
                places.extend(range(start + part.start, start + part.stop))
        start += irreps.dim
    return places


@contextmanager
def _element_features_as_copies(network: torch.nn.Module) -> Iterator[None]:
    """Let mace-torch add embeddings in place to features that may be a view of a weight, which torch refuses.

    e3nn's linear layer returns such a view for some numbers of elements and channels. The hook is there during the
    evaluation only, so that networks can be copied and saved by other code.
    """
    embedding = getattr(network, "node_embedding", None)
    if embedding is None or not hasattr(network, "joint_embedding"):
        yield
        return
    handle = embedding.register_forward_hook(lambda _module, _arguments, features: features.clone())
    try:
        yield
    finally:
        handle.remove()


def _mean(values: torch.Tensor, copies: int) -> torch.Tensor:
    return values if copies == 1 else values.reshape(copies, -1, *values.shape[1:]).mean(dim=0)
