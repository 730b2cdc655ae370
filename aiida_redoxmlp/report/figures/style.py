"""One look for all figures: colours colour-blind readers can tell apart, legends outside the axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib as mpl
import plotly.graph_objects as go
from matplotlib.figure import Figure

__all__ = (
    "AMBIGUOUS",
    "AWARE",
    "BASELINE",
    "DFT",
    "FONT_PX",
    "GRID",
    "MATPLOTLIB_SYMBOLS",
    "PLOTLY_SYMBOLS",
    "STAGE_COLOURS",
    "TEXT",
    "finish_plotly",
    "legend_entry",
    "new_figure",
    "species_colours",
    "with_alpha",
)

AWARE = "#0072B2"
BASELINE = "#E69F00"
DFT = "#222222"
AMBIGUOUS = "#D9D9D9"
TEXT = "#222222"
GRID = "#E6E6E6"

# M. Okabe and K. Ito, Color Universal Design (2008); then "muted" of P. Tol, SRON/EPS/TN/09-002 (2021).
_SPECIES = ("#D55E00", "#56B4E9", "#009E73", "#CC79A7", "#332288", "#999933", "#882255", "#44AA99")
STAGE_COLOURS: Mapping[str, str] = {
    "hubbard": "#332288",
    "relax": "#56B4E9",
    "md": "#009E73",
    "train": "#0072B2",
    "evaluate": "#CC79A7",
    "search": "#E69F00",
    "check": "#D55E00",
    "scf": "#009E73",
    "tight_scf": "#44AA99",
    "hp": "#332288",
    "explore": "#999933",
    "label": "#009E73",
}

PLOTLY_SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "pentagon",
    "star",
    "hexagon",
)
MATPLOTLIB_SYMBOLS = ("o", "s", "D", "^", "v", "p", "*", "h")

FONT_PX = 13
_FAMILY = "Helvetica Neue, Arial, Liberation Sans, DejaVu Sans, sans-serif"
_LEGEND_PX = 28

mpl.rcParams["svg.hashsalt"] = "aiida-redoxmlp"


def species_colours(species: Iterable[str], redox_elements: Iterable[str] = ()) -> dict[str, str]:
    """Return a colour a species label; those of redox elements come first, so that they never change."""
    redox = tuple(redox_elements)

    def is_spectator(label: str) -> bool:
        return label.rstrip("+-0123456789") not in redox

    ordered = sorted(set(species), key=lambda label: (is_spectator(label), label))
    return {label: _SPECIES[index % len(_SPECIES)] for index, label in enumerate(ordered)}


def with_alpha(colour: str, alpha: float) -> str:
    """Return ``#RRGGBB`` as ``rgba(…)``."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def finish_plotly(figure: go.Figure, *, height: int, legend_rows: int = 1, title_px: int = 0) -> go.Figure:
    """Give a plotly figure the common look, its legend in a band of its own above the axes.

    Args:
        figure: the figure, changed in place.
        height: total height in px.
        legend_rows: rows the legend may take; 0 for no legend.
        title_px: room in px for the titles of panels below the legend.
    """
    axis: dict[str, Any] = {
        "gridcolor": GRID,
        "linecolor": TEXT,
        "showline": True,
        "ticks": "outside",
        "zeroline": False,
        "title_standoff": 8,
        "title_font": {"size": FONT_PX},
    }
    figure.update_layout(
        height=height,
        font={"family": _FAMILY, "size": FONT_PX, "color": TEXT},
        plot_bgcolor="white",
        paper_bgcolor="white",
        margin={"l": 70, "r": 44, "t": 12 + title_px + _LEGEND_PX * legend_rows, "b": 55},
        showlegend=legend_rows > 0,
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "xref": "paper",
            "x": 0,
            "xanchor": "left",
        },
        modebar={"orientation": "v"},  # in the right margin, where it covers no legend
        hoverlabel={"font": {"family": _FAMILY}},
    )
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_annotations(font={"size": FONT_PX, "color": TEXT})
    return figure


def legend_entry(name: str, **style: Any) -> go.Scatter:
    """Return a trace without points that only shows in the legend."""
    return go.Scatter(x=[None], y=[None], name=name, showlegend=True, hoverinfo="skip", **style)


def new_figure(rows: int, columns: int, *, width: float, height: float, **options: Any) -> tuple[Figure, Any]:
    """Return a matplotlib figure of the common look and its axes, shape (rows, columns); sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=9)
    return figure, axes
