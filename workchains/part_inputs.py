"""The inputs of a work chain's part that does DFT, from the part's own protocol."""

from __future__ import annotations

from typing import Any

__all__ = ("PROVIDED_BY_CALLER", "inputs_of")

PROVIDED_BY_CALLER = ("structure", "pattern", "redox")
"""Inputs of labels and trajectories that the work chain above fills in itself."""


def inputs_of(work_chain: Any, *arguments: Any, **settings: Any) -> dict[str, Any]:
    """Return the inputs of a part from its protocol, without those that the caller fills in.

    Args:
        work_chain: class of the part.
        arguments: passed to its ``get_builder_from_protocol``.
        settings: the same.
    """
    builder = work_chain.get_builder_from_protocol(*arguments, **settings)
    inputs = builder._inputs(prune=True)  # noqa: SLF001 - a builder has no public way to hand its inputs on
    return {key: value for key, value in inputs.items() if key not in (*PROVIDED_BY_CALLER, "metadata")}
