"""Map of the patterns that are labelled at each state of charge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from aiida_redoxmlp.report.dynamics_wording import counted
from aiida_redoxmlp.report.figures.style import DFT, finish_plotly, legend_entry, new_figure
from aiida_redoxmlp.report.loop_schema import CoveredPattern, LoopSummary, StateOfChargeCoverage
from aiida_redoxmlp.report.wording import pattern_label

__all__ = ("Cell", "LoopCoverage", "collect", "draw_matplotlib", "draw_plotly")

_MOST_COLUMNS = 20
_LONGEST_LABEL = 9
_MISSING, _EMPTY = "possible, without a label", "#FFFFFF"
_WRONG, _WRONG_COLOUR = "redox errors found here", "#D55E00"
_LIGHT_TEXT_FROM = 0.55
_ROW_PX = 58


@dataclass(frozen=True)
class Cell:
    """One pattern of a state of charge, or a possible one that nobody labelled or believed in.

    Attributes:
        row: state of charge, from 0.
        column: place among its patterns, from 0.
        pattern: its labels, or None.
        shade: from 0 for no label to 1 for the most of any pattern.
    """

    row: int
    column: int
    pattern: CoveredPattern | None
    shade: float

    @property
    def n_labels(self) -> int:
        """Labels of the pattern."""
        return 0 if self.pattern is None else self.pattern.n_labels

    @property
    def colour(self) -> str:
        """Darker with more labels, white without any."""
        return to_hex(colormaps["Blues"](0.15 + 0.75 * self.shade)) if self.n_labels else _EMPTY

    @property
    def text_colour(self) -> str:
        """What can be read on it."""
        return "#FFFFFF" if self.n_labels and self.shade > _LIGHT_TEXT_FROM else DFT

    def lines(self, *, with_pattern: bool) -> list[str]:
        """Return what is written into the cell."""
        if self.pattern is None:
            return []
        label = pattern_label(self.pattern.states)
        return [*([label] if with_pattern else []), str(self.n_labels)]


@dataclass(frozen=True)
class LoopCoverage:
    """The map.

    Attributes:
        rows: states of charge, by ascending mean oxidation state.
        cells: what is drawn of them.
        with_patterns: whether the patterns are short enough to be written into the cells.
    """

    rows: tuple[StateOfChargeCoverage, ...]
    cells: tuple[Cell, ...]
    with_patterns: bool

    @property
    def n_columns(self) -> int:
        """Cells of the longest row."""
        return max(cell.column for cell in self.cells) + 1

    @property
    def has_missing(self) -> bool:
        """Whether a possible pattern has no label."""
        return any(not cell.n_labels for cell in self.cells)

    @property
    def wrong(self) -> list[Cell]:
        """Cells in which DFT landed though another pattern was believed in."""
        return [cell for cell in self.cells if cell.pattern is not None and cell.pattern.n_redox_errors]

    @property
    def row_names(self) -> list[str]:
        """Formula, mean oxidation state and how much is covered."""
        return [_row_name(row) for row in self.rows]


def collect(summary: LoopSummary) -> LoopCoverage | None:
    """Prepare the map, or None without a label and a state of charge."""
    rows = [one for one in summary.coverage if one.patterns or one.n_possible]
    if not rows or not any(one.n_labels for one in rows):
        return None
    most = max(pattern.n_labels for row in rows for pattern in row.patterns)
    cells = []
    for number, row in enumerate(rows):
        shown: list[CoveredPattern | None] = list(row.patterns[:_MOST_COLUMNS])
        possible = min(row.n_possible or 0, _MOST_COLUMNS)
        shown += [None] * (possible - len(shown))
        for column, pattern in enumerate(shown):
            n_labels = 0 if pattern is None else pattern.n_labels
            shade = float(np.log1p(n_labels) / np.log1p(most))
            cells.append(Cell(number, column, pattern, shade))
    labels = [pattern_label(pattern.states) for row in rows for pattern in row.patterns[:_MOST_COLUMNS]]
    short = max(map(len, labels), default=0) <= _LONGEST_LABEL
    return LoopCoverage(tuple(rows), tuple(cells), short)


def _row_name(row: StateOfChargeCoverage) -> str:
    state = "" if row.mean_state is None else f", mean state {row.mean_state:.2f}"
    covered = counted(row.n_covered, "pattern")
    if row.n_possible is not None:
        covered = f"{row.n_covered} of {counted(row.n_possible, 'pattern')}"
    return f"{row.formula}{state}\n{covered}, {counted(row.n_labels, 'label')}"


def _hover(cell: Cell) -> str:
    one = cell.pattern
    if one is None:
        return "a possible pattern without a label"
    text = f"{pattern_label(one.states)}<br>{one.n_before} labels before the loop, {one.n_added} added"
    wrong = f"<br>{one.n_redox_errors} of them though another pattern was believed in" if one.n_redox_errors else ""
    return f"{text}{wrong}<br>believed in {one.n_believed} times"


def draw_plotly(data: LoopCoverage) -> go.Figure:
    """Draw the map for the web page."""
    figure = go.Figure()
    for cell in data.cells:
        figure.add_shape(
            type="rect",
            x0=cell.column - 0.47,
            x1=cell.column + 0.47,
            y0=cell.row - 0.44,
            y1=cell.row + 0.44,
            fillcolor=cell.colour,
            line={"color": "#9A9A9A", "width": 1},
            layer="below",
        )
    texts = ["<br>".join(cell.lines(with_pattern=data.with_patterns)) for cell in data.cells]
    figure.add_trace(
        go.Scatter(
            x=[cell.column for cell in data.cells],
            y=[cell.row for cell in data.cells],
            mode="text",
            text=texts,
            textfont={"color": [cell.text_colour for cell in data.cells], "size": 12},
            hovertext=[_hover(cell) for cell in data.cells],
            hovertemplate="%{hovertext}<extra></extra>",
            showlegend=False,
        )
    )
    corner = {"symbol": "triangle-up", "size": 10, "color": _WRONG_COLOUR}
    xs, ys = [cell.column + 0.36 for cell in data.wrong], [cell.row - 0.28 for cell in data.wrong]
    figure.add_trace(go.Scatter(x=xs, y=ys, mode="markers", marker=corner, hoverinfo="skip", showlegend=False))
    for entry in _plotly_legend(data):
        figure.add_trace(entry)
    finish_plotly(figure, height=110 + _ROW_PX * len(data.rows), legend_rows=1)
    names = [name.replace("\n", "<br>") for name in data.row_names]
    rows = list(range(len(names)))
    figure.update_yaxes(tickvals=rows, ticktext=names, range=[len(names) - 0.45, -0.55], automargin=True)
    figure.update_xaxes(range=[-0.55, max(data.n_columns, 6) - 0.45], showticklabels=False, ticks="")
    figure.update_xaxes(title_text="patterns, those with the most labels first", showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def _plotly_legend(data: LoopCoverage) -> list[go.Scatter]:
    full = {"symbol": "square", "size": 14, "color": to_hex(colormaps["Blues"](0.9))}
    entries = [legend_entry("number of labels, the darker the more", mode="markers", marker=full)]
    if data.has_missing:
        hollow = {"symbol": "square", "size": 14, "color": _EMPTY, "line": {"color": "#9A9A9A", "width": 1}}
        entries.append(legend_entry(_MISSING, mode="markers", marker=hollow))
    if data.wrong:
        corner = {"symbol": "triangle-up", "size": 10, "color": _WRONG_COLOUR}
        entries.append(legend_entry(_WRONG, mode="markers", marker=corner))
    return entries


def draw_matplotlib(data: LoopCoverage) -> Figure:
    """Draw the map as a picture."""
    columns = max(data.n_columns, 6)
    figure, axes = new_figure(1, 1, width=4.4 + 0.62 * columns, height=1.2 + 0.62 * len(data.rows))
    axis: Any = axes[0, 0]
    for cell in data.cells:
        corner = (cell.column - 0.47, cell.row - 0.44)
        axis.add_patch(Rectangle(corner, 0.94, 0.88, facecolor=cell.colour, edgecolor="#9A9A9A", linewidth=0.8))
        text = "\n".join(cell.lines(with_pattern=data.with_patterns))
        axis.text(cell.column, cell.row, text, ha="center", va="center", fontsize=7.5, color=cell.text_colour)
    wrong = data.wrong
    xs, ys = [cell.column + 0.36 for cell in wrong], [cell.row - 0.3 for cell in wrong]
    axis.scatter(xs, ys, marker="^", s=28, color=_WRONG_COLOUR, zorder=3)
    axis.set_yticks(range(len(data.rows)), data.row_names)
    axis.set(xlim=(-0.55, columns - 0.45), ylim=(len(data.rows) - 0.45, -0.55), xticks=[])
    axis.set_xlabel("patterns, those with the most labels first")
    axis.grid(visible=False)
    handles: list[Any] = [Patch(color=colormaps["Blues"](0.9), label="number of labels, the darker the more")]
    if data.has_missing:
        handles.append(Patch(facecolor=_EMPTY, edgecolor="#9A9A9A", label=_MISSING))
    if wrong:
        handles.append(Line2D([], [], linestyle="", marker="^", color=_WRONG_COLOUR, label=_WRONG))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure
