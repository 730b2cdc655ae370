"""What the schemas of all summaries share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

__all__ = ("Part", "Phase", "StageTiming", "Summary", "WorkChainSummary")

Phase = Literal["done", "failed", "running"]


class Part(BaseModel):
    """A section of a summary."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageTiming(Part):
    """Time of one stage, from its jobs' creation and last modification in the database."""

    wall_time_s: FiniteFloat = Field(description="From the first job's start to the last job's end.")
    job_time_s: FiniteFloat = Field(description="Sum over its jobs.")
    n_jobs: int
    n_from_cache: int = Field(description="Jobs that AiiDA took from its cache instead of running them.")


class Summary(Part):
    """A summary as a file."""

    def write(self, path: Path) -> None:
        """Write the summary as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


class WorkChainSummary(Summary):
    """What every summary says of its work chain."""

    material: str = Field(description="Name given to the work chain, else the formula.")
    formula: str = Field("", description="Chemical formula of the cell.")
    total_charge: int = Field(description="Charge of the cell in units of e.")
    protocol: str | None = Field(None, description="Protocol whose settings the inputs have; null if none fits.")
    is_demonstration: bool = Field(description="Low cutoffs, demonstration pseudopotentials or the demo protocol.")
    demonstration_note: str | None = Field(None, description="Sentence to print beside the numbers of such a run.")
    phase: Phase = Field(description="A killed work chain has failed.")
    exit_status: int | None = Field(None, description="Exit status, once it ended.")
    exit_message: str | None = Field(None, description="Why it failed.")
    started: str = Field(description="Creation of the work chain's node, ISO 8601.")
    last_change: str = Field(description="Last change of the work chain's node, ISO 8601.")
    wall_time_s: FiniteFloat = Field(description="From one to the other.")
    versions: dict[str, str] = Field(description="Versions by program.")
    warnings: list[str] = Field(description="What a reader has to be warned of, one sentence each.")
