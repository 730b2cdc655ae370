"""Energy of every pattern: the potential with its committee's spread beside DFT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aiida_redoxmlp.report.figures.style import AWARE, BASELINE, DFT, finish_plotly, new_figure
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.summary_schema import PatternSummary
from aiida_redoxmlp.report.wording import pattern_label

__all__ = ("MAX_PATTERNS", "PatternEnergies", "collect", "draw_matplotlib", "draw_plotly")

MAX_PATTERNS = 40
"""The lowest patterns are drawn; all are in the summary."""

_OFFSET = 0.16
_MAX_UPRIGHT = 12
_SERIES = {
    "mlp": ("potential (committee mean)", AWARE, "circle", "o", 0.0),
    "checked": ("DFT at the potential's geometry", DFT, "diamond", "D", _OFFSET),
    "elsewhere": ("DFT there, but on another pattern", DFT, "x-thin", "x", _OFFSET),
    "relaxed": ("DFT relaxation", BASELINE, "square", "s", 2 * _OFFSET),
}


@dataclass(frozen=True, eq=False)
class PatternEnergies:
    """Energies in meV a cell, each judge relative to its own lowest pattern; each of shape (n_patterns,).

    Attributes:
        labels: patterns in ascending energy of the potential.
        mlp: committee mean.
        mlp_std: standard deviation over the committee of the difference to the lowest pattern.
        members: each member's energy relative to its own of the lowest pattern, (n_members, n_patterns).
        checked: DFT at the potential's geometry where it landed on the pattern, else NaN.
        elsewhere: the same where it landed on another pattern, else NaN.
        relaxed: the last energy of a DFT relaxation, else NaN.
        n_left_out: patterns above those drawn.
    """

    labels: tuple[str, ...]
    mlp: NDArray[np.float64]
    mlp_std: NDArray[np.float64]
    members: NDArray[np.float64]
    checked: NDArray[np.float64]
    elsewhere: NDArray[np.float64]
    relaxed: NDArray[np.float64]
    n_left_out: int


def collect(graph: CampaignGraph, patterns: Sequence[PatternSummary]) -> PatternEnergies | None:
    """Prepare the comparison, or None when no judge knows two patterns yet."""
    shown = list(patterns[:MAX_PATTERNS])
    mlp = _column(shown, "energy_mlp_ev")
    dft, relaxed = _column(shown, "energy_dft_ev"), _column(shown, "energy_dft_relaxed_ev")
    if max(int(np.isfinite(energies).sum()) for energies in (mlp, dft, relaxed)) < 2:
        return None
    landed = np.array([one.pattern_found_by_dft == one.states for one in shown])
    checked = _relative(dft, np.where(landed, dft, np.nan) if (landed & np.isfinite(dft)).any() else dft)
    members = _members(graph, shown)
    return PatternEnergies(
        labels=tuple(pattern_label(one.states) for one in shown),
        mlp=_relative(mlp, mlp),
        mlp_std=members.std(axis=0) if len(members) else np.zeros(len(shown)),
        members=members,
        checked=np.where(landed, checked, np.nan),
        elsewhere=np.where(landed, np.nan, checked),
        relaxed=_relative(relaxed, relaxed),
        n_left_out=len(patterns) - len(shown),
    )


def _column(patterns: Sequence[PatternSummary], field: str) -> NDArray[np.float64]:
    return np.array([getattr(one, field) for one in patterns], dtype=np.float64)


def _relative(energies: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return energies (eV) in meV relative to the lowest of the reference."""
    finite = reference[np.isfinite(reference)]
    return 1000 * (energies - finite.min()) if len(finite) else np.full(len(energies), np.nan)


def _members(graph: CampaignGraph, shown: Sequence[PatternSummary]) -> NDArray[np.float64]:
    """Each member's energies in meV relative to its own of the lowest pattern, (n_members, n_patterns)."""
    by_states = {tuple(one["states"]): one["energies_ev"] for one in graph.report_of("search").get("patterns", [])}
    if any(tuple(one.states) not in by_states for one in shown):
        return np.empty((0, len(shown)))
    energies = np.array([by_states[tuple(one.states)] for one in shown], dtype=np.float64).T
    lowest = int(np.argmin(energies.mean(axis=0)))
    relative: NDArray[np.float64] = 1000 * (energies - energies[:, [lowest]])
    return relative


def draw_plotly(data: PatternEnergies) -> go.Figure:
    """Draw the ranking for the web page."""
    figure = go.Figure()
    positions = np.arange(len(data.labels), dtype=np.float64)
    for member, energies in enumerate(data.members):
        figure.add_trace(
            go.Scatter(
                x=positions - _OFFSET,
                y=energies,
                mode="markers",
                name="committee members",
                legendgroup="members",
                showlegend=member == 0,
                marker={"size": 6, "color": AWARE, "opacity": 0.45},
                hovertemplate=f"member {member}: %{{y:.1f}} meV<extra></extra>",
            )
        )
    for field, (name, colour, symbol, _, offset) in _SERIES.items():
        values = getattr(data, field)
        if not np.isfinite(values).any():
            continue
        spread = {"array": data.mlp_std, "color": colour, "thickness": 1.5, "width": 5} if field == "mlp" else None
        figure.add_trace(
            go.Scatter(
                x=positions + offset,
                y=values,
                mode="markers",
                name=name,
                error_y=spread,
                marker={"size": 11, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
                hovertemplate="%{y:.1f} meV<extra>" + name + "</extra>",
            )
        )
    figure.update_xaxes(
        title_text="redox pattern (states of the redox sites)",
        tickvals=positions,
        ticktext=list(data.labels),
        range=[-0.6, len(data.labels) - 0.4],
        tickangle=0 if len(data.labels) <= _MAX_UPRIGHT else -60,
        automargin=True,
    )
    figure.update_yaxes(title_text="energy − lowest / meV per cell")
    return finish_plotly(figure, height=430, legend_rows=2)


def draw_matplotlib(data: PatternEnergies) -> Figure:
    """Draw the ranking as a picture."""
    figure, axes = new_figure(1, 1, width=9.0, height=4.2)
    axis: Any = axes[0, 0]
    positions = np.arange(len(data.labels), dtype=np.float64)
    for member, energies in enumerate(data.members):
        label = "committee members" if member == 0 else None
        axis.scatter(positions - _OFFSET, energies, s=18, color=AWARE, alpha=0.45, linewidths=0, label=label)
    for field, (name, colour, _, marker, offset) in _SERIES.items():
        values = getattr(data, field)
        if not np.isfinite(values).any():
            continue
        if field == "mlp":
            axis.errorbar(positions, values, yerr=data.mlp_std, fmt="none", ecolor=colour, capsize=4, elinewidth=1.3)
        axis.scatter(positions + offset, values, s=52, color=colour, marker=marker, label=name, zorder=3)
    axis.set_xticks(positions, data.labels, rotation=0 if len(data.labels) <= _MAX_UPRIGHT else 60)
    axis.set_xlim(-0.6, len(data.labels) - 0.4)
    axis.set_xlabel("redox pattern (states of the redox sites)")
    axis.set_ylabel("energy − lowest / meV per cell")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure
