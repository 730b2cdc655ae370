"""What an active-learning loop remembers of its iterations: typed, and ready for JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.active_learning.label_book import LabelBook, LabelCounts
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors

__all__ = ("BandCounts", "FreshErrors", "IterationRecord", "LoopMemory", "LoopState", "Usage")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BandCounts(_Record):
    """Where the candidates of an iteration lie."""

    n_candidates: int = Field(ge=0, description="Structures that were looked at.")
    n_known: int = Field(ge=0, description="Forces below the floor and electrons without doubt.")
    n_uncertain_forces: int = Field(ge=0, description="Largest force spread inside the band.")
    n_uncertain_electrons: int = Field(ge=0, description="Lowest pattern in doubt, not above the ceiling.")
    n_uncertain: int = Field(ge=0, description="Either of them.")
    n_too_far: int = Field(ge=0, description="Largest force spread above the ceiling.")
    n_asked_before: int = Field(0, ge=0, description="Of all candidates: asked for already, or twice among them.")
    collapsed: bool = Field(False, description="The committee has no spread, so that nothing counts as uncertain.")

    @property
    def uncertain_fraction(self) -> float | None:
        """Share of candidates that the committee does not know, those above the ceiling among them."""
        if not self.n_candidates or self.collapsed:
            return None
        return (self.n_uncertain + self.n_too_far) / self.n_candidates


class FreshErrors(_Record):
    """Errors of a potential on labels it was not trained on."""

    n_labels: int = Field(ge=0, description="Labels that closed without doubt.")
    force_mae_ev_per_angstrom: float | None = Field(None, description="Of the committee's mean forces.")
    energy_mae_ev_per_atom: float | None = Field(None, description="Of the committee's mean energy.")
    pattern_recovery: float | None = Field(None, description="Share whose believed pattern DFT found.")


class Usage(_Record):
    """What was spent."""

    labels: int = Field(0, ge=0, description="DFT labels, failed attempts among them.")
    core_hours: float = Field(0.0, ge=0, description="Of DFT, training and exploration.")
    days: float = Field(0.0, ge=0, description="Wall time.")

    def __add__(self, other: Usage) -> Usage:
        """Add what two parts spent."""
        return Usage(
            labels=self.labels + other.labels,
            core_hours=self.core_hours + other.core_hours,
            days=self.days + other.days,
        )


class IterationRecord(_Record):
    """One iteration: what was looked at, asked and learned."""

    number: int = Field(ge=0, description="From 0.")
    strategy: str = Field(description="Strategy of the selection.")
    band: BandCounts
    labels: LabelCounts
    n_frames: int = Field(ge=0, description="Frames of the dataset after it.")
    errors_before: FreshErrors | None = Field(
        None, description="On its labels, of the potential that asked for them and had not seen them."
    )
    errors_after: FreshErrors | None = Field(None, description="On frames held out, of the potential trained after it.")
    factors: SpreadFactors = Field(default_factory=SpreadFactors, description="Calibration of the spreads after it.")
    ground_states: dict[str, str] = Field(
        default_factory=dict, description="Lowest pattern for each state of charge, by the potential that explored."
    )
    used: Usage = Field(default_factory=Usage, description="What this iteration spent.")
    warnings: list[str] = Field(default_factory=list, description="What to know of it, in sentences.")


class LoopMemory(_Record):
    """What a choice of labels has to know of the loop before it; what that took in time and money is not in it."""

    labels: LabelBook = Field(default_factory=LabelBook, description="Every label that was asked for.")
    factors: SpreadFactors = Field(default_factory=SpreadFactors, description="The last calibration of the spreads.")


class LoopState(_Record):
    """A loop from its start to now."""

    status: Literal["running", "paused", "converged", "budget", "failed"] = "running"
    reason: str = Field("", description="Why it is paused or ended, in one sentence.")
    iterations: tuple[IterationRecord, ...] = ()
    labels: LabelBook = Field(default_factory=LabelBook, description="Every label that was asked for.")

    @property
    def used(self) -> Usage:
        """What all iterations spent."""
        return sum((one.used for one in self.iterations), Usage())

    @property
    def factors(self) -> SpreadFactors:
        """The last calibration."""
        return self.iterations[-1].factors if self.iterations else SpreadFactors()

    @property
    def memory(self) -> LoopMemory:
        """What the next choice of labels has to know."""
        return LoopMemory(labels=self.labels, factors=self.factors)

    def with_iteration(self, record: IterationRecord, labels: LabelBook) -> LoopState:
        """Return the loop with one more iteration."""
        return self.model_copy(update={"iterations": (*self.iterations, record), "labels": labels})
