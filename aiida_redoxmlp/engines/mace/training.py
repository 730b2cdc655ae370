"""The training loop of one committee member."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida_redoxmlp.engines.interruption import StopRequest, watch_for_stop
from aiida_redoxmlp.engines.mace.backend import is_out_of_memory, reproducible, torch
from aiida_redoxmlp.engines.mace.checkpoint import Progress, read_checkpoint, write_checkpoint
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.labels import LabelledGraph, MemberData
from aiida_redoxmlp.engines.mace.loss import Errors, Totals, loss_share, measure_errors
from aiida_redoxmlp.engines.mace.trainable import merge_adapters
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import OutOfMemoryError, TrainingDivergedError, TrainingInterruptedError

__all__ = ("MemberTraining",)

_AVERAGE_DECAY = 0.99
_LARGEST_GRADIENT = 10.0
_WEIGHT_DECAY = 5e-7
_WARM_UP_EPOCHS = 3
_FINAL_RATE = 0.01


@dataclass(frozen=True)
class _Validation:
    """Loss and mean absolute errors over the validation frames (eV per atom, eV/Å, eV/Å³)."""

    loss: float
    energy_mae: float
    force_mae: float
    stress_mae: float | None


class MemberTraining:
    """Trains one committee member; its seed decides initial weights and the order of batches.

    Weights are averaged exponentially over the steps, the averages are validated, and the best averages are kept
    (Batatia et al., arXiv 2206.07697, train MACE with AMSGrad and such averages). The learning rate warms up over
    three epochs and then follows half a cosine down to a hundredth. Every epoch ends with a checkpoint.
    """

    def __init__(
        self,
        description: MaceDescription,
        settings: TrainingSettings,
        member: int,
        network: torch.nn.Module,
        *,
        replay_network: torch.nn.Module | None = None,
        device: torch.device,
        checkpoint: Path,
        fingerprint: str,
        on_event: Callable[[dict[str, Any]], None],
    ) -> None:
        """Prepare a member that starts from ``network``, of which the weights that need a gradient are trained.

        Replayed frames are evaluated with ``replay_network`` where it is given; what it shares with ``network`` is
        trained on both.
        """
        self.description = description
        self.settings = settings
        self.member = member
        self.seed = settings.seeds[member]
        self.device = device
        self.network = network.to(device)
        self.replay_network = (replay_network or network).to(device)
        self._all = torch.nn.ModuleDict({"network": self.network})
        if replay_network is not None:
            self._all["replay_readouts"] = replay_network.get_submodule("readouts")
        self.weights = {name: one for name, one in self._all.named_parameters() if one.requires_grad}
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.best = {name: average.clone() for name, average in self.averages.items()}
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY, amsgrad=True
        )
        at_once = min(settings.frames_at_once or settings.batch_size, settings.batch_size)
        self.progress = Progress(frames_at_once=at_once)
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint
        self._on_event = on_event

    def run(self, data: MemberData, on_epoch: Callable[[dict[str, Any]], None]) -> torch.nn.Module:
        """Train to the end, from the last checkpoint on where there is one, and return the best network.

        Raises:
            TrainingDivergedError: if the loss stops being a number.
            TrainingInterruptedError: if a signal told the training to stop.
            OutOfMemoryError: if one frame alone does not fit in memory.
        """
        self._restore()
        with reproducible(self.settings.dtype), watch_for_stop() as stop:
            while not self.progress.finished:
                on_epoch(self._run_epoch(data, stop))
        self._put(self.best)
        return merge_adapters(self.network).requires_grad_(False).eval()

    def _run_epoch(self, data: MemberData, stop: StopRequest) -> dict[str, Any]:
        progress = self.progress
        epoch = progress.epoch + 1
        rate = self._learning_rate(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss_train = self._descend(data.drawn(self.seed, epoch), stop)
        errors = self._validate(data.validation)
        if not (math.isfinite(loss_train) and math.isfinite(errors.loss)):
            raise TrainingDivergedError(
                f"Committee member {self.member} (seed {self.seed}) diverged in epoch {epoch}: its loss is no "
                f"longer a number; lower learning_rate (now {self.settings.learning_rate}) or look for a wrong label."
            )
        progress.epoch = epoch
        if errors.loss < progress.best_loss:
            progress.best_loss, progress.best_epoch = errors.loss, epoch
            self.best = {name: average.clone() for name, average in self.averages.items()}
        entry = {
            "member": self.member,
            "epoch": epoch,
            "loss_train": loss_train,
            "loss_validation": errors.loss,
            "energy_mae_ev_per_atom": errors.energy_mae,
            "force_mae_ev_per_angstrom": errors.force_mae,
            **({} if errors.stress_mae is None else {"stress_mae_ev_per_angstrom3": errors.stress_mae}),
            "learning_rate": rate,
        }
        progress.history.append(entry)
        stale = epoch - progress.best_epoch
        progress.finished = stale >= self.settings.patience or epoch >= self.settings.max_epochs
        write_checkpoint(self._checkpoint, self._fingerprint, progress, self._tensors())
        return entry

    def _learning_rate(self, epoch: int) -> float:
        """Learning rate of an epoch, from 1."""
        warm_up = min(1.0, epoch / _WARM_UP_EPOCHS)
        turn = math.pi * (epoch - 1) / max(1, self.settings.max_epochs - 1)
        fade = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(turn))
        return self.settings.learning_rate * warm_up * fade

    def _descend(self, frames: Sequence[LabelledGraph], stop: StopRequest) -> float:
        """Take the epoch's gradient steps; return the mean loss a frame."""
        total = 0.0
        for start in range(0, len(frames), self.settings.batch_size):
            if stop.name:
                raise TrainingInterruptedError(
                    f"{stop.name} stopped the training in epoch {self.progress.epoch + 1} of committee member "
                    f"{self.member} (seed {self.seed}); started again on its checkpoints, it goes on from epoch "
                    f"{self.progress.epoch}."
                )
            chosen = frames[start : start + self.settings.batch_size]
            total += self._within_memory(lambda chosen=chosen: self._gradient(chosen)) * len(chosen)  # type: ignore[misc]
            torch.nn.utils.clip_grad_norm_(self.weights.values(), _LARGEST_GRADIENT)
            self.optimizer.step()
            self._average()
        return total / len(frames)

    def _gradient(self, chosen: Sequence[LabelledGraph]) -> float:
        """Compute the gradient of a batch's loss, as many frames at a time as memory allows; return the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        totals = Totals.of(chosen)
        total = 0.0
        for part in self._parts(chosen):
            loss = loss_share(self._errors(part, training=True), totals, self.settings)
            loss.backward()  # type: ignore[no-untyped-call]  # torch types it only in part
            total += float(loss.detach())
        return total

    def _within_memory(self, compute: Callable[[], float | _Validation]) -> Any:
        """Compute something on frames; with fewer of them at once when memory runs out.

        Raises:
            OutOfMemoryError: if one frame alone does not fit.
        """
        while True:
            try:
                return compute()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = " ".join(str(error).split())
            self._take_fewer_frames(reason)  # out of the handler, which keeps what filled the memory alive

    def _take_fewer_frames(self, reason: str) -> None:
        now = self.progress.frames_at_once
        fewer = now // 2
        if not fewer:
            raise OutOfMemoryError(
                f"One frame alone does not fit in the memory of the {self.device.type} ({reason}); take a smaller "
                "r_max, num_channels or max_L, dtype float32, smaller cells or a device with more memory."
            )
        self.progress.frames_at_once = fewer
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self._on_event(
            {
                "event": "out_of_memory",
                "member": self.member,
                "frames_at_once": fewer,
                "batch_size": self.settings.batch_size,
                "message": f"Memory ran out with {now} frames at once; going on with {fewer} and the same batches, "
                "their gradients added up.",
            }
        )

    def _average(self) -> None:
        """Follow the weights with their exponential average, faster in the first steps."""
        step = int(next(iter(self.optimizer.state.values()))["step"])
        decay = min(_AVERAGE_DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.averages[name].lerp_(weight, 1 - decay)

    def _parts(self, chosen: Sequence[LabelledGraph]) -> Iterator[Sequence[LabelledGraph]]:
        """Split frames into those in memory at once; replayed ones are apart, as they have a network of their own."""
        size = self.progress.frames_at_once
        for replayed in (False, True):
            kind = [one for one in chosen if one.replayed == replayed]
            yield from (kind[start : start + size] for start in range(0, len(kind), size))

    def _errors(self, chosen: Sequence[LabelledGraph], *, training: bool) -> Errors:
        network = self.replay_network if chosen[0].replayed else self.network
        n_types = len(self.description.reference_energies)
        return measure_errors(network, chosen, self.settings, n_types=n_types, device=self.device, training=training)

    def _validate(self, validation: Sequence[LabelledGraph]) -> _Validation:
        """Measure the averaged weights on frames that are not trained on."""
        now = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self._put(self.averages)
        result: _Validation = self._within_memory(lambda: self._validation(validation))
        self._put(now)
        return result

    def _validation(self, validation: Sequence[LabelledGraph]) -> _Validation:
        totals = Totals.of(validation)
        loss = energy = force = stress = 0.0
        for part in self._parts(validation):
            errors = self._errors(part, training=False)
            loss += float(loss_share(errors, totals, self.settings).detach())
            energy += float(errors.energies.detach().abs().sum())
            force += float(errors.forces.detach().abs().sum())
            stress += 0.0 if errors.stresses is None else float(errors.stresses.detach().abs().sum())
        known = self.settings.stress_weight > 0 and totals.stresses > 0
        return _Validation(
            loss, energy / totals.frames, force / totals.forces, stress / totals.stresses if known else None
        )

    def _put(self, values: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(values[name])

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Everything a checkpoint needs, by flat names."""
        tensors = {f"weights/{name}": tensor for name, tensor in self._all.state_dict().items()}
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
        limit = self.progress.frames_at_once
        self.progress, tensors = checkpoint
        self.progress.frames_at_once = min(limit, self.progress.frames_at_once)
        groups: dict[str, dict[str, torch.Tensor]] = {"weights": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            group, _, key = name.partition("/")
            groups[group][key] = tensor.to(self.device)
        self._all.load_state_dict(groups["weights"])
        self.averages, self.best = groups["average"], groups["best"]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in groups["optimizer"].items():
            index, _, key = name.partition("/")
            state.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
