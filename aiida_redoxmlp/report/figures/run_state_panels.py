"""Drawing of the oxidation states along a trajectory for the web page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.run_states import RunStates
from aiida_redoxmlp.report.figures.step_traces import boxes, thinned, value_range, with_gaps
from aiida_redoxmlp.report.figures.style import AMBIGUOUS, DFT, finish_plotly, legend_entry, with_alpha
from aiida_redoxmlp.report.trajectory_levels import TrajectoryPicture
from aiida_redoxmlp.report.wording import charge

__all__ = ("draw_plotly",)

_FEW_STEPS = 60
"""Steps up to which each is a point of its own."""

_POINTS = 60_000
"""Points that all lines of the levels may have together; of longer ones the extremes are drawn."""

_PIECES = 1500
_STRIP_PX, _STRIPS_MOST_PX, _LEVELS_PX, _BELOW_PX, _GAP_PX = 26, 520, 260, 170, 16
_STRIPS, _LEVELS, _BELOW = 1, 2, 3
_LEVEL_RANGE = (-0.03, 1.06)
_OTHER_LEVELS = "#BDBDBD"
_BAND = "rgba(240,228,66,0.45)"
_SWITCH = "#CC79A7"
_HATCH = "#8C8C8C"


def draw_plotly(data: RunStates) -> go.Figure:
    """Draw a part: states as strips, deciding levels with the threshold's band, temperature with the switches."""
    picture = data.picture
    strips_px = min(_STRIP_PX * len(picture.names) + 10, _STRIPS_MOST_PX)
    heights = [strips_px, _LEVELS_PX, _BELOW_PX]
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, row_heights=heights, vertical_spacing=_GAP_PX / (sum(heights) + 2 * _GAP_PX)
    )
    _add_strips(figure, data)
    _add_levels(figure, data)
    _add_temperatures(figure, data)
    _add_switch_lines(figure, data)
    _add_interventions(figure, data)
    for entry in _legend(data):
        figure.add_trace(entry)
    steps = data.along.steps
    figure.update_xaxes(range=[float(steps[0]) - 0.6, float(steps[-1]) + 0.6], tickformat="d")
    figure.update_xaxes(title_text="ionic step, from 0", row=_BELOW, col=1)
    figure.update_layout(barmode="overlay")
    finish_plotly(figure, height=sum(heights) + 2 * _GAP_PX + 140, legend_rows=2)
    figure.update_yaxes(showgrid=False, showline=False, ticks="", row=_STRIPS, col=1)
    figure.update_xaxes(showgrid=False, showline=False, ticks="", row=_STRIPS, col=1)
    return figure


def _add_strips(figure: go.Figure, data: RunStates) -> None:
    picture = data.picture
    n_sites = len(picture.names)
    for species, colour in data.colours.items():
        runs = [run for run in picture.runs if run.species == species]
        texts = [
            f"{picture.names[run.row]} = {species}: steps {run.start + 0.5:.0f} to {run.start + run.length - 0.5:.0f}"
            for run in runs
        ]
        bars = go.Bar(
            orientation="h",
            base=[run.start for run in runs],
            x=[run.length for run in runs],
            y=[run.row for run in runs],
            width=0.84,
            marker={"color": colour, "line": {"width": 0}},
            hovertext=texts,
            hovertemplate="%{hovertext}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(bars, row=_STRIPS, col=1)
    if picture.doubtful:
        hatch = {"shape": "/", "fgcolor": _HATCH, "bgcolor": "rgba(255,255,255,0.6)", "size": 6, "solidity": 0.25}
        shade = boxes(picture.doubtful, -0.42, n_sites - 0.58)
        figure.add_trace(go.Scatter(**shade, fillpattern=hatch), row=_STRIPS, col=1)
    rows = {site: row for row, site in enumerate(picture.trajectory.sites)}
    for sure in (True, False):
        hops = [hop for hop in picture.hops if hop.unique is sure]
        if hops:
            ends = [(_middle(hop.last_step_before, hop.first_step_after), hop) for hop in hops]
            figure.add_trace(_arrows([(x, rows[h.from_site], rows[h.to_site]) for x, h in ends], sure), row=1, col=1)
    every = -(-n_sites // 24)
    figure.update_yaxes(
        range=[n_sites - 0.5, -0.5],
        tickvals=list(range(0, n_sites, every)),
        ticktext=picture.names[::every],
        row=_STRIPS,
        col=1,
    )


def _arrows(ends: Sequence[tuple[float, int, int]], sure: bool) -> go.Scatter:
    """Return arrows from the site an electron left to the one it went to."""
    return go.Scatter(
        x=[value for x, _, _ in ends for value in (x, x, None)],
        y=[value for _, start, end in ends for value in (start, end, None)],
        mode="lines+markers",
        line={"color": DFT, "width": 1.6, "dash": "solid" if sure else "dot"},
        marker={"symbol": "arrow", "angleref": "previous", "size": [0, 13, 0] * len(ends), "color": DFT},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_levels(figure: go.Figure, data: RunStates) -> None:
    picture, steps = data.picture, data.along.steps
    where: dict[str, Any] = {"row": _LEVELS, "col": 1}
    below: dict[str, Any] = {"layer": "below", "exclude_empty_subplots": False, **where}
    for threshold, width in picture.bands:
        figure.add_hrect(y0=threshold - width, y1=threshold + width, fillcolor=_BAND, line_width=0, **below)
        figure.add_hline(y=threshold, line={"color": DFT, "width": 1, "dash": "dot"}, **below)
    if picture.doubtful:
        shade = boxes(picture.doubtful, *_LEVEL_RANGE)
        figure.add_trace(go.Scatter(**shade, fillcolor=with_alpha(AMBIGUOUS, 0.7)), **where)
    others = data.along.eigenvalues.reshape(len(steps), -1).T
    others = others[np.isfinite(others).any(axis=1)]
    pieces = max(50, _POINTS // (2 * max(len(others) + 2 * len(picture.names), 1)))
    thin = [thinned(steps, values, pieces) for values in others]
    lines = {"mode": "lines", "line": {"color": _OTHER_LEVELS, "width": 0.7}, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(x=with_gaps(x for x, _ in thin), y=with_gaps(y for _, y in thin), **lines), **where)
    for trace in _deciding(data, pieces):
        figure.add_trace(trace, **where)
    figure.update_yaxes(title_text="occupation", range=list(_LEVEL_RANGE), **where)


def _deciding(data: RunStates, pieces: int) -> Iterable[go.Scatter]:
    """Yield the two levels of every site that decide its state, a trace a species so that colours follow."""
    picture, steps = data.picture, data.along.steps
    few = len(steps) <= _FEW_STEPS
    for meaning, values in (("smallest full level", picture.last_full), ("largest empty level", picture.first_empty)):
        for species, colour in data.colours.items():
            x: list[NDArray[Any]] = []
            y: list[NDArray[Any]] = []
            texts: list[str] = []
            for run in (run for run in picture.runs if run.species == species):
                first, last = np.searchsorted(steps, [run.start, run.start + run.length])
                own = max(1, round(pieces * (last - first) / len(steps)))
                one_x, one_y = thinned(steps[first:last], values[first:last, run.row], own)
                x.append(one_x)
                y.append(one_y)
                texts += [*([f"{picture.names[run.row]} = {species}"] * len(one_x)), ""] if few else []
            face = colour if meaning.startswith("smallest") else "white"
            yield go.Scatter(
                x=with_gaps(x),
                y=with_gaps(y),
                mode="lines+markers" if few else "lines",
                line={"color": colour, "width": 1.6 if few else 1.2},
                marker={"size": 7, "color": face, "line": {"width": 1.5, "color": colour}},
                text=texts or None,
                hovertemplate=f"step %{{x}}: {'%{text}' if few else species}<br>{meaning} %{{y:.3f}}<extra></extra>",
                showlegend=False,
            )


def _add_temperatures(figure: go.Figure, data: RunStates) -> None:
    picture, steps = data.picture, data.along.steps
    where: dict[str, Any] = {"row": _BELOW, "col": 1}
    temperatures = data.along.temperatures
    if temperatures is None:
        return
    low, high = value_range(temperatures)
    if picture.doubtful:
        figure.add_trace(
            go.Scatter(**boxes(picture.doubtful, low, high), fillcolor=with_alpha(AMBIGUOUS, 0.7)), **where
        )
    x, y = thinned(steps, temperatures, _PIECES)
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers" if len(steps) <= _FEW_STEPS else "lines",
            line={"color": DFT, "width": 1.2},
            marker={"size": 4, "color": DFT},
            hovertemplate="step %{x}: %{y:.0f} K<extra></extra>",
            showlegend=False,
        ),
        **where,
    )
    places = sorted({event.interval for event in picture.events})
    if places:
        figure.add_trace(
            go.Scatter(
                x=[_middle(*place) for place in places],
                y=[_mean_inside(steps, temperatures, place) for place in places],
                mode="markers",
                marker={"symbol": "diamond", "size": 10, "color": _SWITCH, "line": {"width": 1, "color": DFT}},
                text=[_told(picture, place) for place in places],
                hovertemplate="%{text}<br>mean %{y:.0f} K<extra></extra>",
                showlegend=False,
            ),
            **where,
        )
    figure.update_yaxes(title_text="temperature / K", range=[low, high], **where)


def _told(picture: TrajectoryPicture, place: tuple[int, int]) -> str:
    """Return the switches between two steps, a line each."""
    names = dict(zip(picture.trajectory.sites, picture.names, strict=True))
    lines = [
        f"{names[event.site]}: {charge(event.before)} → {charge(event.after)}"
        for event in picture.events
        if event.interval == place
    ]
    return "<br>".join([f"between steps {place[0]} and {place[1]}", *lines])


def _add_switch_lines(figure: go.Figure, data: RunStates) -> None:
    places = sorted({_middle(*event.interval) for event in data.picture.events})
    if not places:
        return
    temperatures = data.along.temperatures
    below = (0.0, 1.0) if temperatures is None else value_range(temperatures)
    for row, (low, high) in ((_LEVELS, _LEVEL_RANGE), (_BELOW, below)):
        figure.add_trace(
            go.Scatter(
                x=[value for x in places for value in (x, x, None)],
                y=[low, high, None] * len(places),
                mode="lines",
                line={"color": DFT, "width": 1, "dash": "dash"},
                hoverinfo="skip",
                showlegend=False,
            ),
            row=row,
            col=1,
        )


def _add_interventions(figure: go.Figure, data: RunStates) -> None:
    for one in data.interventions:
        figure.add_vline(x=one.step + 0.5, line={"color": _HATCH, "width": 2}, layer="below", row=_BELOW, col=1)
        figure.add_annotation(
            x=one.step + 0.5,
            y=1,
            yref="y3 domain",
            text=one.text,
            showarrow=False,
            xanchor="left",
            yanchor="top",
            xshift=3,
            row=_BELOW,
            col=1,
        )


def _legend(data: RunStates) -> Iterable[Any]:
    square = {"symbol": "square", "size": 13}
    for species, colour in data.colours.items():
        yield legend_entry(species, mode="markers", marker={**square, "color": colour})
    if len(data.along) <= _FEW_STEPS:
        dot = {"size": 8, "line": {"width": 1.5, "color": DFT}}
        yield legend_entry("smallest full level", mode="markers", marker={**dot, "color": DFT})
        yield legend_entry("largest empty level", mode="markers", marker={**dot, "color": "white"})
    else:
        yield legend_entry("levels that decide", mode="lines", line={"color": DFT, "width": 1.4})
    yield legend_entry("other levels", mode="lines", line={"color": _OTHER_LEVELS, "width": 1})
    yield legend_entry("threshold ± width", mode="markers", marker={**square, "color": _BAND})
    if data.picture.doubtful:
        yield legend_entry("ambiguous", mode="markers", marker={**square, "color": AMBIGUOUS})
    if data.picture.events:
        diamond = {"symbol": "diamond", "size": 10, "color": _SWITCH, "line": {"width": 1, "color": DFT}}
        yield legend_entry(
            "switch", mode="lines+markers", line={"color": DFT, "width": 1, "dash": "dash"}, marker=diamond
        )
    if data.picture.hops:
        yield legend_entry("electron hop", mode="markers", marker={"symbol": "arrow-down", "size": 12, "color": DFT})


def _mean_inside(steps: NDArray[np.int64], values: NDArray[np.float64], place: tuple[int, int]) -> float | None:
    inside = (steps >= place[0]) & (steps <= place[1]) & np.isfinite(values)
    return float(values[inside].mean()) if inside.any() else None


def _middle(first: float, second: float) -> float:
    return 0.5 * (first + second)
