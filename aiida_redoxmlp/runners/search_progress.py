"""How far a search came, from its progress file."""

from __future__ import annotations

from typing import Any

from aiida_redoxmlp.runners.progress import read_progress

__all__ = ("SearchProgress",)


class SearchProgress:
    """What the lines of a search's ``progress.jsonl`` tell; a last line that is cut off is left out.

    Attributes:
        entries: the lines, in order.
    """

    def __init__(self, text: str) -> None:
        self.entries = read_progress(text)

    def last(self, *events: str) -> dict[str, Any]:
        """Return the last entry of one of these events, empty where there is none."""
        return next((entry for entry in reversed(self.entries) if entry.get("event") in events), {})

    @property
    def stage(self) -> str:
        """What the search does: ``waits``, ``searches``, ``relaxes`` or ``done``."""
        if not self.entries:
            return "waits"
        event = self.last("finished", "relaxed", "relaxing", "searching").get("event")
        return {"finished": "done", "relaxed": "relaxes", "relaxing": "relaxes"}.get(str(event), "searches")

    @property
    def advanced(self) -> bool:
        """Whether this job evaluated or relaxed anything that is stored."""
        return any(entry.get("event") in ("searching", "relaxed") for entry in self.entries)

    @property
    def reached(self) -> str:
        """How far it came, in words."""
        entry = self.last("relaxed", "relaxing", "searching")
        if not entry:
            return "before the first evaluation"
        if entry["event"] == "relaxed":
            return f"after {entry['done']} of {entry['of']} relaxations"
        if entry["event"] == "relaxing":
            return f"in step {entry['step']} of relaxations"
        return f"after {entry['evaluations']} evaluations"
