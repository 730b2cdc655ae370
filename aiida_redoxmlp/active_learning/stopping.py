"""When a loop ends: the rules on what the user cares about, and the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from aiida_redoxmlp.active_learning.records import FreshErrors, IterationRecord, LoopState, Usage

__all__ = ("Budget", "Decision", "StoppingRules", "decide", "labels_left")


class Budget(BaseModel):
    """What a loop may spend; a limit that is not given does not count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: int | None = Field(None, description="DFT labels, failed attempts among them.")
    core_hours: FiniteFloat | None = Field(None, description="Of DFT, training and exploration.")
    iterations: int | None = Field(None, description="Iterations.")
    days: FiniteFloat | None = Field(None, description="Wall time.")

    @model_validator(mode="after")
    def _worth_starting(self) -> Budget:
        limits = self.model_dump(exclude_none=True)
        if not limits:
            raise ValueError("the budget has no limit; give at least one of labels, core_hours, iterations and days")
        for name, limit in limits.items():
            if limit <= 0:
                raise ValueError(f"the budget has {name}: {limit:g}, so that nothing can start; give more than 0")
        return self


class StoppingRules(BaseModel):
    """A loop has converged when all rules that are given hold; one that is not given does not count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    force_mae: FiniteFloat | None = Field(None, gt=0, description="Largest force error on the fresh labels, in eV/Å.")
    pattern_recovery: float | None = Field(
        None, gt=0, le=1, description="Smallest share of the fresh labels whose believed pattern DFT found."
    )
    uncertain_fraction: float | None = Field(
        None, ge=0, lt=1, description="Largest share of the exploration that the committee does not know."
    )
    stable_ground_states: bool = Field(
        False, description="The lowest pattern of every state of charge stays what it was in the iteration before."
    )
    in_a_row: int = Field(1, ge=1, description="Iterations for which all rules have to hold.")
    fewest_labels: int = Field(5, ge=1, description="Fresh labels below which their errors say nothing.")

    @property
    def given(self) -> bool:
        """Whether there is a rule."""
        rules = (self.force_mae, self.pattern_recovery, self.uncertain_fraction)
        return self.stable_ground_states or any(rule is not None for rule in rules)


@dataclass(frozen=True)
class Decision:
    """Whether a loop goes on.

    Attributes:
        stop: whether it ends.
        why: because the rules hold, or the budget is spent; None if it goes on.
        reason: the decision in one sentence.
        rules: what every rule says of the last iteration, one sentence each.
    """

    stop: bool
    why: Literal["converged", "budget"] | None
    reason: str
    rules: tuple[str, ...]


def decide(state: LoopState, rules: StoppingRules, budget: Budget) -> Decision:
    """Decide after an iteration, or before the first one, whether a loop goes on.

    Args:
        state: the loop so far.
        rules: when it has converged.
        budget: what it may spend.
    """
    checks = [_checks(state, number, rules) for number in range(len(state.iterations))]
    sentences = tuple(sentence for _, sentence in checks[-1]) if checks else ()
    recent = checks[-rules.in_a_row :]
    if rules.given and len(recent) == rules.in_a_row and all(holds for one in recent for holds, _ in one):
        often = f" in {rules.in_a_row} iterations in a row" if rules.in_a_row > 1 else ""
        return Decision(True, "converged", f"All stopping rules hold{often}: {'; '.join(sentences)}.", sentences)
    spent = _spent(state, budget)
    if spent is not None:
        return Decision(True, "budget", spent, sentences)
    failing = [sentence for holds, sentence in checks[-1] if not holds] if checks else []
    if failing:
        return Decision(False, None, f"The loop goes on, as {failing[0]}.", sentences)
    reason = "no iteration has ended" if not checks else "the rules have to hold for longer"
    if checks and not rules.given:
        reason = "there is no stopping rule and the budget is not spent"
    return Decision(False, None, f"The loop goes on, as {reason}.", sentences)


def labels_left(state: LoopState, budget: Budget) -> int | None:
    """Return how many labels the budget still has, None where it does not limit them."""
    return None if budget.labels is None else max(0, budget.labels - state.used.labels)


def _checks(state: LoopState, number: int, rules: StoppingRules) -> list[tuple[bool, str]]:
    """Return for each rule that is given whether it holds in an iteration, and a clause that says so."""
    record = state.iterations[number]
    checks = []
    if rules.force_mae is not None:
        checks.append(_force_error(record, rules.force_mae, rules.fewest_labels))
    if rules.pattern_recovery is not None:
        checks.append(_recovery(record, rules.pattern_recovery, rules.fewest_labels))
    if rules.uncertain_fraction is not None:
        checks.append(_exploration(record, rules.uncertain_fraction))
    if rules.stable_ground_states:
        checks.append(_ground_states(record, state.iterations[number - 1] if number else None))
    return checks


def _fresh(
    record: IterationRecord, fewest: int, what: str, value: Callable[[FreshErrors], float | None]
) -> tuple[float | None, str]:
    """Return a number of the fresh labels, or why there is none."""
    errors = record.errors_before
    count = 0 if errors is None else errors.n_labels
    if errors is None or count < fewest or value(errors) is None:
        return None, f"{count} clear fresh labels are fewer than the {fewest} it takes to know {what}"
    return value(errors), ""


def _force_error(record: IterationRecord, largest: float, fewest: int) -> tuple[bool, str]:
    error, lack = _fresh(record, fewest, "the force error", lambda one: one.force_mae_ev_per_angstrom)
    if error is None:
        return False, lack
    holds = error <= largest
    word = "at most" if holds else "above"
    return holds, f"the force error on fresh labels, {error:.3f} eV/Å, is {word} {largest:g} eV/Å"


def _recovery(record: IterationRecord, smallest: float, fewest: int) -> tuple[bool, str]:
    recovery, lack = _fresh(record, fewest, "the pattern recovery", lambda one: one.pattern_recovery)
    if recovery is None:
        return False, lack
    holds = recovery >= smallest
    word = "at least" if holds else "below"
    return holds, f"the pattern recovery on fresh labels, {100 * recovery:.0f} %, is {word} {100 * smallest:g} %"


def _exploration(record: IterationRecord, largest: float) -> tuple[bool, str]:
    if record.band.collapsed:
        return False, "the committee has no spread, so that what it does not know cannot be seen"
    fraction = record.band.uncertain_fraction
    if fraction is None:
        return False, "nothing was explored"
    holds = fraction <= largest
    word = "at most" if holds else "above"
    return (
        holds,
        f"the part of the exploration that is not known, {100 * fraction:.1f} %, is {word} {100 * largest:g} %",
    )


def _ground_states(record: IterationRecord, before: IterationRecord | None) -> tuple[bool, str]:
    if before is None or not before.ground_states or not record.ground_states:
        return False, "there are no ground states of two iterations to compare"
    changed = sorted(
        name
        for name in record.ground_states.keys() | before.ground_states.keys()
        if record.ground_states.get(name) != before.ground_states.get(name)
    )
    if changed:
        there, here = before.ground_states.get(changed[0], "none"), record.ground_states.get(changed[0], "none")
        return False, f"the ground state of {changed[0]} changed from {there} to {here}"
    return True, f"the ground states of {len(record.ground_states)} states of charge are what they were"


def _spent(state: LoopState, budget: Budget) -> str | None:
    """Return in one sentence which limit of the budget is reached, or None."""
    used: Usage = state.used
    for name, spent, limit, unit in (
        ("labels", used.labels, budget.labels, "labels"),
        ("core_hours", used.core_hours, budget.core_hours, "core-hours"),
        ("iterations", len(state.iterations), budget.iterations, "iterations"),
        ("days", used.days, budget.days, "days"),
    ):
        if limit is not None and spent >= limit:
            return f"The budget is spent: {spent:.6g} of {limit:.6g} {unit} are used; raise budget.{name} to go on."
    return None
