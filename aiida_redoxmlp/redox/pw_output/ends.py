"""The beginning and the end of a long pw.x output, for readers that hold the whole text in memory."""

from __future__ import annotations

import mmap
from pathlib import Path

__all__ = ("without_the_middle",)

_SCF_START = b"Self-consistent Calculation"
_LONG = 4_000_000
"""Bytes up to which an output is handed over whole."""


def without_the_middle(path: Path, *, longest: int = _LONG) -> bytes:
    """Return a pw.x output without the ionic steps between its first and its last ones.

    Args:
        path: the text.
        longest: bytes up to which the text is returned whole.
    """
    if path.stat().st_size <= longest:
        return path.read_bytes()
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
        head = text.find(_SCF_START, 0, longest)
        tail = text.find(_SCF_START, len(text) - longest // 2)
        if head < 0 or tail < 0:
            return text[: longest // 2] + text[-longest // 2 :]
        return text[:head] + text[tail:]
