"""Drawing of the oxidation states along trajectories, a panel a pw.x run."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.style import (
    AMBIGUOUS,
    DFT,
    MATPLOTLIB_SYMBOLS,
    PLOTLY_SYMBOLS,
    finish_plotly,
    legend_entry,
    new_figure,
)
from aiida_redoxmlp.report.figures.trajectories import Trajectories, Trajectory

__all__ = ("draw_matplotlib", "draw_plotly")

_COLUMNS = 2
_ROW_PX = 250
_GAP_PX = 80
_LINE = "#9A9A9A"
_SIZES_PX = (13, 9, 7)
"""Later sites are drawn on top, smaller, so that sites whose levels coincide are all seen."""


def draw_plotly(data: Trajectories) -> go.Figure:
    """Draw the trajectories for the web page."""
    columns = min(_COLUMNS, len(data.runs))
    rows = -(-len(data.runs) // columns)
    height = 110 + rows * _ROW_PX
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[run.title for run in data.runs],
        shared_yaxes=True,
        horizontal_spacing=0.05,
        vertical_spacing=_GAP_PX / (rows * _ROW_PX) if rows > 1 else 0,
    )
    for number, run in enumerate(data.runs):
        row, column = divmod(number, columns)
        _add_run(figure, run, data, {"row": row + 1, "col": column + 1})
        figure.update_xaxes(
            title_text="ionic step", range=_step_range(run), tickformat="d", row=row + 1, col=column + 1
        )
    figure.update_yaxes(range=[-0.03, 1.06])
    for row in range(rows):
        figure.update_yaxes(title_text="occupation", row=row + 1, col=1)
    for entry in _plotly_legend(data):
        figure.add_trace(entry)
    return finish_plotly(figure, height=height, legend_rows=2, title_px=24)


def _add_run(figure: go.Figure, run: Trajectory, data: Trajectories, where: dict[str, int]) -> None:
    for index, site in enumerate(run.sites):
        symbol = PLOTLY_SYMBOLS[index % len(PLOTLY_SYMBOLS)]
        colours = [data.colours[name] for name in site.species]
        doubt = [", ambiguous" if one else "" for one in run.ambiguous]
        for meaning, values, faces in (
            ("smallest full level", site.last_full, colours),
            ("largest empty level", site.first_empty, ["white"] * len(colours)),
        ):
            trace = go.Scatter(
                x=run.steps,
                y=values,
                mode="lines+markers",
                line={"color": _LINE, "width": 1},
                marker={
                    "symbol": symbol,
                    "size": _SIZES_PX[min(index, 2)],
                    "color": faces,
                    "line": {"width": 1.5, "color": colours},
                },
                text=[f"{site.site} = {name}{note}" for name, note in zip(site.species, doubt, strict=True)],
                hovertemplate=f"step %{{x}}: %{{text}}<br>{meaning} %{{y:.3f}}<extra></extra>",
                showlegend=False,
            )
            figure.add_trace(trace, **where)
    for step in run.steps[run.ambiguous]:
        band = {"fillcolor": AMBIGUOUS, "line_width": 0, "layer": "below"}
        figure.add_vrect(x0=step - 0.5, x1=step + 0.5, **band, **where)
    for threshold in sorted(set(data.thresholds.values())):
        figure.add_hline(y=threshold, line={"color": DFT, "width": 1, "dash": "dot"}, **where)


def _plotly_legend(data: Trajectories) -> list[Any]:
    entries = [
        legend_entry(name, mode="markers", marker={"symbol": "circle", "size": 11, "color": colour})
        for name, colour in data.colours.items()
    ]
    entries += [
        legend_entry(
            name,
            mode="markers",
            marker={"symbol": PLOTLY_SYMBOLS[index % len(PLOTLY_SYMBOLS)], "size": 9, "color": _LINE},
        )
        for index, name in enumerate(data.site_names[: len(PLOTLY_SYMBOLS)])
    ]
    return [
        *entries,
        legend_entry("smallest full level", mode="markers", marker={"symbol": "circle", "size": 9, "color": DFT}),
        legend_entry(
            "largest empty level",
            mode="markers",
            marker={"symbol": "circle-open", "size": 9, "color": DFT, "line": {"width": 1.5}},
        ),
        legend_entry("counts as full above", mode="lines", line={"color": DFT, "width": 1, "dash": "dot"}),
        legend_entry("ambiguous frame", mode="markers", marker={"symbol": "square", "size": 14, "color": AMBIGUOUS}),
    ]


def draw_matplotlib(data: Trajectories) -> Figure:
    """Draw the trajectories as a picture."""
    columns = min(_COLUMNS, len(data.runs))
    rows = -(-len(data.runs) // columns)
    figure, axes = new_figure(rows, columns, width=9.0, height=1.0 + 2.6 * rows, sharey=True)
    for number, axis in enumerate(axes.flat):
        if number >= len(data.runs):
            axis.set_visible(False)
            continue
        run = data.runs[number]
        _draw_run(axis, run, data)
        axis.set_title(run.title, fontsize=10)
        axis.set_xlim(*_step_range(run))
        axis.set_ylim(-0.03, 1.06)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("ionic step")
        if number % columns == 0:
            axis.set_ylabel("occupation")
    figure.legend(handles=_matplotlib_legend(data), loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_run(axis: Any, run: Trajectory, data: Trajectories) -> None:
    for step in run.steps[run.ambiguous]:
        axis.axvspan(step - 0.5, step + 0.5, color=AMBIGUOUS, linewidth=0)
    for threshold in sorted(set(data.thresholds.values())):
        axis.axhline(threshold, color=DFT, linewidth=0.8, linestyle=":")
    for index, site in enumerate(run.sites):
        symbol = MATPLOTLIB_SYMBOLS[index % len(MATPLOTLIB_SYMBOLS)]
        colours = [data.colours[name] for name in site.species]
        for values, faces in ((site.last_full, colours), (site.first_empty, ["white"] * len(colours))):
            axis.plot(run.steps, values, color=_LINE, linewidth=0.8, zorder=2)
            axis.scatter(
                run.steps,
                values,
                s=0.5 * _SIZES_PX[min(index, 2)] ** 2,
                marker=symbol,
                c=faces,
                edgecolors=colours,
                linewidths=1.3,
                zorder=3,
            )


def _matplotlib_legend(data: Trajectories) -> list[Any]:
    def point(name: str, marker: str, colour: str, face: str | None = None) -> Line2D:
        return Line2D(
            [],
            [],
            linestyle="",
            marker=marker,
            color=colour,
            markerfacecolor=face or colour,
            label=name,
            markersize=7,
        )

    return [
        *(point(name, "o", colour) for name, colour in data.colours.items()),
        *(
            point(name, MATPLOTLIB_SYMBOLS[index], _LINE)
            for index, name in enumerate(data.site_names[: len(MATPLOTLIB_SYMBOLS)])
        ),
        point("smallest full level", "o", DFT),
        point("largest empty level", "o", DFT, "white"),
        Line2D([], [], linestyle=":", color=DFT, linewidth=0.8, label="counts as full above"),
        Patch(facecolor=AMBIGUOUS, label="ambiguous frame"),
    ]


def _step_range(run: Trajectory) -> tuple[float, float]:
    return float(run.steps.min()) - 0.7, float(run.steps.max()) + 0.7
