"""Pieces of traces along the ionic steps of a trajectory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.report.trajectory_levels import envelope

__all__ = ("boxes", "thinned", "value_range", "with_gaps")


def boxes(spans: Sequence[tuple[float, float]], low: float, high: float) -> dict[str, Any]:
    """Return boxes, each a start and a length on the axis of steps, as one trace."""
    return {
        "x": [value for start, length in spans for value in (start, start, start + length, start + length, None)],
        "y": [low, high, high, low, None] * len(spans),
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def thinned(x: NDArray[Any], y: NDArray[Any], pieces: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the points that draw the same line, with the extremes of each of so many pieces."""
    rows = envelope(y, pieces)
    return x[rows], np.round(y[rows], 5)


def with_gaps(lines: Iterable[NDArray[Any]]) -> list[float | None]:
    """Join lines to one, with a gap after each."""
    return [value for line in lines for value in (*line.tolist(), None)]


def value_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return an axis that holds the values, with some room."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    room = 0.08 * max(high - low, 1.0)
    return low - room, high + room
