"""Errors of a loop's potentials over its iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from plotly.subplots import make_subplots

from aiida_redoxmlp.active_learning.records import FreshErrors
from aiida_redoxmlp.report.figures.style import AWARE, BASELINE, DFT, finish_plotly, legend_entry, new_figure
from aiida_redoxmlp.report.loop_schema import LoopSummary

__all__ = ("ErrorPanel", "LoopErrors", "collect", "draw_matplotlib", "draw_plotly")

_FRESH, _HELD_OUT, _RULE = "fresh labels, before training on them", "held-out frames, after training", "stopping rule"
_LOOKS = {_FRESH: (AWARE, "circle", "o"), _HELD_OUT: (BASELINE, "square", "s")}
_QUANTITIES = (
    ("Forces", "force MAE / meV per Å", "force_mae_ev_per_angstrom", 1000.0, "force_mae"),
    ("Energies", "energy MAE / meV per atom", "energy_mae_ev_per_atom", 1000.0, None),
    ("Patterns", "pattern recovery / %", "pattern_recovery", 100.0, "pattern_recovery"),
)
"""Title, axis title, field of the errors, factor to the axis' unit, stopping rule."""


@dataclass(frozen=True)
class ErrorPanel:
    """One quantity.

    Attributes:
        title: heading.
        label: axis title.
        lines: by name the iterations, the values in the axis' unit and the numbers of labels.
        limit: where the stopping rule is, in the axis' unit.
    """

    title: str
    label: str
    lines: dict[str, tuple[list[int], list[float], list[int]]]
    limit: float | None

    @property
    def highest(self) -> float:
        """End of the axis, which begins at 0."""
        if "%" in self.label:
            return 105.0
        values = [value for _, line, _ in self.lines.values() for value in line]
        return 1.1 * max([*values, self.limit or 0.0])


@dataclass(frozen=True)
class LoopErrors:
    """All quantities, and the number of the last iteration."""

    panels: tuple[ErrorPanel, ...]
    last: int


def collect(summary: LoopSummary) -> LoopErrors | None:
    """Prepare the panels, or None before anything was judged."""
    records = summary.ended
    panels = []
    for title, label, field, factor, rule in _QUANTITIES:
        lines = {
            name: line
            for name, errors in (
                (_FRESH, [(one.number, one.errors_before) for one in records]),
                (_HELD_OUT, [(one.number, one.errors_after) for one in records]),
            )
            if (line := _line(errors, field, factor))[0]
        }
        limit = None if rule is None or summary.rules is None else getattr(summary.rules, rule)
        if lines:
            panels.append(ErrorPanel(title, label, lines, None if limit is None else factor * limit))
    return LoopErrors(tuple(panels), records[-1].number) if panels else None


def _line(
    errors: list[tuple[int, FreshErrors | None]], field: str, factor: float
) -> tuple[list[int], list[float], list[int]]:
    known = [
        (number, factor * value, one.n_labels)
        for number, one in errors
        if one is not None and (value := getattr(one, field)) is not None
    ]
    return [number for number, *_ in known], [value for _, value, _ in known], [count for *_, count in known]


def draw_plotly(data: LoopErrors) -> go.Figure:
    """Draw the errors for the web page."""
    titles = [panel.title for panel in data.panels]
    figure = make_subplots(rows=1, cols=len(titles), horizontal_spacing=0.09, subplot_titles=titles)
    for column, panel in enumerate(data.panels, start=1):
        for name, (numbers, values, counts) in panel.lines.items():
            colour, symbol, _ = _LOOKS[name]
            trace = go.Scatter(
                x=numbers,
                y=values,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"symbol": symbol, "size": 9, "color": colour},
                customdata=counts,
                hovertemplate=f"iteration %{{x}}: %{{y:.3g}}<br>%{{customdata}} of {name}<extra></extra>",
                showlegend=False,
            )
            figure.add_trace(trace, row=1, col=column)
        if panel.limit is not None:
            line = {"color": DFT, "width": 1.2, "dash": "dash"}
            figure.add_hline(y=panel.limit, line=line, row=1, col=column)
        figure.update_yaxes(title_text=panel.label, range=[0, panel.highest], row=1, col=column)
    for name in _named(data):
        colour, symbol, _ = _LOOKS[name]
        marker = {"symbol": symbol, "size": 9, "color": colour}
        figure.add_trace(legend_entry(name, mode="lines+markers", marker=marker, line={"color": colour, "width": 2}))
    if _has_limit(data):
        figure.add_trace(legend_entry(_RULE, mode="lines", line={"color": DFT, "width": 1.2, "dash": "dash"}))
    figure.update_xaxes(title_text="iteration", range=[-0.3, data.last + 0.3], tickformat="d", dtick=_step(data.last))
    return finish_plotly(figure, height=390, legend_rows=1, title_px=28)


def draw_matplotlib(data: LoopErrors) -> Figure:
    """Draw the errors as a picture."""
    figure, axes = new_figure(1, len(data.panels), width=3.6 * len(data.panels), height=3.6)
    for axis, panel in zip(axes[0], data.panels, strict=True):
        _draw_panel(axis, panel, data.last)
    handles = [
        Line2D([], [], color=_LOOKS[name][0], marker=_LOOKS[name][2], markersize=6, label=name) for name in _named(data)
    ]
    if _has_limit(data):
        handles.append(Line2D([], [], color=DFT, linewidth=1.0, linestyle="--", label=_RULE))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _draw_panel(axis: Any, panel: ErrorPanel, last: int) -> None:
    for name, (numbers, values, _) in panel.lines.items():
        colour, _, marker = _LOOKS[name]
        axis.plot(numbers, values, color=colour, marker=marker, markersize=6, linewidth=1.6)
    if panel.limit is not None:
        axis.axhline(panel.limit, color=DFT, linewidth=1.0, linestyle="--", zorder=1)
    axis.set(xlim=(-0.3, last + 0.3), ylim=(0, panel.highest), xlabel="iteration", ylabel=panel.label)
    axis.set_title(panel.title, fontsize=10)
    axis.set_xticks(range(0, last + 1, _step(last)))


def _named(data: LoopErrors) -> list[str]:
    return [name for name in _LOOKS if any(name in panel.lines for panel in data.panels)]


def _has_limit(data: LoopErrors) -> bool:
    return any(panel.limit is not None for panel in data.panels)


def _step(last: int) -> int:
    """Return how many iterations apart ticks are, so that there are ten at most."""
    return last // 10 + 1
