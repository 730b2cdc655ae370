"""What the committee of a loop did not know of the candidates of each iteration, with the band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.learning_curves import log_ticks
from aiida_redoxmlp.report.figures.style import AWARE, DFT, finish_plotly, legend_entry, new_figure, with_alpha
from aiida_redoxmlp.report.loop_schema import Histogram, LoopSummary, SelectionSummary

__all__ = ("LoopUncertainty", "collect", "draw_matplotlib", "draw_plotly")

_MOST_ROWS = 8
_ROW_PX = 130
_HEADROOM = 1.3
"""Height of a panel over that of its highest bar, for the words in it."""
_BAND_COLOUR, _BAND_ALPHA = "#E69F00", 0.22
_BAND, _DOUBT = "candidate band", "electrons in doubt from here"
_TITLES = ("Largest force spread / eV per Å", "Probability of another lowest pattern")


@dataclass(frozen=True)
class LoopUncertainty:
    """Selections of some iterations.

    Attributes:
        rows: number of the iteration and its selection.
        n_left_out: iterations in between that are not drawn.
    """

    rows: tuple[tuple[int, SelectionSummary], ...]
    n_left_out: int

    @property
    def has_doubts(self) -> bool:
        """Whether the electrons were asked about."""
        return any(one.doubts is not None for _, one in self.rows)

    @property
    def spread_range(self) -> tuple[float, float]:
        """Range of force spreads in eV/Å that holds all candidates and the finite ends of the bands."""
        ends = [edge for _, one in self.rows if one.force_spreads is not None for edge in one.force_spreads.edges]
        for _, one in self.rows:
            ends += [one.floor_ev_per_angstrom, one.ceiling_ev_per_angstrom or 0.0]
        positive = [end for end in ends if end > 0]
        return min(positive) / 1.1, max(positive) * 1.1

    @property
    def ticks(self) -> list[float]:
        """Ticks of the force spreads; of many only the powers of ten."""
        low, high = self.spread_range
        ticks = [tick for tick in log_ticks(np.array([low, high])) if low <= tick <= high]
        return ticks if len(ticks) <= _MOST_ROWS else [tick for tick in ticks if f"{tick:e}".startswith("1.0")]

    def band(self, selection: SelectionSummary) -> tuple[float, float]:
        """Return where the band begins and ends on the axis."""
        low, high = self.spread_range
        ceiling = selection.ceiling_ev_per_angstrom
        return max(selection.floor_ev_per_angstrom, low), high if ceiling is None else ceiling


def collect(summary: LoopSummary) -> LoopUncertainty | None:
    """Choose the iterations to draw: all, or of many the first, the last and some between; None without any."""
    found = [
        (one.number, one.selection)
        for one in summary.iterations
        if one.selection is not None and one.selection.force_spreads is not None
    ]
    if not found:
        return None
    places = np.unique(np.linspace(0, len(found) - 1, min(len(found), _MOST_ROWS)).round().astype(int))
    return LoopUncertainty(tuple(found[place] for place in places.tolist()), len(found) - len(places))


def _shares(histogram: Histogram) -> list[float]:
    """Return the counts in per cent of the candidates."""
    total = sum(histogram.counts) or 1
    return [100 * count / total for count in histogram.counts]


def _told(selection: SelectionSummary) -> tuple[str, str]:
    """Return what the panels of an iteration come to, in words."""
    counts = selection.counts
    forces = f"{counts.n_uncertain_forces} of {counts.n_candidates} in the band, {counts.n_too_far} above"
    return forces, f"{counts.n_uncertain_electrons} of {counts.n_candidates} in doubt"


def _panels(data: LoopUncertainty, selection: SelectionSummary) -> list[Histogram | None]:
    return [selection.force_spreads, selection.doubts][: 2 if data.has_doubts else 1]


def draw_plotly(data: LoopUncertainty) -> go.Figure:
    """Draw the histograms for the web page, an iteration below the other."""
    columns, n_rows = 2 if data.has_doubts else 1, len(data.rows)
    gap = min(0.25 / n_rows, 0.06)
    figure = make_subplots(rows=n_rows, cols=columns, shared_xaxes=True, vertical_spacing=gap, horizontal_spacing=0.08)
    for row, (number, selection) in enumerate(data.rows, start=1):
        for column, histogram in enumerate(_panels(data, selection), start=1):
            if histogram is not None:
                figure.add_trace(_bars(histogram, number), row=row, col=column)
                _add_words(figure, histogram, _told(selection)[column - 1], {"row": row, "col": column})
        low, high = data.band(selection)
        band = {"fillcolor": with_alpha(_BAND_COLOUR, _BAND_ALPHA), "line_width": 0, "layer": "below"}
        figure.add_vrect(x0=low, x1=high, **band, row=row, col=1)
        figure.update_yaxes(title_text=f"iteration {number}<br>share / %", row=row, col=1)
        if columns == 2:
            line = {"color": DFT, "width": 1.2, "dash": "dash"}
            figure.add_vline(x=selection.doubt, line=line, row=row, col=2)
    limits = np.log10(data.spread_range).tolist()
    texts = [f"{tick:g}" for tick in data.ticks]
    figure.update_xaxes(type="log", range=limits, tickvals=data.ticks, ticktext=texts, col=1)
    if columns == 2:
        figure.update_xaxes(range=[0, 1], col=2)
    for column in range(columns):
        figure.update_xaxes(title_text=_TITLES[column], row=n_rows, col=column + 1)
    square = {"symbol": "square", "size": 14, "color": with_alpha(_BAND_COLOUR, 2 * _BAND_ALPHA)}
    figure.add_trace(legend_entry(_BAND, mode="markers", marker=square))
    if columns == 2:
        figure.add_trace(legend_entry(_DOUBT, mode="lines", line={"color": DFT, "width": 1.2, "dash": "dash"}))
    return finish_plotly(figure, height=110 + _ROW_PX * n_rows, legend_rows=1)


def _add_words(figure: go.Figure, histogram: Histogram, text: str, where: dict[str, int]) -> None:
    place = {"xref": "x domain", "yref": "y domain", "x": 0.99, "y": 0.98, "xanchor": "right", "yanchor": "top"}
    figure.add_annotation(text=text, showarrow=False, **place, **where)
    figure.update_yaxes(range=[0, _HEADROOM * max(_shares(histogram))], **where)


def _bars(histogram: Histogram, number: int) -> go.Scatter:
    """Return a histogram as a filled outline, which a logarithmic axis draws as well as a linear one."""
    xs, ys = _outline(histogram)
    return go.Scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"color": AWARE, "width": 1},
        fill="tozeroy",
        fillcolor=with_alpha(AWARE, 0.75),
        hovertemplate=f"iteration {number}, at %{{x:.3g}}: %{{y:.1f}} % of the candidates<extra></extra>",
        showlegend=False,
    )


def _outline(histogram: Histogram) -> tuple[list[float], list[float]]:
    xs = np.repeat(histogram.edges, 2)
    ys = np.concatenate([[0.0], np.repeat(_shares(histogram), 2), [0.0]])
    return xs.tolist(), ys.tolist()


def draw_matplotlib(data: LoopUncertainty) -> Figure:
    """Draw the histograms as a picture."""
    columns, n_rows = 2 if data.has_doubts else 1, len(data.rows)
    height = 1.2 + 1.15 * n_rows
    figure, axes = new_figure(n_rows, columns, width=5.2 * columns, height=height, sharex="col")
    for (number, selection), row in zip(data.rows, axes, strict=True):
        for axis, histogram, text in zip(row, _panels(data, selection), _told(selection), strict=False):
            if histogram is not None:
                axis.fill_between(*_outline(histogram), color=AWARE, alpha=0.8, linewidth=0)
                axis.set_ylim(0, _HEADROOM * max(_shares(histogram)))
                axis.text(0.99, 0.96, text, transform=axis.transAxes, ha="right", va="top", fontsize=8)
        row[0].axvspan(*data.band(selection), color=_BAND_COLOUR, alpha=_BAND_ALPHA, linewidth=0, zorder=0)
        row[0].set_ylabel(f"iteration {number}\nshare / %", fontsize=9)
        if columns == 2:
            row[1].axvline(selection.doubt, color=DFT, linewidth=1.0, linestyle="--")
    _finish_axes(axes, data)
    handles: list[Any] = [Patch(color=_BAND_COLOUR, alpha=2 * _BAND_ALPHA, label=_BAND)]
    if columns == 2:
        handles.append(Line2D([], [], color=DFT, linewidth=1.0, linestyle="--", label=_DOUBT))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _finish_axes(axes: Any, data: LoopUncertainty) -> None:
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xlim(*data.spread_range)
    for axis in axes[:, 0]:
        axis.set_xticks(data.ticks, [f"{tick:g}" for tick in data.ticks])
        axis.xaxis.set_minor_locator(NullLocator())
    for axis, title in zip(axes[-1], _TITLES, strict=False):
        axis.set_xlabel(title)
    if axes.shape[1] == 2:
        axes[0, 1].set_xlim(0, 1)
