"""What ``progress.jsonl`` of a training tells while it runs and after it was killed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Any

__all__ = ("MemberProgress", "TrainingProgress")

_RECENT_EPOCHS = 10


@dataclass(frozen=True, eq=False)
class MemberProgress:
    """How far one member of a job has come.

    Attributes:
        member: its number within the job, from 0.
        seed: its seed, where the job tells.
        max_epochs: upper bound on its epochs.
        entries: one an epoch, as :class:`~aiida_redoxmlp.engines.contract.TrainingResult` describes them.
        epoch_s: seconds an epoch has taken lately; None before the first.
        state: ``waits``, ``trains`` or ``done`` (also: trained to its end by an earlier job).
    """

    member: int
    seed: int | None
    max_epochs: int
    entries: tuple[dict[str, Any], ...]
    epoch_s: float | None
    state: str

    @property
    def epoch(self) -> int:
        """The last finished epoch, 0 before the first."""
        return int(self.entries[-1]["epoch"]) if self.entries else 0


class TrainingProgress:
    """The lines of a training's progress file; a line that is cut off is passed over."""

    def __init__(self, text: str) -> None:
        self._lines = [entry for entry in map(_parsed, text.splitlines()) if entry is not None]

    @cached_property
    def entries(self) -> tuple[dict[str, Any], ...]:
        """One entry a finished epoch and member, in order of time."""
        return tuple(entry for entry in self._lines if "epoch" in entry and "member" in entry)

    @cached_property
    def _started(self) -> dict[str, Any]:
        return next((entry for entry in self._lines if entry.get("event") == "started"), {})

    @property
    def finished(self) -> bool:
        """Whether the job has come to its end."""
        return any(entry.get("event") == "finished" for entry in self._lines)

    @property
    def reached(self) -> str:
        """How far the job came, to end a sentence with."""
        if not self.entries:
            return "before its first epoch was finished"
        last = self.entries[-1]
        bound = f" of at most {self._started['max_epochs']}" if "max_epochs" in self._started else ""
        return f"after epoch {int(last['epoch'])}{bound} of {self._name(int(last['member']))}"

    @cached_property
    def members(self) -> tuple[MemberProgress, ...]:
        """All members of the job, by number; empty before it has begun."""
        if not self._started:
            return ()
        current = int(self.entries[-1]["member"]) if self.entries else 0
        found = []
        for number in range(int(self._started["n_members"])):
            mine = tuple(entry for entry in self.entries if entry["member"] == number)
            state = "done" if self.finished or number < current else "trains" if number == current else "waits"
            bound = int(self._started["max_epochs"])
            found.append(MemberProgress(number, self._seed(number), bound, mine, self._epoch_s(mine), state))
        return tuple(found)

    def _name(self, member: int) -> str:
        seed = self._seed(member)
        return f"member {member}" if seed is None else f"the member of seed {seed}"

    def _seed(self, member: int) -> int | None:
        seeds = self._started.get("seeds", [])
        return int(seeds[member]) if member < len(seeds) else None

    def _epoch_s(self, mine: Sequence[dict[str, Any]]) -> float | None:
        """Seconds an epoch took lately; of a member that waits, what they took in the members before it."""
        chosen = list(mine or self.entries)
        times = [entry["elapsed_s"] for entry in chosen if "elapsed_s" in entry]
        if len(times) == 1 and chosen[0] is self.entries[0] and "elapsed_s" in self._started:
            times = [self._started["elapsed_s"], *times]
        steps = [after - before for before, after in pairwise(times)]
        return median(steps[-_RECENT_EPOCHS:]) if steps else None

    def why_diverged(self, maximum_growth: float, patience: int) -> str | None:
        """Return what went wrong, or None; once something did, later epochs do not take it back.

        Args:
            maximum_growth: factor by which a validation loss may exceed the member's best.
            patience: epochs in a row beyond it that are too many.
        """
        best: dict[int, float] = {}
        beyond: dict[int, int] = {}
        for entry in self.entries:
            number, loss = int(entry["member"]), entry.get("loss_validation")
            losses = [value for value in (entry.get("loss_train"), loss) if value is not None]
            where = f"in epoch {int(entry['epoch'])} of {self._name(number)}"
            if not all(math.isfinite(value) for value in losses):
                return f"{where} the loss is no longer a number; lower learning_rate or look for a wrong label"
            if loss is None:
                continue
            grown = loss > maximum_growth * best.get(number, math.inf)
            beyond[number] = beyond.get(number, 0) + 1 if grown else 0
            if beyond[number] >= patience:
                return (
                    f"{where} the validation loss {loss:.3g} has been more than {maximum_growth:g} times its best "
                    f"{best[number]:.3g} for {patience} epochs; lower learning_rate or look for a wrong label"
                )
            best[number] = min(loss, best.get(number, math.inf))
        return None


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None  # the job was killed, or is seen, while it writes this line
    return entry if isinstance(entry, dict) else None
