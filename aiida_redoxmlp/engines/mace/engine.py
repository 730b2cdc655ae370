"""The engine ``mace``: committees of MACE potentials on mace-torch's Python modules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import TrainingResult
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.backend import choose_device
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.graph import build_graph
from aiida_redoxmlp.engines.mace.potential import MaceCommittee, load_committee
from aiida_redoxmlp.engines.mace.training import MemberTraining, label_graphs
from aiida_redoxmlp.engines.reference_energies import energy_shift, fit_reference_energies, force_scale
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError

__all__ = ("MaceEngine",)


class MaceEngine:
    """MACE (Batatia et al., arXiv 2206.07697) behind the engine contract."""

    name = "mace"
    packages = ("mace-torch", "torch", "e3nn")

    def train(
        self,
        training: Sequence[Frame],
        validation: Sequence[Frame],
        settings: TrainingSettings,
        *,
        checkpoint_folder: Path,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
    ) -> TrainingResult:
        """Train a committee, one member after the other.

        Every member leaves a checkpoint every few epochs in ``checkpoint_folder``; a training interrupted at any
        moment goes on from there and ends with the same weights as an unbroken one on the same device.

        Raises:
            InputError: without training or validation frames, for an unknown architecture setting, or if the
                checkpoints belong to another training.
            TrainingDivergedError: if a loss stops being a number.
        """
        description = self._describe(training, validation, settings)
        fingerprint = _fingerprint(training, validation, settings)
        device = choose_device(settings.device)
        encoding = Encoding.from_dict(description.encoding)
        reference = np.array(description.reference_energies)
        r_max = description.architecture.r_max
        labelled = label_graphs(training, encoding, reference, r_max)
        held_out = label_graphs(validation, encoding, reference, r_max)
        networks, history, best_epochs = [], [], []
        for member, seed in enumerate(settings.seeds):
            run = MemberTraining(
                description,
                settings,
                member,
                device=device,
                checkpoint=Path(checkpoint_folder) / f"member_{member}_seed_{seed}.safetensors",
                fingerprint=fingerprint,
            )
            networks.append(run.run(labelled, held_out, on_epoch or _ignore))
            history.extend(run.progress.history)
            best_epochs.append(run.progress.best_epoch)
        summary = {**description.training, "best_epochs": best_epochs}
        potential = MaceCommittee(description.model_copy(update={"training": summary}), tuple(networks), settings.seeds)
        return TrainingResult(potential, history, best_epochs)

    def load(self, folder: Path, *, device: str = "cpu") -> MaceCommittee:
        """Load a saved committee, after checking its hashes.

        Raises:
            ModelIntegrityError: if a file is missing or is not the one that was saved.
        """
        return load_committee(folder, device)

    def _describe(
        self, training: Sequence[Frame], validation: Sequence[Frame], settings: TrainingSettings
    ) -> MaceDescription:
        """Fix everything about the networks that the data and the settings decide."""
        if not training or not validation:
            raise InputError(
                f"A training needs frames to train on and frames to validate on, but {len(training)} and "
                f"{len(validation)} were given; add labels or include ambiguous frames."
            )
        architecture = MaceArchitecture.read(settings.architecture)
        encoding = Encoding.for_configurations(
            settings.encoding, (frame.configuration for frame in (*training, *validation))
        )
        graphs = [build_graph(frame.configuration, encoding, architecture.r_max) for frame in training]
        neighbours = sum(graph.n_edges for graph in graphs) / sum(graph.n_atoms for graph in graphs)
        if neighbours == 0:
            raise InputError(
                f"No atom has a neighbour within r_max = {architecture.r_max} Å; raise r_max in the architecture."
            )
        reference = fit_reference_energies(training, encoding, shared=settings.reference_energies == "element")
        return MaceDescription(
            versions={package: version(package) for package in self.packages},
            encoding=encoding.to_dict(),
            architecture=architecture,
            reference_energies=tuple(reference.tolist()),
            scale=force_scale(training),
            shift=energy_shift(training, encoding, reference),
            avg_num_neighbors=neighbours,
            dtype=settings.dtype,
            training={
                "settings": json.loads(settings.model_dump_json()),
                "n_training_frames": len(training),
                "n_validation_frames": len(validation),
            },
        )


def _fingerprint(training: Sequence[Frame], validation: Sequence[Frame], settings: TrainingSettings) -> str:
    """Hash what decides the course of a training; the device does not."""
    digest = hashlib.sha256(settings.model_dump_json(exclude={"device"}).encode())
    for part in (training, validation):
        digest.update(b"|")
        for frame in part:
            digest.update(frame.content_hash.encode())
            digest.update(str(frame.configuration.spins).encode() if settings.encoding.endswith("+spin") else b"")
    return digest.hexdigest()


def _ignore(entry: dict[str, Any]) -> None:
    """Do nothing with a history entry."""
