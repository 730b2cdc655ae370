"""Learning curves of the committee members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.style import AWARE, BASELINE, DFT, finish_plotly, legend_entry, new_figure
from aiida_redoxmlp.report.graph import CampaignGraph, output_of

__all__ = ("LearningCurves", "MemberCurve", "collect", "draw_matplotlib", "draw_plotly")

_PANELS = (
    ("loss_validation", 1.0, "validation loss (solid), training loss (dotted)", "loss"),
    ("energy_mae_ev_per_atom", 1000.0, "energy MAE / meV per atom", "validation energy"),
    ("force_mae_ev_per_angstrom", 1000.0, "force MAE / meV Å^-1", "validation forces"),
)
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


def draw_plotly(data: LearningCurves) -> go.Figure:
    """Draw the curves for the web page."""
    figure = make_subplots(rows=1, cols=3, horizontal_spacing=0.08, subplot_titles=[one[3] for one in _PANELS])
    for panel, (quantity, factor, label, _) in enumerate(_PANELS, start=1):
        for curve in data.curves:
            _add_curve(figure, curve, quantity, factor, panel)
        text = label.replace("Å^-1", "Å<sup>−1</sup>").split(" (")[0]
        figure.update_yaxes(title_text="loss" if panel == 1 else text, row=1, col=panel)
    for name, colour in dict.fromkeys((curve.committee, curve.colour) for curve in data.curves):
        figure.add_trace(legend_entry(f"{name}, one line a member", mode="lines", line={"color": colour, "width": 2}))
    figure.add_trace(legend_entry("training loss", mode="lines", line={"color": DFT, "width": 1, "dash": "dot"}))
    figure.add_trace(legend_entry("epoch kept", mode="markers", marker={"color": DFT, "size": 8, "symbol": "diamond"}))
    figure.update_xaxes(title_text="epoch", rangemode="tozero")
    figure.update_yaxes(type="log", exponentformat="none", minor={"ticks": "outside", "ticklen": 3}, dtick=1)
    return finish_plotly(figure, height=410, legend_rows=1, title_px=28)


def _add_curve(figure: go.Figure, curve: MemberCurve, quantity: str, factor: float, panel: int) -> None:
    hover = f"{curve.committee}, member {curve.member}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>"
    lines = [(quantity, {"color": curve.colour, "width": 1.6})]
    if panel == 1:
        lines.insert(0, ("loss_train", {"color": curve.colour, "width": 1, "dash": "dot"}))
    for name, style in lines:
        values = factor * curve.quantities[name]
        figure.add_trace(
            go.Scatter(x=curve.epochs, y=values, mode="lines", line=style, showlegend=False, hovertemplate=hover),
            row=1,
            col=panel,
        )
    kept = curve.epochs == curve.best_epoch
    figure.add_trace(
        go.Scatter(
            x=curve.epochs[kept],
            y=factor * curve.quantities[quantity][kept],
            mode="markers",
            marker={
                "color": curve.colour,
                "size": 9,
                "symbol": "diamond",
                "line": {"color": DFT, "width": 1},
            },
            showlegend=False,
            hovertemplate=hover,
        ),
        row=1,
        col=panel,
    )


def draw_matplotlib(data: LearningCurves) -> Figure:
    """Draw the curves as a picture."""
    figure, axes = new_figure(1, 3, width=10.5, height=3.7)
    for axis, (quantity, factor, label, title) in zip(axes[0], _PANELS, strict=True):
        for curve in data.curves:
            _draw_curve(axis, curve, quantity, factor, with_training=quantity == "loss_validation")
        axis.set_yscale("log")
        axis.set_xlim(left=0)
        axis.set_xlabel("epoch")
        axis.set_ylabel("loss" if title == "loss" else label.replace("Å^-1", r"Å$^{-1}$"))
        axis.set_title(title, fontsize=10)
    handles = [
        Line2D([], [], color=colour, label=f"{name}, one line a member")
        for name, colour in dict.fromkeys((curve.committee, curve.colour) for curve in data.curves)
    ]
    handles.append(Line2D([], [], color=DFT, linewidth=0.9, linestyle=":", label="training loss"))
    handles.append(Line2D([], [], color=DFT, linestyle="", marker="D", markersize=5, label="epoch kept"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _draw_curve(axis: Any, curve: MemberCurve, quantity: str, factor: float, *, with_training: bool) -> None:
    values = factor * curve.quantities[quantity]
    if with_training:
        axis.plot(curve.epochs, curve.quantities["loss_train"], color=curve.colour, linewidth=0.9, linestyle=":")
    axis.plot(curve.epochs, values, color=curve.colour, linewidth=1.2)
    kept = curve.epochs == curve.best_epoch
    axis.scatter(
        curve.epochs[kept],
        values[kept],
        s=30,
        marker="D",
        color=curve.colour,
        edgecolors=DFT,
        linewidths=0.8,
        zorder=3,
    )
