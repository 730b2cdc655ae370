"""What the claims of the conformance suite share: one training for all of them, and their comparisons."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.split import split_tail
from aiida_redoxmlp.engines.contract import CommitteeEvaluation, CommitteePotential, TrainingResult
from aiida_redoxmlp.engines.registry import get_engine, load_potential
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError, ModelIntegrityError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.testing.toy import toy_frames

__all__ = (
    "InterruptedTrainingError",
    "TrainedPotential",
    "foundation_for",
    "require",
    "require_close",
    "require_refusal",
    "require_refused_model",
    "spins_of",
    "train_on_toys",
    "unbroken_training",
)

_EXCHANGE = 0.05
"""eV a Mn–Mn pair in the frames of trainings that resolve spins."""


class InterruptedTrainingError(Exception):
    """Stands for a job that is killed."""


@dataclass(frozen=True, eq=False)
class _Unbroken:
    """A training that ran to its end, with the folder of its checkpoints (gone when the process ends)."""

    result: TrainingResult
    checkpoints: tempfile.TemporaryDirectory[str]


@cache
def unbroken_training(settings: str) -> _Unbroken:
    """Train once for all claims that look at the same potential; the key is the settings' JSON."""
    checkpoints = tempfile.TemporaryDirectory()
    return _Unbroken(train_on_toys(TrainingSettings.model_validate_json(settings), Path(checkpoints.name)), checkpoints)


@cache
def _saved_foundation(settings: str) -> tempfile.TemporaryDirectory[str]:
    """Train a small potential that is blind to states and save it; the folder is gone when the process ends."""
    folder = tempfile.TemporaryDirectory()
    training, validation = split_tail(toy_frames(6, seed=21), 0.25)
    known = TrainingSettings.model_validate_json(settings)
    result = get_engine(known.engine).train(
        training, validation, known, checkpoint_folder=Path(folder.name) / "checkpoints"
    )
    result.potential.save(Path(folder.name) / "model")
    return folder


def foundation_for(settings: TrainingSettings) -> Path:
    """Return the folder of the foundation model that fine-tunings with these settings start from."""
    blind = {"fine_tuning": None, "encoding": "none", "seeds": settings.seeds[:1], "max_epochs": 4}
    return Path(_saved_foundation(settings.model_copy(update=blind).model_dump_json()).name) / "model"


def train_on_toys(settings: TrainingSettings, folder: Path, *, stop_after: int | None = None) -> TrainingResult:
    """Train on toy frames, from a foundation model where the settings ask for one; die early if asked to."""
    training, validation = split_tail(toy_frames(8, exchange=_EXCHANGE if _has_spins(settings) else 0.0), 0.25)
    seen: list[dict[str, Any]] = []

    def on_epoch(entry: dict[str, Any]) -> None:
        seen.append(entry)
        if stop_after is not None and len(seen) == stop_after:
            raise InterruptedTrainingError

    fine_tuning = settings.fine_tuning
    return get_engine(settings.engine).train(
        training,
        validation,
        settings,
        checkpoint_folder=folder,
        on_epoch=on_epoch,
        foundation=None if fine_tuning is None else foundation_for(settings),
        replay=toy_frames(4, seed=31) if fine_tuning is not None and fine_tuning.mode == "replay" else (),
    )


def _has_spins(settings: TrainingSettings) -> bool:
    return settings.encoding.endswith("+spin")


class TrainedPotential:
    """A committee trained with the settings of a subclass.

    Attributes:
        settings: a small training that takes a few seconds; two members at least, eight epochs at least.
        invariance_tolerance: eV and eV/Å, for what a symmetry leaves unchanged.
        gradient_tolerance: eV/Å, for forces against central differences of the energy over 1e-4 Å.
        stress_tolerance: eV/Å³, for the stress against central differences over a strain of 1e-4.
        same_tolerance: eV and eV/Å, for what is computed twice in the same way.
        spin_start_tolerance: eV and eV/Å, by which a fine-tuning with spins may start elsewhere than its foundation.
        smallest_difference: eV, by which swapping two states must change the energy.
    """

    settings: ClassVar[TrainingSettings]
    invariance_tolerance: ClassVar[float] = 1e-7
    gradient_tolerance: ClassVar[float] = 1e-5
    stress_tolerance: ClassVar[float] = 1e-6
    same_tolerance: ClassVar[float] = 1e-9
    spin_start_tolerance: ClassVar[float] = 0.02
    smallest_difference: ClassVar[float] = 1e-4

    @property
    def potential(self) -> CommitteePotential:
        """A committee trained with :attr:`settings`."""
        return self.unbroken.potential

    @property
    def unbroken(self) -> TrainingResult:
        """The training with :attr:`settings` from start to end."""
        return unbroken_training(self.settings.model_dump_json()).result

    @property
    def configuration(self) -> Configuration:
        """A configuration that is in no training set."""
        return toy_frames(1, seed=99)[0].configuration

    def evaluate_one(self, configuration: Configuration, *, stress: bool = False) -> CommitteeEvaluation:
        """Evaluate one configuration."""
        (result,) = self.potential.evaluate([configuration], stress=stress)
        return result


def require_close(actual: Any, expected: Any, tolerance: float) -> None:
    """Compare two arrays by their largest difference."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def spins_of(configuration: Configuration) -> NDArray[np.int64]:
    """Return the spins of a configuration that has some."""
    require(configuration.spins is not None, "the frame has no spins")
    return np.asarray(configuration.spins)


def require_refusal(action: Callable[[], object], otherwise: str) -> None:
    """Require that an action ends with an :class:`~aiida_redoxmlp.errors.InputError`."""
    try:
        action()
    except InputError:
        return
    raise AssertionError(otherwise)


def require(condition: bool, otherwise: str) -> None:
    """Raise an assertion error unless the condition holds."""
    if not condition:
        raise AssertionError(otherwise)


def require_refused_model(folder: Path, name: str) -> None:
    """Require that a changed model is not loaded."""
    try:
        load_potential(folder)
    except (ModelIntegrityError, InputError):
        return
    raise AssertionError(f"{name} was changed and still loaded")
