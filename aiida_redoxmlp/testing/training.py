"""Claims about training."""

from __future__ import annotations

from pathlib import Path

from aiida_redoxmlp.engines.contract import TrainingResult
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.testing.trained import (
    InterruptedTrainingError,
    TrainedPotential,
    require,
    require_close,
    train_on_toys,
    unbroken_training,
)

__all__ = ("TrainingClaims",)


class TrainingClaims(TrainedPotential):
    """Determinism, restarts and checkpoints."""

    def test_same_seed_gives_the_same_committee(self, tmp_path: Path) -> None:
        """Training is deterministic."""
        again = train_on_toys(self.settings, tmp_path)
        first = self.unbroken
        require(again.history == first.history, "the history differs between two runs of the same training")
        self._require_same_as_unbroken(again)

    def test_resumed_training_equals_the_unbroken_one(self, tmp_path: Path) -> None:
        """Killed in the second member and started again, training ends with the same committee."""
        first = self.unbroken
        epochs = sum(entry["member"] == 0 for entry in first.history)
        try:
            train_on_toys(self.settings, tmp_path, stop_after=epochs + (len(first.history) - epochs) * 3 // 4)
        except InterruptedTrainingError:
            resumed = train_on_toys(self.settings, tmp_path)
        else:
            raise AssertionError("training swallowed the exception that interrupted it")
        require(resumed.history == first.history, "the history differs from the unbroken training's")
        require(resumed.best_epochs == first.best_epochs, "other epochs were kept")
        self._require_same_as_unbroken(resumed)

    def _require_same_as_unbroken(self, result: TrainingResult) -> None:
        (other,) = result.potential.evaluate([self.configuration])
        expected = self.evaluate_one(self.configuration)
        require_close(other.energies, expected.energies, self.same_tolerance)
        require_close(other.forces, expected.forces, self.same_tolerance)

    def test_finished_training_is_not_repeated(self) -> None:
        """Started once more on its own checkpoints, a training has nothing left to do."""
        checkpoints = Path(unbroken_training(self.settings.model_dump_json()).checkpoints.name)
        again = train_on_toys(self.settings, checkpoints, stop_after=1)
        require(again.history == self.unbroken.history, "the history of the finished training was lost")

    def test_checkpoints_of_another_training_are_refused(self, tmp_path: Path) -> None:
        """Other settings never continue from these weights."""
        short = self.settings.model_copy(update={"max_epochs": 1, "seeds": self.settings.seeds[:1]})
        train_on_toys(short, tmp_path)
        try:
            train_on_toys(short.model_copy(update={"energy_weight": 123.0}), tmp_path)
        except InputError:
            return
        raise AssertionError("a training with other settings went on from these checkpoints")

    def test_training_learns(self) -> None:
        """The validation loss falls."""
        for member in range(len(self.settings.seeds)):
            history = self.unbroken.history
            losses = [entry["loss_validation"] for entry in history if entry["member"] == member]
            require(min(losses) < losses[0], f"member {member} never improved on its first epoch: {losses}")
