"""How far an exploration came, from its progress file."""

from __future__ import annotations

from aiida_redoxmlp.runners.progress import read_progress

__all__ = ("ExploreProgress",)


class ExploreProgress:
    """What the lines of an exploration's ``progress.jsonl`` tell; a last line that is cut off is left out.

    Attributes:
        entries: the lines, in order.
    """

    def __init__(self, text: str) -> None:
        self.entries = read_progress(text)

    @property
    def advanced(self) -> bool:
        """Whether this job made steps or relaxed anything that is stored."""
        return any(entry.get("event") in ("exploring", "relaxed") for entry in self.entries)

    @property
    def reached(self) -> str:
        """How far it came, in words."""
        for entry in reversed(self.entries):
            if entry.get("event") == "exploring":
                return f"after {entry['steps']} of {entry['of']} steps"
            if entry.get("event") == "relaxed":
                return f"after {entry['done']} of {entry['of']} relaxations"
            if entry.get("event") == "relaxing":
                return f"in step {entry['step']} of relaxations"
        return "before the first step"
