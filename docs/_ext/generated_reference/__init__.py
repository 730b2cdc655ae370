"""Sphinx extension: reference pages drawn from the code, so that they cannot fall behind it."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from generated_reference.directives import DIRECTIVES

__all__ = ("setup",)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
