"""The schema of the summary of an active-learning loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat

from aiida_redoxmlp.active_learning.records import BandCounts, IterationRecord, Usage
from aiida_redoxmlp.active_learning.stopping import StoppingRules
from aiida_redoxmlp.report.schema_parts import Part, StageTiming, WorkChainSummary

__all__ = (
    "BudgetLine",
    "CoveredPattern",
    "Histogram",
    "LoopIteration",
    "LoopSummary",
    "LoopUuids",
    "RedoxError",
    "SelectionSummary",
    "StateOfChargeCoverage",
)


class Histogram(Part):
    """Numbers of candidates in bins; what lies outside of all bins is counted in the nearest one."""

    edges: list[FiniteFloat] = Field(description="Ascending, one more than bins.")
    counts: list[int] = Field(description="Candidates in each bin.")


class SelectionSummary(Part):
    """What the selection of an iteration looked at."""

    strategy: str
    n_explored: int = Field(description="Explored frames, of which the candidates are some.")
    counts: BandCounts = Field(description="Where the candidates lie.")
    n_requests: int = Field(description="Structures that were chosen.")
    floor_ev_per_angstrom: FiniteFloat = Field(description="Of the candidate band.")
    ceiling_ev_per_angstrom: FiniteFloat | None = Field(None, description="Of the candidate band; null without.")
    doubt: FiniteFloat = Field(description="Probability from which the electrons are in doubt.")
    force_spreads: Histogram | None = Field(
        None, description="Largest force spread of each candidate in eV/Å, calibrated; null without candidates."
    )
    doubts: Histogram | None = Field(
        None, description="Probability of another lowest pattern of each candidate; null without redox sites."
    )
    uuid: str = Field(description="The selection job.")


class LoopIteration(Part):
    """One iteration, also one that is not over."""

    number: int = Field(description="From 0.")
    record: IterationRecord | None = Field(None, description="What it came to; null until it is over.")
    selection: SelectionSummary | None = Field(None, description="Null until candidates are looked at.")
    n_labels_started: int = Field(description="DFT labels that were submitted, further attempts among them.")
    n_labels_ended: int = Field(description="Of these: ended, well or not.")
    running_stages: list[str] = Field(description="Stages of which something runs.")
    uuids: dict[str, list[str]] = Field(description="Processes of each stage.")


class RedoxError(Part):
    """A label of which DFT found another pattern than the potential believed in."""

    name: str = Field(description="Formula, wanted pattern and the beginning of the key.")
    formula: str
    iteration: int
    origin: str = Field(description="Where the structure is from.")
    wanted: list[int] = Field(description="The pattern the potential believed in, by ascending site.")
    found: list[int] = Field(description="The pattern DFT found.")


class CoveredPattern(Part):
    """The labels of one pattern."""

    states: list[int] = Field(description="Oxidation state of every redox site, by ascending site.")
    n_before: int = Field(description="Frames of the dataset that the loop began with.")
    n_added: int = Field(description="Clear labels of the loop in which DFT found it.")
    n_believed: int = Field(description="Labels for which the potential believed in it.")
    n_redox_errors: int = Field(description="Of the labels added: those for which another pattern was believed in.")

    @property
    def n_labels(self) -> int:
        """All labels of the pattern."""
        return self.n_before + self.n_added


class StateOfChargeCoverage(Part):
    """The labels of one composition."""

    formula: str
    mean_state: FiniteFloat | None = Field(None, description="Mean oxidation state of its redox sites.")
    n_possible: int | None = Field(None, description="Patterns that close the charge, without regard to symmetry.")
    patterns: list[CoveredPattern] = Field(description="Those with a label or a belief, the most labels first.")

    @property
    def n_covered(self) -> int:
        """Patterns with a label."""
        return sum(one.n_labels > 0 for one in self.patterns)

    @property
    def n_labels(self) -> int:
        """Labels of all patterns."""
        return sum(one.n_labels for one in self.patterns)


class BudgetLine(Part):
    """A limit and what is spent of it."""

    name: Literal["labels", "core_hours", "iterations", "days"]
    used: FiniteFloat = Field(description="By the iterations that are over.")
    limit: FiniteFloat | None = Field(None, description="Null where there is none.")


class LoopUuids(Part):
    """The nodes behind the numbers."""

    work_chain: str
    loop: str | None = Field(None, description="The record of the loop, as of now.")
    dataset_before: str | None = Field(None, description="What was labelled before.")
    dataset: str | None = Field(None, description="All labels; null until the loop hands them over.")
    model: str | None = Field(None, description="The last committee; null until the loop hands it over.")


class LoopSummary(WorkChainSummary):
    """What an active-learning loop came to. The keys name the units; iterations and atoms are counted from 0."""

    schema_version: Literal[1] = Field(1, description="Version of this schema.")
    status: Literal["running", "paused", "converged", "budget", "failed"] = Field(
        description="`budget` is an end without convergence, as a limit was reached."
    )
    reason: str = Field(description="Why it ended or is paused, or does neither, in a sentence; empty if not known.")
    rules: StoppingRules | None = Field(None, description="When it has converged; null if it was not given any rule.")
    rule_sentences: list[str] = Field(description="What every rule says of the last iteration that is over.")
    iterations: list[LoopIteration]
    used: Usage = Field(description="What the iterations that are over spent.")
    budget: list[BudgetLine]
    redox_errors: list[RedoxError]
    n_waiting: int = Field(0, description="Labels that failed and may be asked for again.")
    set_aside: list[str] = Field(description="Labels that are not asked for again, in a sentence each.")
    coverage: list[StateOfChargeCoverage] = Field(description="By ascending mean oxidation state.")
    stages: dict[str, StageTiming] = Field(description="Times by stage.")
    uuids: LoopUuids

    @property
    def ended(self) -> list[IterationRecord]:
        """The records of the iterations that are over."""
        return [one.record for one in self.iterations if one.record is not None]
