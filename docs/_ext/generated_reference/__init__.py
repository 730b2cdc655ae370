"""Sphinx extension: reference pages drawn from the code, so that they cannot fall behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ("setup",)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    # The tables are tested in environments without Sphinx; only this needs it.
    from generated_reference.directives import DIRECTIVES  # noqa: PLC0415

    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
