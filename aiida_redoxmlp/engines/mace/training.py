"""The training loop of one committee member."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import DTYPES, reproducible, torch
from aiida_redoxmlp.engines.mace.checkpoint import Progress, read_checkpoint, write_checkpoint
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.evaluation import join, predict
from aiida_redoxmlp.engines.mace.graph import Graph, build_graph
from aiida_redoxmlp.engines.mace.network import build_network
from aiida_redoxmlp.engines.reference_energies import composition
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import TrainingDivergedError

__all__ = ("CHECKPOINT_INTERVAL", "LabelledGraph", "MemberTraining", "label_graphs")

CHECKPOINT_INTERVAL = 5
"""Epochs between checkpoints."""

_AVERAGE_DECAY = 0.99
_LARGEST_GRADIENT = 10.0
_WEIGHT_DECAY = 5e-7
_WARM_UP_EPOCHS = 3
_FINAL_RATE = 0.01


@dataclass(frozen=True, eq=False)
class LabelledGraph:
    """A graph with what the network should say of it.

    Attributes:
        graph: nodes and edges.
        energy: total energy less the reference energies, in eV.
        forces: eV/Å, shape (n_atoms, 3).
    """

    graph: Graph
    energy: float
    forces: NDArray[np.float64]


def label_graphs(
    frames: Sequence[Frame], encoding: Encoding, reference_energies: NDArray[np.float64], r_max: float
) -> list[LabelledGraph]:
    """Turn frames into graphs with targets."""
    labelled = []
    for frame in frames:
        counts = composition(encoding.encode(frame.configuration), encoding.model_numbers)
        graph = build_graph(frame.configuration, encoding, r_max)
        labelled.append(LabelledGraph(graph, frame.energy - float(counts @ reference_energies), frame.forces))
    return labelled


@dataclass(frozen=True)
class _Errors:
    """Loss and mean absolute errors over some frames (eV per atom, eV/Å)."""

    loss: float
    energy_mae: float
    force_mae: float


class MemberTraining:
    """Trains one committee member; its seed decides initial weights and the order of batches.

    Weights are averaged exponentially over the steps, the averages are validated, and the best averages are kept
    (Batatia et al., arXiv 2206.07697, train MACE with AMSGrad and such averages). The learning rate warms up over
    three epochs and then follows half a cosine down to a hundredth.
    """

    def __init__(
        self,
        description: MaceDescription,
        settings: TrainingSettings,
        member: int,
        *,
        device: torch.device,
        checkpoint: Path,
        fingerprint: str,
        network: torch.nn.Module | None = None,
    ) -> None:
        """Prepare a member; without ``network`` it starts from random weights."""
        self.description = description
        self.settings = settings
        self.member = member
        self.seed = settings.seeds[member]
        self.device = device
        self.network = (network or build_network(description, seed=self.seed)).to(device)
        self.weights = dict(self.network.named_parameters())
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.best = {name: average.clone() for name, average in self.averages.items()}
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY, amsgrad=True
        )
        self.progress = Progress()
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint

    def run(
        self,
        training: Sequence[LabelledGraph],
        validation: Sequence[LabelledGraph],
        on_epoch: Callable[[dict[str, Any]], None],
    ) -> torch.nn.Module:
        """Train to the end, from the last checkpoint on where there is one, and return the best network.

        Raises:
            TrainingDivergedError: if the loss stops being a number.
        """
        self._restore()
        with reproducible(self.settings.dtype):
            while not self.progress.finished:
                on_epoch(self._run_epoch(training, validation))
        self._put(self.best)
        return self.network.requires_grad_(False).eval()

    def _run_epoch(self, training: Sequence[LabelledGraph], validation: Sequence[LabelledGraph]) -> dict[str, Any]:
        progress = self.progress
        progress.epoch += 1
        rate = self._learning_rate(progress.epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss_train = self._descend(training)
        errors = self._validate(validation)
        if not (math.isfinite(loss_train) and math.isfinite(errors.loss)):
            raise TrainingDivergedError(
                f"Committee member {self.member} (seed {self.seed}) diverged in epoch {progress.epoch}: its loss is no "
                f"longer a number; lower learning_rate (now {self.settings.learning_rate}) or look for a wrong label."
            )
        if errors.loss < progress.best_loss:
            progress.best_loss, progress.best_epoch = errors.loss, progress.epoch
            self.best = {name: average.clone() for name, average in self.averages.items()}
        entry = {
            "member": self.member,
            "epoch": progress.epoch,
            "loss_train": loss_train,
            "loss_validation": errors.loss,
            "energy_mae_ev_per_atom": errors.energy_mae,
            "force_mae_ev_per_angstrom": errors.force_mae,
            "learning_rate": rate,
        }
        progress.history.append(entry)
        stale = progress.epoch - progress.best_epoch
        progress.finished = stale >= self.settings.patience or progress.epoch >= self.settings.max_epochs
        if progress.finished or progress.epoch % CHECKPOINT_INTERVAL == 0:
            write_checkpoint(self._checkpoint, self._fingerprint, progress, self._tensors())
        return entry

    def _learning_rate(self, epoch: int) -> float:
        """Learning rate of an epoch, from 1."""
        warm_up = min(1.0, epoch / _WARM_UP_EPOCHS)
        turn = math.pi * (epoch - 1) / max(1, self.settings.max_epochs - 1)
        fade = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(turn))
        return self.settings.learning_rate * warm_up * fade

    def _descend(self, training: Sequence[LabelledGraph]) -> float:
        """Take the epoch's gradient steps; return the mean loss a frame."""
        order = np.random.default_rng([self.seed, self.progress.epoch]).permutation(len(training))
        total = 0.0
        for start in range(0, len(order), self.settings.batch_size):
            chosen = [training[index] for index in order[start : start + self.settings.batch_size]]
            self.optimizer.zero_grad(set_to_none=True)
            total += len(chosen) * self._accumulate(chosen)
            torch.nn.utils.clip_grad_norm_(self.weights.values(), _LARGEST_GRADIENT)
            self.optimizer.step()
            self._average()
        return total / len(order)

    def _accumulate(self, batch: Sequence[LabelledGraph]) -> float:
        """Add up the batch's gradient, as many frames at once as the settings say; return its loss."""
        total = 0.0
        for part in self._parts(batch):
            loss, _, _ = self._loss(part, batch, training=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch types it only in part
            total += float(loss.detach())
        return total

    def _parts(self, frames: Sequence[LabelledGraph]) -> Iterator[Sequence[LabelledGraph]]:
        size = min(self.settings.batch_size, self.settings.frames_at_once or self.settings.batch_size)
        for start in range(0, len(frames), size):
            yield frames[start : start + size]

    def _average(self) -> None:
        """Follow the weights with their exponential average, faster in the first steps."""
        step = int(next(iter(self.optimizer.state.values()))["step"])
        decay = min(_AVERAGE_DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.averages[name].lerp_(weight, 1 - decay)

    def _loss(
        self, chosen: Sequence[LabelledGraph], batch: Sequence[LabelledGraph], *, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what the chosen frames add to a batch's loss, with their energy errors per atom and force errors."""
        dtype = DTYPES[self.settings.dtype]
        graphs = [one.graph for one in chosen]
        joined = join(graphs, n_types=len(self.description.reference_energies), dtype=dtype, device=self.device)
        prediction = predict(self.network, joined, training=training)
        n_atoms = torch.tensor([graph.n_atoms for graph in graphs], dtype=dtype, device=self.device)
        energies = torch.tensor([one.energy for one in chosen], dtype=dtype, device=self.device)
        forces = torch.as_tensor(np.concatenate([one.forces for one in chosen]), dtype=dtype, device=self.device)
        energy_errors = (prediction.energies - energies) / n_atoms
        force_errors = prediction.forces - forces
        share_of_atoms = sum(graph.n_atoms for graph in graphs) / sum(one.graph.n_atoms for one in batch)
        loss = self.settings.energy_weight * len(chosen) / len(batch) * energy_errors.square().mean()
        loss = loss + self.settings.force_weight * share_of_atoms * force_errors.square().mean()
        return loss, energy_errors, force_errors

    def _validate(self, validation: Sequence[LabelledGraph]) -> _Errors:
        """Measure the averaged weights on frames that are not trained on."""
        now = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self._put(self.averages)
        parts = list(self._validation_parts(validation))
        self._put(now)
        energy_errors = torch.cat([energy for energy, _ in parts])
        force_errors = torch.cat([force.flatten() for _, force in parts])
        loss = self.settings.energy_weight * energy_errors.square().mean()
        loss = loss + self.settings.force_weight * force_errors.square().mean()
        return _Errors(float(loss), float(energy_errors.abs().mean()), float(force_errors.abs().mean()))

    def _validation_parts(self, validation: Sequence[LabelledGraph]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for part in self._parts(validation):
            _, energy_errors, force_errors = self._loss(part, part, training=False)
            yield energy_errors.detach(), force_errors.detach()

    def _put(self, values: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(values[name])

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Everything a checkpoint needs, by flat names."""
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average/{name}": tensor for name, tensor in self.averages.items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{key}": tensor for key, tensor in state.items()}
        return tensors

    def _restore(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        checkpoint = read_checkpoint(self._checkpoint, self._fingerprint)
        if checkpoint is None:
            return
        self.progress, tensors = checkpoint
        groups: dict[str, dict[str, torch.Tensor]] = {"network": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            group, _, key = name.partition("/")
            groups[group][key] = tensor.to(self.device)
        self.network.load_state_dict(groups["network"])
        self.averages, self.best = groups["average"], groups["best"]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in groups["optimizer"].items():
            index, _, key = name.partition("/")
            state.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
