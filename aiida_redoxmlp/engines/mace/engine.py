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
from aiida_redoxmlp.engines.contract import CommitteePotential, TrainingResult
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.backend import choose_device
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.export import EXPORT_FORMATS, export_committee
from aiida_redoxmlp.engines.mace.foundation import (
    Foundation,
    describe_from_foundation,
    load_foundation,
    network_from_foundation,
)
from aiida_redoxmlp.engines.mace.graph import build_graph
from aiida_redoxmlp.engines.mace.potential import MaceCommittee, load_committee
from aiida_redoxmlp.engines.mace.training import MemberTraining, label_graphs
from aiida_redoxmlp.engines.reference_energies import energy_shift, fit_reference_energies, force_scale, require_closed
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError

__all__ = ("MaceEngine",)


class MaceEngine:
    """MACE (Batatia et al., arXiv 2206.07697) behind the engine contract."""

    name = "mace"
    packages = ("mace-torch", "torch", "e3nn")
    export_formats = EXPORT_FORMATS

    def train(
        self,
        training: Sequence[Frame],
        validation: Sequence[Frame],
        settings: TrainingSettings,
        *,
        checkpoint_folder: Path,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
        foundation: Foundation | None = None,
    ) -> TrainingResult:
        """Train a committee, one member after the other.

        With a ``foundation`` every member starts from its weights: the architecture is the foundation model's, and
        only ``embedding_width`` of the settings' architecture counts. The reference energies start from the parent
        elements' and are then shifted, as little as possible, to the labels: two programs, or two sets of
        pseudopotentials, have other zeros of energy. The seeds decide the order of the batches.

        Every member leaves a checkpoint every few epochs in ``checkpoint_folder``; a training interrupted at any
        moment goes on from there and ends with the same weights as an unbroken one on the same device.

        Raises:
            InputError: without training or validation frames, for an unknown architecture setting, or if the
                checkpoints belong to another training.
            TrainingDivergedError: if a loss stops being a number.
        """
        if foundation is None:
            description = self._describe(training, validation, settings)
        else:
            description = self._describe_start(training, validation, settings, foundation)
        fingerprint = _fingerprint(training, validation, settings, "" if foundation is None else foundation.sha256)
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
                network=None if foundation is None else network_from_foundation(foundation, description, seed=seed),
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

    def _describe(
        self, training: Sequence[Frame], validation: Sequence[Frame], settings: TrainingSettings
    ) -> MaceDescription:
        """Fix everything about the networks that the data and the settings decide."""
        encoding = _encoding(training, validation, settings)
        architecture = MaceArchitecture.read(settings.architecture)
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
            training=_summary(training, validation, settings),
        )

    def _describe_start(
        self,
        training: Sequence[Frame],
        validation: Sequence[Frame],
        settings: TrainingSettings,
        foundation: Foundation,
    ) -> MaceDescription:
        """Describe networks that start from a foundation model."""
        encoding = _encoding(training, validation, settings)
        width = MaceArchitecture.read(settings.architecture).embedding_width
        start = describe_from_foundation(foundation, encoding, dtype=settings.dtype, embedding_width=width)
        network = network_from_foundation(foundation, start, seed=settings.seeds[0])
        without = start.model_copy(update={"reference_energies": (0.0,) * len(start.reference_energies)})
        said = MaceCommittee(without, (network,), settings.seeds[:1]).evaluate([one.configuration for one in training])
        reference = fit_reference_energies(
            training,
            encoding,
            shared=settings.reference_energies == "element",
            start=np.array(start.reference_energies),
            explained=np.array([one.energy for one in said]),
        )
        return start.model_copy(
            update={
                "versions": {package: version(package) for package in self.packages},
                "reference_energies": tuple(reference.tolist()),
                "training": {**start.training, **_summary(training, validation, settings)},
            }
        )


def _encoding(training: Sequence[Frame], validation: Sequence[Frame], settings: TrainingSettings) -> Encoding:
    """Return the encoding of everything in the frames, after checking that there are some to train and validate on."""
    if not training or not validation:
        raise InputError(
            f"A training needs frames to train on and frames to validate on, but {len(training)} and "
            f"{len(validation)} were given; add labels or include ambiguous frames."
        )
    require_closed(training)
    require_closed(validation)
    return Encoding.for_configurations(settings.encoding, (one.configuration for one in (*training, *validation)))


def _summary(training: Sequence[Frame], validation: Sequence[Frame], settings: TrainingSettings) -> dict[str, Any]:
    return {
        "settings": json.loads(settings.model_dump_json()),
        "n_training_frames": len(training),
        "n_validation_frames": len(validation),
    }


def _fingerprint(training: Sequence[Frame], validation: Sequence[Frame], settings: TrainingSettings, start: str) -> str:
    """Hash what decides the course of a training; the device does not."""
    digest = hashlib.sha256(settings.model_dump_json(exclude={"device"}).encode() + start.encode())
    for part in (training, validation):
        digest.update(b"|")
        for frame in part:
            digest.update(frame.content_hash.encode())
            digest.update(str(frame.configuration.spins).encode() if settings.encoding.endswith("+spin") else b"")
    return digest.hexdigest()


def _ignore(entry: dict[str, Any]) -> None:
    """Do nothing with a history entry."""
