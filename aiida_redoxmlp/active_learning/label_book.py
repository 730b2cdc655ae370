"""The bookkeeping of labels: what was asked, what came back, and what is not asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.active_learning.verdicts import LabelRequest, Outcome, Verdict

__all__ = ("LabelBook", "LabelCounts", "LabelRecord")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelRecord(_Record):
    """One label, over all attempts at it."""

    name: str = Field(description="Formula, wanted pattern and the beginning of the key.")
    key: str = Field(description="Content key of the structure with the wanted pattern.")
    origin: str = Field("", description="Where the structure is from.")
    iteration: int = Field(ge=0, description="In which it was last asked for.")
    attempts: int = Field(1, ge=1, description="How often it was asked for.")
    outcome: Outcome
    wanted: list[int] = Field(description="The pattern the potential believed in.")
    found: list[int] | None = Field(None, description="The pattern DFT found, where it is clear.")
    reason: str = Field("", description="Why it is no landed label, in one sentence.")
    set_aside: bool = Field(False, description="It failed too often and is not asked for again.")


class LabelCounts(_Record):
    """Labels of an iteration by outcome."""

    asked: int = Field(0, ge=0, description="Labels asked for.")
    landed: int = Field(0, ge=0, description="DFT found the pattern that was believed in.")
    redox_errors: int = Field(0, ge=0, description="DFT found another pattern, and the label is of that.")
    ambiguous: int = Field(0, ge=0, description="The states close only with doubt; not trained on.")
    failed: int = Field(0, ge=0, description="No usable label came back.")
    set_aside: int = Field(0, ge=0, description="Of the failed: not asked for again.")

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], asked: int) -> LabelCounts:
        """Count outcomes; of a batch that is not over there are fewer than were asked for."""
        found = Counter(outcomes)
        return cls(
            asked=asked,
            landed=found["landed"],
            redox_errors=found["redox_error"],
            ambiguous=found["ambiguous"],
            failed=found["failed"],
        )

    @property
    def clear(self) -> int:
        """Labels that a potential learns from."""
        return self.landed + self.redox_errors


class LabelBook(_Record):
    """Every label that a loop asked for, by key.

    Attributes:
        max_attempts: times a label is asked for before it is set aside.
        records: the labels by key.
    """

    max_attempts: int = Field(2, ge=1, description="Times a label that fails is asked for before it is set aside.")
    records: dict[str, LabelRecord] = Field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """Keys of what need not be selected again: answered, set aside, or waiting for another attempt."""
        return set(self.records)

    def with_attempts(self, max_attempts: int) -> LabelBook:
        """Return the book for another number of attempts, by which labels are set aside or asked for again."""
        records = {
            key: one.model_copy(update={"set_aside": one.outcome == "failed" and one.attempts >= max_attempts})
            for key, one in self.records.items()
        }
        return self.model_copy(update={"max_attempts": max_attempts, "records": records})

    def failed(self) -> list[str]:
        """Return the keys of labels that failed, set aside or not, in the order they were asked."""
        return [key for key, one in self.records.items() if one.outcome == "failed"]

    def waiting(self) -> list[str]:
        """Return the keys of labels that failed and are tried again, in the order they were asked."""
        return [key for key in self.failed() if not self.records[key].set_aside]

    def to_ask(self, requests: Iterable[LabelRequest]) -> list[LabelRequest]:
        """Return the requests that are new or may be tried again, each once."""
        seen: set[str] = set()
        asked = []
        for request in requests:
            record = self.records.get(request.key)
            if request.key not in seen and (record is None or (record.outcome == "failed" and not record.set_aside)):
                asked.append(request)
            seen.add(request.key)
        return asked

    def recorded(self, verdicts: Sequence[Verdict], iteration: int) -> LabelBook:
        """Return the book with the verdicts of an iteration."""
        records = dict(self.records)
        for verdict in verdicts:
            before = records.get(verdict.request.key)
            attempts = 1 if before is None else before.attempts + 1
            failed = verdict.outcome == "failed"
            records[verdict.request.key] = LabelRecord(
                name=verdict.request.name,
                key=verdict.request.key,
                origin=verdict.request.origin,
                iteration=iteration,
                attempts=attempts,
                outcome=verdict.outcome,
                wanted=list(verdict.request.wanted.states),
                found=None if verdict.found is None else list(verdict.found.states),
                reason=verdict.reason,
                set_aside=failed and attempts >= self.max_attempts,
            )
        return self.model_copy(update={"records": records})

    def counts(self, iteration: int) -> LabelCounts:
        """Count the labels asked for in an iteration by their outcome."""
        own = [one for one in self.records.values() if one.iteration == iteration]
        counts = LabelCounts.of([one.outcome for one in own], asked=len(own))
        return counts.model_copy(update={"set_aside": sum(one.set_aside for one in own)})

    def set_aside(self) -> list[str]:
        """Say in one sentence for each label that is not asked for again which it is and why."""
        return [
            f"The label {one.name} failed {one.attempts} times and is set aside ({one.reason.rstrip('.')}); go on "
            "with a larger max_label_attempts to ask for it again."
            for one in self.records.values()
            if one.set_aside
        ]
