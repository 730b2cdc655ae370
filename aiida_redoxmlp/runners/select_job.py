"""Typed input and output files of ``redoxmlp-run select``."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from aiida_redoxmlp.active_learning.electrons import BeliefSettings, PatternBelief
from aiida_redoxmlp.active_learning.label_book import LabelBook
from aiida_redoxmlp.active_learning.records import BandCounts
from aiida_redoxmlp.active_learning.selection import SelectionSettings
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, JobFile

__all__ = ("BeliefRecord", "SelectJob", "SelectOutput", "SelectSettings", "SelectedStructure")


class SelectSettings(JobFile):
    """How label requests are chosen from what was explored."""

    selection: SelectionSettings = Field(
        default_factory=SelectionSettings, description="Strategy, candidate band, number of labels and seed."
    )
    patterns: BeliefSettings = Field(
        default_factory=BeliefSettings, description="How the lowest pattern of a geometry is found."
    )
    max_candidates: int = Field(
        1000, ge=1, description="Of more explored frames every n-th is a candidate, so that no more are looked at."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the committee runs.")


class SelectJob(JobFile):
    """Input of ``redoxmlp-run select``."""

    job: Literal["select"] = "select"
    frames: list[str] = Field(description="Files of explored frames.")
    dataset: str | None = Field(None, description="Dataset file: what is labelled already.")
    model: str = MODEL_FOLDER
    structures: dict[str, str] = Field(
        default_factory=dict, description="Structure files by name, whose lowest patterns are told."
    )
    chemistry: RedoxChemistry = Field(description="Charges of the material.")
    settings: SelectSettings = Field(default_factory=SelectSettings, description="How requests are chosen.")
    labels: LabelBook = Field(default_factory=LabelBook, description="Every label that was asked for before.")
    factors: SpreadFactors = Field(default_factory=SpreadFactors, description="Calibration of the spreads.")


class BeliefRecord(JobFile):
    """What the committee says of the patterns of a structure."""

    n_members: int
    n_agreeing: int = Field(description="Members whose own lowest pattern it is.")
    gap_ev: float | None = Field(None, description="Mean energy of the runner-up above the lowest pattern.")
    gap_spread_ev: float | None = Field(None, description="Standard deviation of that difference over the members.")
    proven: bool = Field(description="Whether all patterns were compared.")

    @classmethod
    def of(cls, belief: PatternBelief) -> BeliefRecord:
        """Return the record of a belief, without its pattern."""
        return cls(
            n_members=belief.n_members,
            n_agreeing=belief.n_agreeing,
            gap_ev=belief.gap,
            gap_spread_ev=belief.gap_spread,
            proven=belief.proven,
        )

    def belief(self, lowest: Pattern) -> PatternBelief:
        """Return the belief that ``lowest`` is the lowest pattern."""
        return PatternBelief(lowest, self.n_members, self.n_agreeing, self.gap_ev, self.gap_spread_ev, self.proven)


class SelectedStructure(JobFile):
    """A label request."""

    name: str = Field(description="Formula, wanted pattern and the beginning of the key.")
    key: str = Field(description="Content key of the structure with the wanted pattern.")
    structure: str = Field(description="Name of the structure that the exploration started from.")
    origin: str = Field(description="Walker and step.")
    wanted: list[int] = Field(description="The pattern that the committee believes in.")
    reason: str = Field(description="Why it was chosen.")
    belief: BeliefRecord | None = None
    numbers: list[int]
    positions: list[tuple[float, float, float]] = Field(description="Å.")
    cell: list[tuple[float, float, float]] = Field(description="Å.")

    @classmethod
    def geometry(cls, atoms: Configuration) -> dict[str, list[object]]:
        """Return the fields that hold a configuration's atoms."""
        arrays = {"numbers": atoms.numbers, "positions": atoms.positions, "cell": atoms.cell}
        return {name: np.asarray(array).tolist() for name, array in arrays.items()}


class SelectOutput(JobFile):
    """Output of ``redoxmlp-run select``."""

    strategy: str
    n_explored: int = Field(description="Explored frames in all files.")
    requests: list[SelectedStructure]
    counts: BandCounts = Field(description="Where the candidates lie.")
    ground_states: dict[str, str] = Field(
        default_factory=dict, description="Lowest pattern of each structure at its geometry, with its formula."
    )
    force_spreads_ev_per_angstrom: list[float] = Field(
        description="Largest force spread of an atom, times its factor, for each candidate."
    )
    doubts: list[float | None] = Field(
        description="Probability of another lowest pattern for each candidate; null without redox sites."
    )
    factors: SpreadFactors = Field(description="Calibration that was used.")
    warnings: list[str] = Field(default_factory=list, description="What limits the selection, in sentences.")
    wall_time_s: float
    device: str
