"""The suite an engine has to pass."""

from __future__ import annotations

from aiida_redoxmlp.testing.fine_tuning import FineTuningClaims
from aiida_redoxmlp.testing.physics import PhysicsClaims
from aiida_redoxmlp.testing.storing import StoringClaims
from aiida_redoxmlp.testing.training import TrainingClaims

__all__ = ("EngineConformance",)


class EngineConformance(PhysicsClaims, TrainingClaims, StoringClaims, FineTuningClaims):
    """What every engine must satisfy under every encoding, as claims pytest runs.

    Attributes:
        settings: a small training that takes a few seconds; two members at least, eight epochs at least. Make one
            subclass for each encoding and each mode of fine-tuning.
    """
