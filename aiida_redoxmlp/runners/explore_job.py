"""Typed input and output files of ``redoxmlp-run explore``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.active_learning.exploration.walkers import WalkerRecord
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, JobFile

__all__ = ("FRAMES_FILE", "ExploreJob", "ExploreOutput", "ExploreStructure")

FRAMES_FILE = "frames.npz"
"""The frames that were kept; :func:`~aiida_redoxmlp.active_learning.exploration.frames.read_explored` reads it."""


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
    wall_time_s: float
    device: str
