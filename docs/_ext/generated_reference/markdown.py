"""Markdown tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ("code", "table")

_BARE_OPTION = re.compile(r"(?<![`\w-])(--[a-z][\w-]*)")


def code(text: object) -> str:
    """Return text in code type."""
    return f"`{text}`"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, or an empty string without rows."""
    lines = [_line(row) for row in rows]
    if not lines:
        return ""
    return "\n".join([_line(headings), _line(["---"] * len(headings)), *lines])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_cell(text) for text in cells)} |"


def _cell(text: str) -> str:
    """One line of text; options such as --gres in code type, since two hyphens become a dash elsewhere."""
    return _BARE_OPTION.sub(r"`\1`", " ".join(text.split())).replace("|", "\\|")
