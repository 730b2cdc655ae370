"""The engine ``mace``: committees of MACE potentials on mace-torch's Python modules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteePotential, TrainingResult
from aiida_redoxmlp.engines.mace.acceleration import accelerated, require_cuequivariance, without_acceleration
from aiida_redoxmlp.engines.mace.backend import choose_device
from aiida_redoxmlp.engines.mace.export import EXPORT_FORMATS, export_committee
from aiida_redoxmlp.engines.mace.foundation import Foundation, load_foundation
from aiida_redoxmlp.engines.mace.labels import MemberData, label_graphs, replay_graphs
from aiida_redoxmlp.engines.mace.parents import find_parents
from aiida_redoxmlp.engines.mace.potential import MaceCommittee, load_committee
from aiida_redoxmlp.engines.mace.start import PACKAGES, Start
from aiida_redoxmlp.engines.mace.trainable import count_trainable, part_directions, restrict, second_head
from aiida_redoxmlp.engines.mace.training import MemberTraining
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError

__all__ = ("MaceEngine",)

_BOOTSTRAP_STREAM = 2


class MaceEngine:
    """MACE (Batatia et al., arXiv 2206.07697) behind the engine contract."""

    name = "mace"
    packages = PACKAGES
    export_formats = EXPORT_FORMATS

    def train(
        self,
        training: Sequence[Frame],
        validation: Sequence[Frame],
        settings: TrainingSettings,
        *,
        checkpoint_folder: Path,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
        on_event: Callable[[dict[str, Any]], None] | None = None,
        foundation: Path | Foundation | None = None,
        replay: Sequence[Frame] = (),
    ) -> TrainingResult:
        """Train a committee, one member after the other.

        With a ``foundation`` every member starts from its weights, those of a committee in turn: the architecture is
        the foundation model's, and only ``embedding_width`` of the settings' architecture counts. The reference
        energies start from the parent elements' and are then shifted, as little as possible, to the labels: two
        programs, or two sets of pseudopotentials, have other zeros of energy. The seeds decide the order of the
        batches.

        Every member leaves a checkpoint every epoch in ``checkpoint_folder``; a training interrupted at any
        moment goes on from there and ends with the same weights as an unbroken one on the same device.

        Raises:
            InputError: for what cannot be trained on or started from: no frames, an unknown architecture setting, a
                foundation model that does not fit the data or the settings, checkpoints of another training, a GPU
                that is not there.
            TrainingDivergedError: if a loss stops being a number.
            TrainingInterruptedError: if a signal told the training to stop.
            OutOfMemoryError: if one frame alone does not fit in memory.
        """
        device = choose_device(settings.device)
        if settings.cuequivariance:
            require_cuequivariance()
        parents = find_parents(foundation, settings.fine_tuning, replay=bool(replay))
        start = Start(training, validation, settings, parents=parents, replay=replay)
        tell = on_event or _ignore
        if start.unused_architecture:
            tell({"event": "architecture", "message": _of_the_foundation(start.unused_architecture)})
        fingerprint = _fingerprint((training, validation, replay), settings, start.sha256)
        reference, r_max = np.array(start.description.reference_energies), start.description.architecture.r_max
        labelled = label_graphs(training, start.encoding, reference, r_max)
        held_out = label_graphs(validation, start.encoding, reference, r_max)
        networks, history, best_epochs, n_trained = [], [], [], 0
        for member, seed in enumerate(settings.seeds):
            network = start.network(seed)
            if settings.fine_tuning is not None:
                restrict(network, settings.fine_tuning, dtype=settings.dtype, seed=seed)
                part_directions(network, start.encoding, seed=seed)
            n_trained = count_trainable(network)
            if settings.cuequivariance:
                network = accelerated(network, dtype=settings.dtype, device=device)
            replayed = None
            if replay and settings.fine_tuning is not None and settings.fine_tuning.replay_readouts == "own":
                replayed = second_head(network)
            run = MemberTraining(
                start.description,
                settings,
                member,
                network,
                replay_network=replayed,
                device=device,
                checkpoint=Path(checkpoint_folder) / f"member_{member}_seed_{seed}.safetensors",
                fingerprint=fingerprint,
                on_event=tell,
            )
            sample = [labelled[index] for index in _sample(len(labelled), seed, bootstrap=settings.bootstrap)]
            data = MemberData(sample, held_out, replay_graphs(start, replay, seed), _n_replayed(settings, len(sample)))
            network = run.run(data, on_epoch or _ignore)
            networks.append(without_acceleration(network, start.description) if settings.cuequivariance else network)
            history.extend(run.progress.history)
            best_epochs.append(run.progress.best_epoch)
        summary = {**start.description.training, "best_epochs": best_epochs, "n_trained_weights": n_trained}
        description = start.description.model_copy(update={"training": summary})
        return TrainingResult(MaceCommittee(description, tuple(networks), settings.seeds), history, best_epochs)

    def load(self, folder: Path, *, device: str = "cpu") -> MaceCommittee:
        """Load a saved committee, after checking its hashes.

        Raises:
            ModelIntegrityError: if a file is missing or is not the one that was saved.
        """
        return load_committee(folder, device)

    def load_foreign(self, path: Path, *, trusted: bool = False, head: str | None = None) -> MaceCommittee:
        """Load a ``.model`` file of mace-torch as a committee of one that is blind to states.

        Raises:
            InputError: if the file is not trusted, or is no MACE model that this package can rebuild.
        """
        foundation = load_foundation(path, trusted=trusted, head=head)
        versions = {package: version(package) for package in self.packages}
        origin = {"imported": {"file": path.name, "sha256": foundation.sha256}}
        description = foundation.description.model_copy(update={"versions": versions, "training": origin})
        return MaceCommittee(description, (foundation.network.requires_grad_(False).eval(),), (0,))

    def export(self, potential: CommitteePotential, folder: Path, *, format_name: str, members: Sequence[int]) -> None:
        """Write members for mace-torch, LAMMPS or torch-sim.

        Raises:
            InputError: if the potential is another engine's, or the format cannot hold it.
        """
        if not isinstance(potential, MaceCommittee):
            raise InputError(f"The engine mace cannot export a {type(potential).__name__}; ask its own engine.")
        export_committee(potential, folder, format_name=format_name, members=members)


def _sample(n_frames: int, seed: int, *, bootstrap: bool) -> Sequence[int]:
    """Return the frames a member trains on: all, or as many drawn with replacement (Efron's bootstrap)."""
    if not bootstrap:
        return range(n_frames)
    drawn: list[int] = np.random.default_rng([seed, _BOOTSTRAP_STREAM]).integers(0, n_frames, n_frames).tolist()
    return drawn


def _n_replayed(settings: TrainingSettings, n_training: int) -> int:
    ratio = 0.0 if settings.fine_tuning is None else settings.fine_tuning.replay_ratio
    return max(1, round(ratio * n_training))


def _fingerprint(parts: Sequence[Sequence[Frame]], settings: TrainingSettings, start: str) -> str:
    """Hash what decides the course of a training; the device and the memory do not."""
    text = settings.model_dump_json(exclude={"device", "frames_at_once"})
    digest = hashlib.sha256(text.encode() + start.encode())
    for part in parts:
        digest.update(b"|")
        for frame in part:
            digest.update(frame.content_hash.encode())
            digest.update(str(frame.configuration.spins).encode() if settings.encoding.endswith("+spin") else b"")
            if settings.stress_weight > 0 and frame.stress is not None:
                digest.update(frame.stress.astype("<f8").tobytes())
    return digest.hexdigest()


def _of_the_foundation(unused: dict[str, Any]) -> str:
    named = ", ".join(f"{key}: {value}" for key, value in unused.items())
    return f"The architecture is the foundation model's; {named} of the settings is not used."


def _ignore(entry: dict[str, Any]) -> None:
    """Do nothing with a history entry."""
