"""Where a training starts: the description of the networks and their first weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.foundation import (
    Foundation,
    describe_from_foundation,
    network_from_foundation,
    parents_of,
)
from aiida_redoxmlp.engines.mace.graph import build_graph
from aiida_redoxmlp.engines.mace.network import build_network
from aiida_redoxmlp.engines.mace.potential import MaceCommittee
from aiida_redoxmlp.engines.mace.trainable import require_species_can_part
from aiida_redoxmlp.engines.reference_energies import energy_shift, fit_reference_energies, force_scale, require_closed
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError

__all__ = ("PACKAGES", "Start")

PACKAGES = ("mace-torch", "torch", "e3nn")
"""Distributions whose versions decide the numbers."""


class Start:
    """The first state of every member of a committee.

    Everything but the weights is fixed by all frames together, whatever sample a member is trained on, so that
    members trained in separate jobs belong to one committee.

    Attributes:
        description: what is not a weight.
        parents: the foundation models; a member takes the one its seed falls on, modulo their number.
    """

    def __init__(
        self,
        training: Sequence[Frame],
        validation: Sequence[Frame],
        settings: TrainingSettings,
        *,
        parents: Sequence[Foundation] = (),
        replay: Sequence[Frame] = (),
    ) -> None:
        """Describe the networks.

        Raises:
            InputError: without training or validation frames, for an unknown architecture setting, a cutoff without
                neighbours, or an element or a state the foundation model cannot be the parent of.
        """
        _require_frames(training, validation, settings)
        require_closed(replay)
        self.settings = settings
        self.parents = tuple(parents)
        frames = (*training, *validation, *replay)
        encoding = Encoding.for_configurations(settings.encoding, (one.configuration for one in frames))
        describe = self._describe_from_parents if self.parents else self._describe_anew
        description = describe(training, encoding)
        summary = {
            "settings": json.loads(settings.model_dump_json()),
            "n_training_frames": len(training),
            "n_validation_frames": len(validation),
            **({"n_replay_frames": len(replay)} if replay else {}),
        }
        self.description: MaceDescription = description.model_copy(
            update={
                "versions": {package: version(package) for package in PACKAGES},
                "training": {**description.training, **summary},
            }
        )

    @property
    def encoding(self) -> Encoding:
        """How species become model numbers."""
        return Encoding.from_dict(self.description.encoding)

    @property
    def sha256(self) -> str:
        """Hashes of the foundation models; empty without."""
        return " ".join(parent.sha256 for parent in self.parents)

    @property
    def unused_architecture(self) -> dict[str, Any]:
        """Settings of the architecture that the foundation model decides otherwise."""
        asked = MaceArchitecture.read(self.settings.architecture)
        return {key: getattr(asked, key) for key in self.settings.architecture if self._differs(asked, key)}

    def _differs(self, asked: MaceArchitecture, key: str) -> bool:
        return bool(getattr(asked, key) != getattr(self.description.architecture, key))

    def network(self, seed: int) -> torch.nn.Module:
        """Return the first network of the member with this seed."""
        return _network(self.description, self.parents, seed)

    def bare_potential(self, seed: int) -> MaceCommittee:
        """Return the potential the member with this seed starts from, without reference energies."""
        return _without_references(self.description, (self.network(seed),), (seed,))

    def _describe_anew(self, training: Sequence[Frame], encoding: Encoding) -> MaceDescription:
        """Fix everything about new networks that the data and the settings decide."""
        architecture = MaceArchitecture.read(self.settings.architecture)
        graphs = [build_graph(frame.configuration, encoding, architecture.r_max) for frame in training]
        neighbours = sum(graph.n_edges for graph in graphs) / sum(graph.n_atoms for graph in graphs)
        if neighbours == 0:
            raise InputError(
                f"No atom has a neighbour within r_max = {architecture.r_max} Å; raise r_max in the architecture."
            )
        reference = fit_reference_energies(training, encoding, shared=self.settings.reference_energies == "element")
        return MaceDescription(
            encoding=encoding.to_dict(),
            architecture=architecture,
            reference_energies=tuple(reference.tolist()),
            scale=force_scale(training),
            shift=energy_shift(training, encoding, reference),
            avg_num_neighbors=neighbours,
            dtype=self.settings.dtype,
        )

    def _describe_from_parents(self, training: Sequence[Frame], encoding: Encoding) -> MaceDescription:
        """Describe networks that start from foundation models, their zero of energy moved to that of the labels."""
        settings = self.settings
        if settings.fine_tuning is not None:
            known = self.parents[0].encoding
            require_species_can_part(encoding, parents_of(known, encoding), settings.fine_tuning)
        width = MaceArchitecture.read(settings.architecture).embedding_width
        first = describe_from_foundation(self.parents[0], encoding, dtype=settings.dtype, embedding_width=width)
        networks = [_network(first, self.parents, index) for index in range(len(self.parents))]
        reference = fit_reference_energies(
            training,
            encoding,
            shared=settings.reference_energies == "element",
            start=np.array(first.reference_energies),
            explained=_energies(_without_references(first, networks, range(len(networks))), training),
        )
        return first.model_copy(
            update={"reference_energies": tuple(reference.tolist()), "training": {"foundation": self.sha256}}
        )


def _network(description: MaceDescription, parents: Sequence[Foundation], seed: int) -> torch.nn.Module:
    if not parents:
        return build_network(description, seed=seed)
    return network_from_foundation(parents[seed % len(parents)], description, seed=seed)


def _without_references(
    description: MaceDescription, networks: Sequence[torch.nn.Module], seeds: Sequence[int]
) -> MaceCommittee:
    nothing = (0.0,) * len(description.reference_energies)
    return MaceCommittee(description.model_copy(update={"reference_energies": nothing}), tuple(networks), tuple(seeds))


def _energies(potential: MaceCommittee, frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Return the committee's mean energies in eV, shape (n_frames,)."""
    return np.array([one.energy for one in potential.evaluate([frame.configuration for frame in frames])])


def _require_frames(training: Sequence[Frame], validation: Sequence[Frame], settings: TrainingSettings) -> None:
    """Check that there are frames to train and validate on, that they close, and that they have what is asked of them.

    Raises:
        InputError: if not.
    """
    if not training or not validation:
        raise InputError(
            f"A training needs frames to train on and frames to validate on, but {len(training)} and "
            f"{len(validation)} were given; add labels or include ambiguous frames."
        )
    require_closed(training)
    require_closed(validation)
    if settings.stress_weight > 0 and all(frame.stress is None for frame in training):
        raise InputError(
            f"stress_weight is {settings.stress_weight:g}, but no training frame has a stress; compute it or set "
            "stress_weight: 0."
        )
