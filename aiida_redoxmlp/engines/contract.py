"""What an engine must offer: train a committee, evaluate a batch, save and load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species

__all__ = ("CommitteeEvaluation", "CommitteePotential", "Engine", "TrainingResult")


@dataclass(frozen=True, eq=False)
class CommitteeEvaluation:
    """Predictions of every committee member for one configuration.

    Attributes:
        energies: eV, shape (n_members,).
        forces: eV/Å, shape (n_members, n_atoms, 3).
        stresses: eV/Å³, shape (n_members, 3, 3), ASE sign, or None when not asked for.
    """

    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    stresses: NDArray[np.float64] | None = None

    @property
    def energy(self) -> float:
        """Committee mean of the energy in eV."""
        return float(self.energies.mean())

    @property
    def energy_std(self) -> float:
        """Standard deviation of the energy over the committee in eV."""
        return float(self.energies.std())

    @property
    def mean_forces(self) -> NDArray[np.float64]:
        """Committee mean of the forces in eV/Å, shape (n_atoms, 3)."""
        mean: NDArray[np.float64] = self.forces.mean(axis=0)
        return mean


class CommitteePotential(Protocol):
    """A trained committee of potentials that share one encoding."""

    @property
    def encoding(self) -> Encoding:
        """How species become what the engine takes."""

    @property
    def n_members(self) -> int:
        """Size of the committee."""

    @property
    def device(self) -> str:
        """Where the committee runs: ``cpu`` or ``cuda``."""

    def evaluate(self, configurations: Sequence[Configuration], *, stress: bool = False) -> list[CommitteeEvaluation]:
        """Evaluate a batch of configurations, in the order given."""

    def evaluate_decorations(
        self, template: Configuration, kinds: Sequence[Species | None], decorations: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the energies of many decorations of one lattice, without forces.

        Args:
            template: the atoms with all sites occupied; where the encoding resolves spins, their signs are kept and
                their magnitudes follow the kinds.
            kinds: what a site can be; None is a vacancy.
            decorations: for every site the index of its kind, shape (n_decorations, n_sites).

        Returns:
            Energies in eV, shape (n_decorations, n_members).
        """

    def descriptors(self, configurations: Sequence[Configuration]) -> list[NDArray[np.float64]]:
        """Return what the first member knows of every atom's surroundings, as numbers without unit.

        They are the same after any rotation, translation or renumbering of the atoms, and for all spins reversed, and
        they are of the structure with its species: atoms whose descriptors are close are close to the potential.

        Returns:
            For each configuration an array of shape (n_atoms, n_features); every atom's row has the same length.
        """

    def member(self, index: int) -> CommitteePotential:
        """Return one member, counted from 0, as a committee of its own."""

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and the typed configuration with their hashes to an empty folder."""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What training gives back.

    Attributes:
        potential: the trained committee.
        history: one entry an epoch and member: ``member``, ``epoch``, ``loss_train``, ``loss_validation``,
            ``energy_mae_ev_per_atom``, ``force_mae_ev_per_angstrom`` (validation set).
        best_epochs: for each member, the epoch whose weights were kept.
    """

    potential: CommitteePotential
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)


class Engine(Protocol):
    """One machine-learning package behind the contract."""

    name: str
    packages: tuple[str, ...]
    """Distributions whose versions decide the numbers, for provenance."""
    export_formats: tuple[str, ...]
    """Formats of other programs that :meth:`export` writes."""

    def train(
        self,
        training: Sequence[Frame],
        validation: Sequence[Frame],
        settings: TrainingSettings,
        *,
        checkpoint_folder: Path,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
        on_event: Callable[[dict[str, Any]], None] | None = None,
        foundation: Path | None = None,
        replay: Sequence[Frame] = (),
    ) -> TrainingResult:
        """Train a committee.

        Checkpoints go to ``checkpoint_folder``, one a member and epoch; when it already holds some of an interrupted
        training with the same settings, training goes on from there. Signals of
        :data:`aiida_redoxmlp.engines.interruption.STOP_SIGNALS` end it with a
        :class:`~aiida_redoxmlp.errors.TrainingInterruptedError`. When memory runs out, training goes on with fewer
        frames at once.

        Args:
            training: frames to learn from.
            validation: frames that decide when to stop.
            settings: how.
            checkpoint_folder: where checkpoints are.
            on_epoch: sees every history entry as it is made.
            on_event: sees what else happens, a dictionary with ``event`` and ``message``.
            foundation: what to start from, with ``settings.fine_tuning``: a folder :meth:`CommitteePotential.save`
                wrote, or a model file of another program.
            replay: frames to keep in mind, with the mode ``replay``.
        """

    def load(self, folder: Path, *, device: str = "cpu") -> CommitteePotential:
        """Load what :meth:`CommitteePotential.save` wrote, after checking its hashes."""

    def load_foreign(self, path: Path, *, trusted: bool = False, head: str | None = None) -> CommitteePotential:
        """Load a model that the engine's own package wrote, only if its source is trusted where that runs code."""

    def export(self, potential: CommitteePotential, folder: Path, *, format_name: str, members: Sequence[int]) -> None:
        """Write members for another program to an empty folder, and beside them what their numbers stand for."""
