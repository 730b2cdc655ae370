"""Reliability of the committees: error against spread on the held-out frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.learning_curves import log_ticks
from aiida_redoxmlp.report.figures.style import (
    AWARE,
    BASELINE,
    DFT,
    MATPLOTLIB_SYMBOLS,
    PLOTLY_SYMBOLS,
    finish_plotly,
    legend_entry,
    new_figure,
)
from aiida_redoxmlp.report.summary_schema import CommitteeErrors, HeldOutErrors
from aiida_redoxmlp.runners.jobs import CalibrationOutput

__all__ = ("Reliability", "ReliabilityCurve", "ReliabilityPanel", "collect", "draw_matplotlib", "draw_plotly")

_MOST_TICKS = 8
_PANELS = (
    ("Energy", "meV per atom", "energy_calibration"),
    ("Forces", "meV per Å", "force_calibration"),
)
_COMMITTEES = (("redox-aware", AWARE, 0, "redox_aware"), ("redox-unaware", BASELINE, 1, "baseline"))


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """One committee: root mean squares in the panel's unit, each of shape (n_bins,), and what sums them up."""

    name: str
    colour: str
    symbol: int
    spread: NDArray[np.float64]
    rmse: NDArray[np.float64]
    counts: tuple[int, ...]
    factor: float
    rank_correlation: float | None

    @property
    def summary(self) -> str:
        """Factor and rank correlation as text."""
        ranks = "" if self.rank_correlation is None else f", ρ = {self.rank_correlation:.2f}"
        return f"{self.name}: factor {self.factor:.2f}{ranks}"


@dataclass(frozen=True, eq=False)
class ReliabilityPanel:
    """The curves of one quantity."""

    title: str
    unit: str
    curves: tuple[ReliabilityCurve, ...]

    @property
    def limits(self) -> tuple[float, float]:
        """One range for both axes, on which all points fit; at least a decade."""
        values = np.concatenate([part for one in self.curves for part in (one.spread, one.rmse)])
        values = values[values > 0]
        low, high = float(values.min()) / 1.5, float(values.max()) * 1.5
        widen = max(1.0, float(np.sqrt(10 * low / high)))
        return low / widen, high * widen

    @property
    def ticks(self) -> list[float]:
        """Ticks for both axes: 1, 2, 5, 10, …, of many only the powers of ten."""
        ticks = log_ticks(np.array(self.limits))
        low, high = self.limits
        within = [tick for tick in ticks if low <= tick <= high]
        return within if len(within) <= _MOST_TICKS else [tick for tick in within if f"{tick:e}".startswith("1.0")]


@dataclass(frozen=True)
class Reliability:
    """The quantities that were calibrated."""

    panels: tuple[ReliabilityPanel, ...]


def collect(errors: HeldOutErrors) -> Reliability | None:
    """Prepare the curves, or None when no committee has a spread."""
    panels = []
    for title, unit, field in _PANELS:
        curves = []
        for name, colour, symbol, committee in _COMMITTEES:
            found: CommitteeErrors | None = getattr(errors, committee)
            calibration: CalibrationOutput | None = None if found is None else getattr(found, field)
            if calibration is not None and calibration.factor > 0:
                curves.append(_curve(calibration, name, colour, symbol))
        if curves:
            panels.append(ReliabilityPanel(title, unit, tuple(curves)))
    return Reliability(tuple(panels)) if panels else None


def _curve(calibration: CalibrationOutput, name: str, colour: str, symbol: int) -> ReliabilityCurve:
    return ReliabilityCurve(
        name=name,
        colour=colour,
        symbol=symbol,
        spread=1000 * np.array([one.spread for one in calibration.bins]),
        rmse=1000 * np.array([one.rmse for one in calibration.bins]),
        counts=tuple(one.n for one in calibration.bins),
        factor=calibration.factor,
        rank_correlation=calibration.rank_correlation,
    )


def draw_plotly(data: Reliability) -> go.Figure:
    """Draw the curves for the web page."""
    titles = [_heading(panel, "<br>") for panel in data.panels]
    figure = make_subplots(rows=1, cols=len(data.panels), subplot_titles=titles, horizontal_spacing=0.12)
    for column, panel in enumerate(data.panels, start=1):
        limits = panel.limits
        line = {"color": DFT, "width": 1, "dash": "dot"}
        figure.add_trace(
            go.Scatter(x=limits, y=limits, mode="lines", line=line, showlegend=False, hoverinfo="skip"),
            row=1,
            col=column,
        )
        for one in panel.curves:
            figure.add_trace(_points(one, panel.unit), row=1, col=column)
        axis: dict[str, Any] = {
            "type": "log",
            "range": np.log10(limits).tolist(),
            "tickvals": panel.ticks,
            "ticktext": [f"{tick:g}" for tick in panel.ticks],
        }
        figure.update_xaxes(title_text=f"spread / {panel.unit}", row=1, col=column, **axis)
        figure.update_yaxes(title_text=f"error / {panel.unit}", row=1, col=column, **axis)
    drawn = {one.name: one for panel in data.panels for one in panel.curves}
    for one in drawn.values():
        marker = {"symbol": PLOTLY_SYMBOLS[one.symbol], "size": 9, "color": one.colour}
        figure.add_trace(legend_entry(one.name, mode="lines+markers", marker=marker, line={"color": one.colour}))
    return finish_plotly(figure, height=470, legend_rows=1, title_px=56)


def _points(one: ReliabilityCurve, unit: str) -> go.Scatter:
    return go.Scatter(
        x=one.spread,
        y=one.rmse,
        mode="lines+markers",
        line={"color": one.colour, "width": 1.5},
        marker={"symbol": PLOTLY_SYMBOLS[one.symbol], "size": 8, "color": one.colour},
        customdata=one.counts,
        hovertemplate=f"%{{customdata}} predictions<br>spread %{{x:.3g}}, error %{{y:.3g}} {unit}"
        f"<extra>{one.name}</extra>",
        showlegend=False,
    )


def _heading(panel: ReliabilityPanel, newline: str) -> str:
    return newline.join([panel.title, *(one.summary for one in panel.curves)])


def draw_matplotlib(data: Reliability) -> Figure:
    """Draw the curves as a picture."""
    panels = len(data.panels)
    figure, axes = new_figure(1, panels, width=4.2 * panels, height=4.9)
    handles: dict[str, Line2D] = {}
    for axis, panel in zip(axes[0], data.panels, strict=True):
        limits = panel.limits
        axis.plot(limits, limits, color=DFT, linewidth=0.8, linestyle=":")
        for one in panel.curves:
            (line,) = axis.plot(
                one.spread,
                one.rmse,
                color=one.colour,
                marker=MATPLOTLIB_SYMBOLS[one.symbol],
                markersize=5,
                linewidth=1.3,
                label=one.name,
            )
            handles.setdefault(one.name, line)
        axis.set(xscale="log", yscale="log", xlim=limits, ylim=limits, box_aspect=1)
        labels = [f"{tick:g}" for tick in panel.ticks]
        axis.set_xticks(panel.ticks, labels)
        axis.set_yticks(panel.ticks, labels)
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_minor_locator(NullLocator())
        axis.set_title(_heading(panel, "\n"), fontsize=9)
        axis.set_xlabel(f"spread / {panel.unit}")
        axis.set_ylabel(f"error / {panel.unit}")
    figure.legend(
        handles=list(handles.values()), loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9
    )
    return figure
