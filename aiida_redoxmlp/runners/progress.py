"""The file ``progress.jsonl``: a line of JSON a sign of life."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida_redoxmlp.runners.jobs import PROGRESS_FILE

__all__ = ("ProgressLog", "read_progress")


def read_progress(text: str) -> list[dict[str, Any]]:
    """Return the entries of a progress file, in order; a last line that is cut off is left out."""
    entries: list[dict[str, Any]] = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


class ProgressLog:
    """Appends signs of life to a job's progress file; every line is on disk when the call returns."""

    def __init__(self, folder: Path, job: str) -> None:
        self._path = folder / PROGRESS_FILE
        self._job = job
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the job began."""
        return time.perf_counter() - self._started

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one entry, with the job's name and the seconds since it began."""
        line = {"job": self._job, "elapsed_s": round(self.elapsed, 3), **entry}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
