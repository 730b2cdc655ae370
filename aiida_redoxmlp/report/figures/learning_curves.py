"""Learning curves of the committee members."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.style import AWARE, BASELINE, DFT, finish_plotly, legend_entry, new_figure
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.process_graph import output_of

__all__ = ("LearningCurves", "MemberCurve", "collect", "draw_matplotlib", "draw_plotly", "log_ticks")

_PANELS = (
    ("Loss", ("loss_train", "loss_validation"), 1.0, "loss"),
    ("Validation energy", ("energy_mae_ev_per_atom",), 1000.0, "energy MAE / meV per atom"),
    ("Validation forces", ("force_mae_ev_per_angstrom",), 1000.0, "force MAE / meV per Å"),
)
"""Title, quantities (the last is the one that decides), factor to the axis' unit, axis title."""

_FEWEST_LOG_TICKS = 3
_COMMITTEES = {"train": ("redox-aware", AWARE), "baseline": ("redox-unaware", BASELINE)}


@dataclass(frozen=True, eq=False)
class MemberCurve:
    """One member's history.

    Attributes:
        committee: name of its committee.
        colour: colour of its committee.
        member: its number.
        epochs: shape (n_epochs,).
        quantities: what was logged every epoch, each of shape (n_epochs,); energies in eV, forces in eV/Å.
        best_epoch: the epoch whose weights were kept, where the training has ended.
    """

    committee: str
    colour: str
    member: int
    epochs: NDArray[np.float64]
    quantities: dict[str, NDArray[np.float64]]
    best_epoch: int | None


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """Histories of all members of both committees."""

    curves: tuple[MemberCurve, ...]

    @property
    def committees(self) -> list[tuple[str, str]]:
        """Name and colour of the committees."""
        return list(dict.fromkeys((curve.committee, curve.colour) for curve in self.curves))


def collect(graph: CampaignGraph) -> LearningCurves | None:
    """Read the histories, or None when no training has left one yet."""
    curves: list[MemberCurve] = []
    for job, (name, colour) in _COMMITTEES.items():
        history = output_of(graph.job(job), "history")
        if history is None:
            continue
        arrays = {key: np.asarray(history.get_array(key), dtype=np.float64) for key in history.get_arraynames()}
        best = graph.report_of(job).get("best_epochs", [])
        for member in sorted({int(number) for number in arrays["member"]}):
            mine = arrays["member"] == member
            order = np.argsort(arrays["epoch"][mine], kind="stable")
            quantities = {key: values[mine][order] for key, values in arrays.items() if len(values) == len(mine)}
            kept = int(best[member]) if member < len(best) else None
            curves.append(MemberCurve(name, colour, member, quantities["epoch"], quantities, kept))
    return LearningCurves(tuple(curves)) if curves else None


def log_ticks(values: NDArray[np.float64]) -> list[float]:
    """Return the ticks 1, 2, 5, 10, … within positive values; empty where a linear axis reads better."""
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) == 0 or len(positive) < len(values):
        return []
    low, high = float(positive.min()), float(positive.max())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    within = [tick for tick in ticks if low / 1.1 <= tick <= high * 1.1]
    return within if len(within) >= _FEWEST_LOG_TICKS else []


def _all_values(data: LearningCurves, quantities: tuple[str, ...], factor: float) -> NDArray[np.float64]:
    return factor * np.concatenate([curve.quantities[name] for curve in data.curves for name in quantities])


def draw_plotly(data: LearningCurves) -> go.Figure:
    """Draw the curves for the web page."""
    figure = make_subplots(rows=1, cols=3, horizontal_spacing=0.08, subplot_titles=[one[0] for one in _PANELS])
    for panel, (_, quantities, factor, label) in enumerate(_PANELS, start=1):
        for curve in data.curves:
            _add_curve(figure, curve, quantities, factor, panel)
        figure.update_yaxes(title_text=label, row=1, col=panel)
        if ticks := log_ticks(_all_values(data, quantities, factor)):
            texts = [f"{tick:g}" for tick in ticks]
            figure.update_yaxes(type="log", tickvals=ticks, ticktext=texts, row=1, col=panel)
    for name, colour in data.committees:
        figure.add_trace(legend_entry(f"{name}, one line a member", mode="lines", line={"color": colour, "width": 2}))
    figure.add_trace(legend_entry("training loss", mode="lines", line={"color": DFT, "width": 1, "dash": "dot"}))
    figure.add_trace(legend_entry("epoch kept", mode="markers", marker={"color": DFT, "size": 8, "symbol": "diamond"}))
    figure.update_xaxes(title_text="epoch", rangemode="tozero", tickformat="d")
    return finish_plotly(figure, height=410, legend_rows=1, title_px=28)


def _add_curve(figure: go.Figure, curve: MemberCurve, quantities: tuple[str, ...], factor: float, panel: int) -> None:
    common = {
        "showlegend": False,
        "hovertemplate": f"{curve.committee}, member {curve.member}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    }
    for name in quantities:
        line: dict[str, Any] = {"color": curve.colour, "width": 1.6}
        if name == "loss_train":
            line |= {"width": 1, "dash": "dot"}
        trace = go.Scatter(x=curve.epochs, y=factor * curve.quantities[name], mode="lines", line=line, **common)
        figure.add_trace(trace, row=1, col=panel)
    kept = curve.epochs == curve.best_epoch
    marker = {"color": curve.colour, "size": 9, "symbol": "diamond", "line": {"color": DFT, "width": 1}}
    points = factor * curve.quantities[quantities[-1]][kept]
    trace = go.Scatter(x=curve.epochs[kept], y=points, mode="markers", marker=marker, **common)
    figure.add_trace(trace, row=1, col=panel)


def draw_matplotlib(data: LearningCurves) -> Figure:
    """Draw the curves as a picture."""
    figure, axes = new_figure(1, 3, width=10.5, height=3.7)
    for axis, (title, quantities, factor, label) in zip(axes[0], _PANELS, strict=True):
        for curve in data.curves:
            _draw_curve(axis, curve, quantities, factor)
        if ticks := log_ticks(_all_values(data, quantities, factor)):
            axis.set_yscale("log")
            axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.yaxis.set_minor_locator(NullLocator())
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlim(left=0)
        axis.set_xlabel("epoch")
        axis.set_ylabel(label)
        axis.set_title(title, fontsize=10)
    handles = [Line2D([], [], color=colour, label=f"{name}, one line a member") for name, colour in data.committees]
    handles.append(Line2D([], [], color=DFT, linewidth=0.9, linestyle=":", label="training loss"))
    handles.append(Line2D([], [], color=DFT, linestyle="", marker="D", markersize=5, label="epoch kept"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _draw_curve(axis: Any, curve: MemberCurve, quantities: tuple[str, ...], factor: float) -> None:
    for name in quantities:
        width, dash = (0.9, ":") if name == "loss_train" else (1.2, "-")
        axis.plot(curve.epochs, factor * curve.quantities[name], color=curve.colour, linewidth=width, linestyle=dash)
    kept = curve.epochs == curve.best_epoch
    points = factor * curve.quantities[quantities[-1]][kept]
    axis.scatter(
        curve.epochs[kept], points, s=30, marker="D", color=curve.colour, edgecolors=DFT, linewidths=0.8, zorder=3
    )
