"""Labels of a loop by outcome, and what it spent of its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.style import DFT, GRID, finish_plotly, legend_entry, new_figure
from aiida_redoxmlp.report.loop_schema import BudgetLine, LoopSummary
from aiida_redoxmlp.report.loop_wording import BUDGET_NAMES

__all__ = ("LoopLabels", "collect", "draw_matplotlib", "draw_plotly")

OUTCOMES = {
    "landed": ("landed", "#0072B2"),
    "redox_errors": ("redox errors", "#D55E00"),
    "ambiguous": ("ambiguous", "#E69F00"),
    "failed": ("failed", "#8C8C8C"),
}
"""Field of the counts, name and colour of each outcome."""

_SPENT = "#009E73"


@dataclass(frozen=True)
class LoopLabels:
    """What was asked and spent.

    Attributes:
        numbers: of the iterations that are over.
        counts: labels of each iteration by outcome.
        budget: limits and what is spent of them; empty where there is no limit.
    """

    numbers: tuple[int, ...]
    counts: dict[str, list[int]]
    budget: tuple[BudgetLine, ...]

    @property
    def totals(self) -> list[int]:
        """Labels of each iteration."""
        return [sum(column) for column in zip(*self.counts.values(), strict=True)]

    @property
    def ticks(self) -> list[int]:
        """Iterations to write below the axis, ten at most."""
        return list(self.numbers[:: len(self.numbers) // 11 + 1])

    @property
    def furthest(self) -> float:
        """End of the budget's axis in per cent."""
        return 1.3 * max([100.0, *(_percent(one) for one in self.budget)])


def collect(summary: LoopSummary) -> LoopLabels | None:
    """Prepare the bars, or None before an iteration ends."""
    records = summary.ended
    if not records:
        return None
    counts = {field: [getattr(one.labels, field) for one in records] for field in OUTCOMES}
    limited = tuple(one for one in summary.budget if one.limit is not None)
    return LoopLabels(tuple(one.number for one in records), counts, limited)


def _percent(line: BudgetLine) -> float:
    return 100 * line.used / line.limit if line.limit else 0.0


def _spent_text(line: BudgetLine) -> str:
    return f"{line.used:.3g} of {line.limit:g}"


def draw_plotly(data: LoopLabels) -> go.Figure:
    """Draw the bars for the web page."""
    columns = 2 if data.budget else 1
    titles = ["Labels by outcome", "Spent of the budget"][:columns]
    widths = [0.58, 0.42][:columns] if columns == 2 else None
    figure = make_subplots(rows=1, cols=columns, column_widths=widths, horizontal_spacing=0.12, subplot_titles=titles)
    for field, (name, colour) in OUTCOMES.items():
        hover = f"iteration %{{x}}: %{{y}} {name}<extra></extra>"
        bars = {"x": data.numbers, "y": data.counts[field], "marker": {"color": colour}, "width": 0.7}
        figure.add_trace(go.Bar(**bars, hovertemplate=hover, showlegend=False), row=1, col=1)
        if any(data.counts[field]):
            figure.add_trace(
                legend_entry(name, mode="markers", marker={"symbol": "square", "size": 12, "color": colour})
            )
    figure.update_xaxes(title_text="iteration", tickvals=data.ticks, row=1, col=1)
    figure.update_yaxes(title_text="labels", rangemode="tozero", row=1, col=1)
    if data.budget:
        _add_budget(figure, data)
    figure.update_layout(barmode="stack")
    return finish_plotly(figure, height=390, legend_rows=1, title_px=28)


def _add_budget(figure: go.Figure, data: LoopLabels) -> None:
    where = {"row": 1, "col": 2}
    names = [BUDGET_NAMES[one.name] for one in data.budget]
    bars = go.Bar(
        orientation="h",
        x=[_percent(one) for one in data.budget],
        y=names,
        width=0.5,
        marker={"color": _SPENT},
        text=[_spent_text(one) for one in data.budget],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{text} %{y}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, **where)
    figure.add_vline(x=100, line={"color": DFT, "width": 1.2, "dash": "dash"}, **where)
    figure.update_xaxes(title_text="spent / %", range=[0, data.furthest], **where)
    figure.update_yaxes(autorange="reversed", automargin=True, **where)


def draw_matplotlib(data: LoopLabels) -> Figure:
    """Draw the bars as a picture."""
    columns = 2 if data.budget else 1
    ratios = {"gridspec_kw": {"width_ratios": [1.4, 1.0][:columns]}}
    figure, axes = new_figure(1, columns, width=5.2 * columns, height=3.6, **ratios)
    _draw_outcomes(axes[0, 0], data)
    if data.budget:
        _draw_budget(axes[0, 1], data)
    handles = [Patch(color=colour, label=name) for field, (name, colour) in OUTCOMES.items() if any(data.counts[field])]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_outcomes(axis: Any, data: LoopLabels) -> None:
    below = [0] * len(data.numbers)
    for field, (_, colour) in OUTCOMES.items():
        axis.bar(data.numbers, data.counts[field], bottom=below, width=0.7, color=colour)
        below = [low + own for low, own in zip(below, data.counts[field], strict=True)]
    axis.set_xticks(data.ticks)
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.grid(visible=False, axis="x")
    axis.set(xlabel="iteration", ylabel="labels")
    axis.set_title("Labels by outcome", fontsize=10)


def _draw_budget(axis: Any, data: LoopLabels) -> None:
    rows = range(len(data.budget))
    shares = [_percent(one) for one in data.budget]
    axis.barh(rows, [100.0] * len(shares), height=0.5, color=GRID)
    axis.barh(rows, shares, height=0.5, color=_SPENT)
    for row, one in zip(rows, data.budget, strict=True):
        axis.text(max(_percent(one), 100.0) + 2, row, _spent_text(one), va="center", fontsize=9)
    axis.axvline(100, color=DFT, linewidth=1.0, linestyle="--")
    axis.set_yticks(rows, [BUDGET_NAMES[one.name] for one in data.budget])
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlim(0, 1.1 * data.furthest)
    axis.set_xticks((0, 25, 50, 75, 100))
    axis.set_xlabel("spent / %")
    axis.set_title("Spent of the budget", fontsize=10)
