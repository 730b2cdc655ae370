"""What the selections of a loop looked at, as histograms that can be laid beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_redoxmlp.active_learning.records import BandCounts
from aiida_redoxmlp.report.loop_graph import SelectionJob
from aiida_redoxmlp.report.loop_schema import Histogram, SelectionSummary

__all__ = ("doubt_edges", "selection_summaries", "spread_edges")

_BINS_PER_DECADE = 10
_SPREAD_RANGE = (1e-4, 1e2)
"""Force spreads in eV/Å beyond which they are counted in the outermost bins."""

_DOUBT_BINS = 20


def selection_summaries(jobs: Mapping[int, SelectionJob]) -> dict[int, SelectionSummary]:
    """Return the summary of every selection; all histograms of a loop have the same bins.

    Args:
        jobs: the selections by iteration.
    """
    spreads = {number: job.report["force_spreads_ev_per_angstrom"] for number, job in jobs.items()}
    edges = spread_edges([value for values in spreads.values() for value in values])
    return {number: _summary(job, spreads[number], edges) for number, job in jobs.items()}


def spread_edges(values: Sequence[float]) -> NDArray[np.float64]:
    """Return bins of equal width on a logarithmic scale that hold force spreads in eV/Å, shape (n_bins + 1,)."""
    found = np.clip(np.asarray(values, dtype=np.float64), *_SPREAD_RANGE)
    if not len(found):
        return np.array(_SPREAD_RANGE)
    scaled = _BINS_PER_DECADE * np.log10(found)
    low, high = int(np.floor(scaled.min())), int(np.floor(scaled.max())) + 1
    edges: NDArray[np.float64] = 10.0 ** (np.arange(low, high + 1) / _BINS_PER_DECADE)
    return edges


def doubt_edges() -> NDArray[np.float64]:
    """Return bins of probabilities from 0 to 1."""
    return np.linspace(0.0, 1.0, _DOUBT_BINS + 1)


def _summary(job: SelectionJob, spreads: Sequence[float], edges: NDArray[np.float64]) -> SelectionSummary:
    band = job.settings.band
    doubts = [value for value in job.report["doubts"] if value is not None]
    return SelectionSummary(
        strategy=job.report["strategy"],
        n_explored=job.report["n_explored"],
        counts=BandCounts.model_validate(job.report["counts"]),
        n_requests=len(job.report["requests"]),
        floor_ev_per_angstrom=band.floor,
        ceiling_ev_per_angstrom=band.ceiling,
        doubt=job.settings.doubt,
        force_spreads=_histogram(spreads, edges) if spreads else None,
        doubts=_histogram(doubts, doubt_edges()) if doubts else None,
        uuid=job.node.uuid,
    )


def _histogram(values: ArrayLike, edges: NDArray[np.float64]) -> Histogram:
    within = np.clip(np.asarray(values, dtype=np.float64), edges[0], edges[-1])
    counts, _ = np.histogram(within, edges)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())
