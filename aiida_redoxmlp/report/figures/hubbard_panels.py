"""Drawing of U and V over the cycles, a panel each."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.end_labels import EndLabel, LineEnd, end_labels
from aiida_redoxmlp.report.figures.hubbard_cycles import Course, HubbardCycles, Panel
from aiida_redoxmlp.report.figures.style import (
    AMBIGUOUS,
    DFT,
    MATPLOTLIB_SYMBOLS,
    PLOTLY_SYMBOLS,
    finish_plotly,
    legend_entry,
    new_figure,
    with_alpha,
)

__all__ = ("draw_matplotlib", "draw_plotly")

_LINE = "#9A9A9A"
_BAND_ALPHA = 0.13
_PANEL_PX = 380
_LABEL_SPACING = 0.055
_LETTER = 0.0105
"""Share of a figure's width that a letter of a line's name takes."""

_BAND = "tolerance around the last value"
_CHANGED = "pattern changed"
_DOUBT = "pattern ambiguous"
_INPUT = "put in"


def draw_plotly(data: HubbardCycles) -> go.Figure:
    """Draw the cycles for the web page."""
    figure = make_subplots(
        rows=1,
        cols=len(data.panels),
        horizontal_spacing=0.08,
        subplot_titles=[panel.title for panel in data.panels],
    )
    for column, panel in enumerate(data.panels, start=1):
        where = {"row": 1, "col": column}
        for course, offset in zip(panel.courses, panel.offsets, strict=True):
            _add_course(figure, course, offset, data, where)
        _add_bands(figure, data, panel, where)
        _add_marks(figure, data, where)
        for label in _end_labels(panel):
            font = {"color": data.colours[label.key]}
            text = {"text": label.text, "xanchor": "left", "showarrow": False, "font": font}
            figure.add_annotation(x=data.n_cycles + 0.02 * _length(data), y=label.y, xshift=10, **text, **where)
        figure.update_xaxes(range=_x_range(data), tickvals=list(range(data.n_cycles + 1)), title_text="cycle", **where)
        figure.update_yaxes(title_text=f"{panel.symbol} / eV", range=panel.span, **where)
    for entry in _plotly_legend(data):
        figure.add_trace(entry)
    colours = [annotation.font.color for annotation in figure.layout.annotations]
    finish_plotly(figure, height=90 + _PANEL_PX, legend_rows=1, title_px=28)
    for annotation, colour in zip(figure.layout.annotations, colours, strict=True):
        if colour is not None:
            annotation.font.color = colour
    return figure


def _add_marks(figure: go.Figure, data: HubbardCycles, where: dict[str, int]) -> None:
    for cycle in data.ambiguous:
        band = {"fillcolor": AMBIGUOUS, "line_width": 0, "layer": "below", "opacity": 0.6}
        figure.add_vrect(x0=cycle - 0.3, x1=cycle + 0.3, **band, **where)
    for cycle in data.changed:
        figure.add_vline(x=cycle, line={"color": DFT, "width": 1.2, "dash": "dash"}, layer="below", **where)


def _add_bands(figure: go.Figure, data: HubbardCycles, panel: Panel, where: dict[str, int]) -> None:
    for value, colour in _bands(data, panel):
        figure.add_shape(
            type="rect",
            x0=_x_range(data)[0],
            x1=data.n_cycles,
            y0=value - (panel.tolerance or 0),
            y1=value + (panel.tolerance or 0),
            fillcolor=with_alpha(colour, _BAND_ALPHA),
            line_width=0,
            layer="below",
            **where,
        )


def _add_course(figure: go.Figure, course: Course, offset: float, data: HubbardCycles, where: dict[str, int]) -> None:
    colours = [data.colours[name] for name in course.species]
    symbols = [PLOTLY_SYMBOLS[data.species.index(name) % len(PLOTLY_SYMBOLS)] for name in course.species]
    n_pairs = f", mean of {course.n_values}" if course.n_values > 1 else ""
    texts = [
        f"cycle 0, {_INPUT}: {course.name}{n_pairs}",
        *(f"cycle {number}: {course.name} = {name}{n_pairs}" for number, name in enumerate(course.species, start=1)),
    ]
    trace = go.Scatter(
        x=_positions(data, offset),
        y=course.values,
        error_y={
            "type": "data",
            "array": course.highs - course.values,
            "arrayminus": course.values - course.lows,
            "visible": course.n_values > 1,
            "color": _LINE,
            "thickness": 1.2,
            "width": 5,
        },
        mode="lines+markers",
        line={"color": _LINE, "width": 1},
        marker={
            "symbol": ["circle", *symbols],
            "size": 10,
            "color": ["white", *colours],
            "line": {"width": 1.5, "color": [_LINE, *colours]},
            "opacity": 1,
        },
        text=texts,
        hovertemplate="%{text}<br>%{y:.4f} eV<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(trace, **where)


def _plotly_legend(data: HubbardCycles) -> list[Any]:
    entries = [
        legend_entry(
            name,
            mode="markers",
            marker={"symbol": PLOTLY_SYMBOLS[index % len(PLOTLY_SYMBOLS)], "size": 10, "color": data.colours[name]},
        )
        for index, name in enumerate(data.species)
    ]
    hollow = {"symbol": "circle-open", "size": 10, "color": _LINE, "line": {"width": 1.5}}
    entries.append(legend_entry(_INPUT, mode="markers", marker=hollow))
    if any(panel.tolerance for panel in data.panels):
        square = {"symbol": "square", "size": 14, "color": with_alpha(data.colours[data.species[0]], 2 * _BAND_ALPHA)}
        entries.append(legend_entry(_BAND, mode="markers", marker=square))
    if data.changed:
        entries.append(legend_entry(_CHANGED, mode="lines", line={"color": DFT, "width": 1.2, "dash": "dash"}))
    if data.ambiguous:
        square = {"symbol": "square", "size": 14, "color": AMBIGUOUS, "opacity": 0.6}
        entries.append(legend_entry(_DOUBT, mode="markers", marker=square))
    return entries


def draw_matplotlib(data: HubbardCycles) -> Figure:
    """Draw the cycles as a picture."""
    figure, axes = new_figure(1, len(data.panels), width=7.5 if len(data.panels) == 1 else 11.0, height=4.2)
    for axis, panel in zip(axes[0], data.panels, strict=True):
        _draw_panel(axis, panel, data)
    figure.legend(handles=_matplotlib_legend(data), loc="outside upper center", ncols=6, frameon=False, fontsize=9)
    return figure


def _draw_panel(axis: Any, panel: Panel, data: HubbardCycles) -> None:
    left = _x_range(data)[0]
    for cycle in data.ambiguous:
        axis.axvspan(cycle - 0.3, cycle + 0.3, color=AMBIGUOUS, alpha=0.6, linewidth=0)
    for cycle in data.changed:
        axis.axvline(cycle, color=DFT, linewidth=1.0, linestyle="--", zorder=1)
    for value, colour in _bands(data, panel):
        edges = [value - (panel.tolerance or 0)] * 2, [value + (panel.tolerance or 0)] * 2
        axis.fill_between([left, data.n_cycles], *edges, color=colour, alpha=_BAND_ALPHA, linewidth=0)
    for course, offset in zip(panel.courses, panel.offsets, strict=True):
        _draw_course(axis, course, offset, data)
    for label in _end_labels(panel):
        x = data.n_cycles + 0.05 * _length(data)
        axis.text(x, label.y, label.text, color=data.colours[label.key], fontsize=9, va="center", clip_on=True)
    axis.set_xlim(*_x_range(data))
    axis.set_ylim(*panel.span)
    axis.set_xticks(range(data.n_cycles + 1))
    axis.set_xlabel("cycle")
    axis.set_ylabel(f"{panel.symbol} / eV")
    axis.set_title(panel.title, fontsize=10)


def _draw_course(axis: Any, course: Course, offset: float, data: HubbardCycles) -> None:
    numbers = _positions(data, offset)
    axis.plot(numbers, course.values, color=_LINE, linewidth=0.9, zorder=2)
    if course.n_values > 1:
        ranges = (course.values - course.lows, course.highs - course.values)
        axis.errorbar(
            numbers, course.values, yerr=ranges, fmt="none", ecolor=_LINE, elinewidth=1.1, capsize=3, zorder=2
        )
    axis.scatter(0, course.values[0], s=42, marker="o", color="white", edgecolors=_LINE, linewidths=1.3, zorder=3)
    for number, value, name in zip(numbers[1:], course.values[1:], course.species, strict=True):
        marker = MATPLOTLIB_SYMBOLS[data.species.index(name) % len(MATPLOTLIB_SYMBOLS)]
        axis.scatter(number, value, s=42, marker=marker, color=data.colours[name], zorder=3)


def _matplotlib_legend(data: HubbardCycles) -> list[Any]:
    def point(name: str, marker: str, colour: str, face: str) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, color=colour, markerfacecolor=face, markersize=7, label=name)

    handles: list[Any] = [
        point(name, MATPLOTLIB_SYMBOLS[index % len(MATPLOTLIB_SYMBOLS)], data.colours[name], data.colours[name])
        for index, name in enumerate(data.species)
    ]
    handles.append(point(_INPUT, "o", _LINE, "white"))
    if any(panel.tolerance for panel in data.panels):
        handles.append(Patch(facecolor=data.colours[data.species[0]], alpha=2 * _BAND_ALPHA, label=_BAND))
    if data.changed:
        handles.append(Line2D([], [], linestyle="--", color=DFT, linewidth=1.0, label=_CHANGED))
    if data.ambiguous:
        handles.append(Patch(facecolor=AMBIGUOUS, alpha=0.6, label=_DOUBT))
    return handles


def _bands(data: HubbardCycles, panel: Panel) -> list[tuple[float, str]]:
    """Centres and colours of the tolerance bands; lines that end together share one."""
    if not panel.tolerance:
        return []
    found: dict[tuple[int, str], tuple[float, str]] = {}
    for course in panel.courses:
        value, name = float(course.values[-1]), course.species[-1]
        found.setdefault((round(2 * value / panel.tolerance), name), (value, data.colours[name]))
    return list(found.values())


def _end_labels(panel: Panel) -> list[EndLabel]:
    ends = [
        LineEnd(float(course.values[-1]), course.name, course.suffix, course.species[-1]) for course in panel.courses
    ]
    return end_labels(ends, panel.span, _LABEL_SPACING)


def _positions(data: HubbardCycles, offset: float) -> list[float]:
    """Where the points of a line are along the cycles; all lines start together."""
    return [0.0, *(number + offset for number in range(1, data.n_cycles + 1))]


def _length(data: HubbardCycles) -> float:
    low, high = _x_range(data)
    return high - low


def _x_range(data: HubbardCycles) -> tuple[float, float]:
    """Leave room for the names of the lines behind the last cycle."""
    longest = max(len(label.text) for panel in data.panels for label in _end_labels(panel))
    share = min(0.05 + _LETTER * len(data.panels) * longest, 0.4)
    used = data.n_cycles + 0.7
    return -0.35, data.n_cycles + 0.35 + used * share / (1 - share)
