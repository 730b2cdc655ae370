"""Errors of a network over labelled graphs, and the loss that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_redoxmlp.engines.mace.backend import DTYPES, torch
from aiida_redoxmlp.engines.mace.evaluation import join, predict
from aiida_redoxmlp.engines.mace.labels import LabelledGraph
from aiida_redoxmlp.engines.settings import TrainingSettings

__all__ = ("Errors", "Totals", "loss_share", "measure_errors")


@dataclass(frozen=True)
class Totals:
    """How many numbers the means of a loss are taken over.

    Attributes:
        frames: energies.
        forces: force components.
        stresses: stress components.
    """

    frames: int
    forces: int
    stresses: int

    @classmethod
    def of(cls, labelled: Sequence[LabelledGraph]) -> Totals:
        """Count the labels."""
        return cls(
            len(labelled),
            3 * sum(one.graph.n_atoms for one in labelled),
            9 * sum(one.stress is not None for one in labelled),
        )


@dataclass(frozen=True, eq=False)
class Errors:
    """Differences between a network and the labels.

    Attributes:
        energies: eV per atom, shape (n_frames,).
        forces: eV/Å, shape (n_atoms, 3).
        stresses: eV/Å³, shape (n_frames, 3, 3), zero where there is no label; None where none was asked for.
        weights: weights of the frames, shape (n_frames,).
        owners: frame of every atom, shape (n_atoms,).
    """

    energies: torch.Tensor
    forces: torch.Tensor
    stresses: torch.Tensor | None
    weights: torch.Tensor
    owners: torch.Tensor


def measure_errors(
    network: torch.nn.Module,
    labelled: Sequence[LabelledGraph],
    settings: TrainingSettings,
    *,
    n_types: int,
    device: torch.device,
    training: bool,
) -> Errors:
    """Evaluate a network on some frames and compare."""
    dtype = DTYPES[settings.dtype]
    graphs = [one.graph for one in labelled]
    with_stress = settings.stress_weight > 0 and any(one.stress is not None for one in labelled)
    batch = join(graphs, n_types=n_types, dtype=dtype, device=device)
    prediction = predict(network, batch, training=training, stress=with_stress)
    counts = torch.tensor([graph.n_atoms for graph in graphs], device=device)
    energies = torch.tensor([one.energy for one in labelled], dtype=dtype, device=device)
    forces = torch.as_tensor(np.concatenate([one.forces for one in labelled]), dtype=dtype, device=device)
    stresses = None
    if prediction.stresses is not None:
        known = torch.tensor([one.stress is not None for one in labelled], dtype=dtype, device=device)
        wanted = np.stack([np.zeros((3, 3)) if one.stress is None else one.stress for one in labelled])
        difference = prediction.stresses - torch.as_tensor(wanted, dtype=dtype, device=device)
        stresses = known[:, None, None] * difference
    return Errors(
        energies=(prediction.energies - energies) / counts.to(dtype),
        forces=prediction.forces - forces,
        stresses=stresses,
        weights=torch.tensor([one.weight for one in labelled], dtype=dtype, device=device),
        owners=torch.repeat_interleave(torch.arange(len(graphs), device=device), counts),
    )


def loss_share(errors: Errors, totals: Totals, settings: TrainingSettings) -> torch.Tensor:
    """Return what some frames add to the loss of all the frames in ``totals``.

    The loss is a weighted sum of mean squares, so the shares of parts of a batch add up to the loss of the batch.
    """
    weights = errors.weights
    loss = settings.energy_weight * (weights * errors.energies.square()).sum() / totals.frames
    of_atoms = weights[errors.owners][:, None]
    loss = loss + settings.force_weight * (of_atoms * errors.forces.square()).sum() / totals.forces
    if errors.stresses is not None:
        of_frames = weights[:, None, None]
        loss = loss + settings.stress_weight * (of_frames * errors.stresses.square()).sum() / totals.stresses
    return loss
