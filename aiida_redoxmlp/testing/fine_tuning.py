"""Claims about trainings that start from a foundation model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aiida_redoxmlp.engines.fine_tuning import FineTuning
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.testing.toy import toy_frames
from aiida_redoxmlp.testing.trained import TrainedPotential, foundation_for, require_close, train_on_toys

__all__ = ("FineTuningClaims",)


class FineTuningClaims(TrainedPotential):
    """Where a fine-tuning starts; with the mode of :attr:`settings`, or the naive one."""

    def test_fine_tuning_starts_at_the_foundations_energies(self, tmp_path: Path) -> None:
        """One epoch of steps too small to matter leaves its forces, and its energies but for their zero.

        With spins the foundation's point is a saddle that an engine may step off, by ``spin_start_tolerance`` at most.
        """
        change = {"max_epochs": 1, "learning_rate": 1e-14, "seeds": self.settings.seeds[:1]}
        mode = self.settings.fine_tuning or FineTuning()
        settings = self.settings.model_copy(update={**change, "fine_tuning": mode})
        before = load_potential(foundation_for(settings))
        after = train_on_toys(settings, tmp_path).potential
        unseen = [frame.configuration for frame in toy_frames(4, seed=77)]
        tolerance = self.spin_start_tolerance if after.encoding.resolves_spins else self.invariance_tolerance
        pairs = list(zip(before.evaluate(unseen), after.evaluate(unseen), strict=True))
        for one, other in pairs:
            require_close(other.forces, one.forces, tolerance)
        shifts = np.array([other.energy - one.energy for one, other in pairs])
        require_close(shifts, shifts.mean(), tolerance)
