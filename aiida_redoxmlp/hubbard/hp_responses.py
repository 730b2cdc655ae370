"""The files in which hp.x leaves finished responses, one an atom and wave vector and one an atom."""

from __future__ import annotations

import re

__all__ = ("is_whole_response", "response_of")

_NAME = re.compile(r"(?P<prefix>.+)\.(?P<kind>chi|dns)\.pert_(?P<atom>\d+)(?:\.q_(?P<q_point>\d+))?\.dat")
_SECTIONS = re.compile(r"^.*(?:Response occupation matrix|chi0? matrix).*$", re.MULTILINE)


def response_of(name: str) -> tuple[str, int, int] | None:
    """Return what a file holds, from its name: kind (``dns`` or ``chi``), atom and wave vector from 1, 0 for all.

    None for any other file.
    """
    found = _NAME.fullmatch(name)
    if found is None or (found["kind"] == "dns") != (found["q_point"] is not None):
        return None
    return found["kind"], int(found["atom"]), int(found["q_point"] or 0)


def is_whole_response(text: str) -> bool:
    """Whether a response was written to its end: the bare and the self-consistent part have as many numbers."""
    parts = _SECTIONS.split(text)[1:]
    if len(parts) != 2 or not text.endswith("\n"):
        return False
    bare, screened = (sum("." in line for line in part.splitlines()) for part in parts)
    return bare == screened > 0
