"""What the schemas of all summaries share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

__all__ = ("Part", "Phase", "StageTiming", "Summary")

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
