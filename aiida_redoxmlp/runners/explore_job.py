"""Typed input and output files of ``redoxmlp-run explore``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.active_learning.exploration.walkers import WalkerRecord
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, JobFile
from aiida_redoxmlp.runners.select_job import SelectJob

__all__ = ("FRAMES_FILE", "SELECTION_FILE", "ExploreJob", "ExploreOutput", "ExploreStructure")

FRAMES_FILE = "frames.npz"
"""The frames that were kept; :func:`~aiida_redoxmlp.active_learning.exploration.frames.read_explored` reads it."""

SELECTION_FILE = "selection.json"
"""A :class:`~aiida_redoxmlp.runners.select_job.SelectOutput`, where a selection is asked for."""


class ExploreStructure(JobFile):
    """A structure to explore from."""

    file: str = Field(description="Structure: numbers, positions, cell, oxidation_states, if need be spins.")
    states_known: bool = Field(
        True, description="If false, walkers start with the committee's lowest pattern on the redox sites."
    )


class ExploreJob(JobFile):
    """Input of ``redoxmlp-run explore``."""

    job: Literal["explore"] = "explore"
    structures: dict[str, ExploreStructure] = Field(description="What to explore from, by name.")
    model: str = MODEL_FOLDER
    chemistry: RedoxChemistry = Field(description="Charges of the material.")
    settings: ExplorationSettings = Field(description="Walks, relaxations, variations and limits.")
    selection: SelectJob | None = Field(
        None, description="Selection among the frames, made at the end with the committee that is loaded already."
    )


class ExploreOutput(JobFile):
    """Output of ``redoxmlp-run explore``; the frames are in ``frames.npz``."""

    n_frames: int = Field(description="Frames that were kept, all within the limits.")
    n_steps: int = Field(description="Steps of all walks.")
    n_steps_asked: int = Field(description="Steps they would have made without limits.")
    n_stopped: dict[str, int] = Field(description="Walkers that stopped at each limit.")
    walkers: list[WalkerRecord]
    patterns: dict[str, dict[str, int]] = Field(description="Number of frames by formula and pattern.")
    largest_force_spreads_ev_per_angstrom: list[float] = Field(description="Of each frame, in the order of the file.")
    warnings: list[str] = Field(default_factory=list, description="What limits the result, in sentences.")
    wall_time_s: float = Field(description="Of the whole job, in s.")
    device: str

    @property
    def went_nowhere(self) -> bool:
        """Whether there is nothing to select from: no frame, or none but those that the walkers started at."""
        return self.n_frames == 0 or (self.n_steps_asked > 0 and self.n_steps == 0)
