"""When the jobs of a work chain ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from aiida_redoxmlp.report.figures.style import DFT, STAGE_COLOURS, finish_plotly, legend_entry, new_figure
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import duration

__all__ = ("Bar", "Timeline", "collect", "draw_matplotlib", "draw_plotly")

_ROW_PX = 26
_LONG_S = 7200.0
_SHORT_S = 180.0


@dataclass(frozen=True)
class Bar:
    """One job.

    Attributes:
        row: what the job served, such as ``relax 0``; jobs of one label share a row.
        stage: stage of the work chain.
        start: start in the timeline's unit.
        length: duration in the timeline's unit.
        text: what to say of it.
        from_cache: whether AiiDA took it from its cache.
        failed: whether it failed.
    """

    row: str
    stage: str
    start: float
    length: float
    text: str
    from_cache: bool
    failed: bool


@dataclass(frozen=True)
class Timeline:
    """The jobs of a work chain, with the unit of time that suits them."""

    bars: tuple[Bar, ...]
    rows: tuple[str, ...]
    unit: str
    end: float

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that have a job, in the order of their first."""
        return tuple(dict.fromkeys(bar.stage for bar in self.bars))


def collect(spans: Sequence[ProcessSpan]) -> Timeline | None:
    """Prepare the timeline, or None when no job was started yet."""
    jobs = [(span.owner.replace("_", " "), span) for span in spans if span.is_job and span.stage]
    if not jobs:
        return None
    end_s = max(span.end_s for _, span in jobs)
    unit, size = ("h", 3600.0) if end_s > _LONG_S else ("min", 60.0) if end_s > _SHORT_S else ("s", 1.0)
    bars = tuple(
        Bar(
            row=row,
            stage=span.stage,
            start=span.start_s / size,
            length=max(span.duration_s, 0.002 * end_s) / size,
            text=f"{row}: {span.process} <{span.pk}>, {duration(span.duration_s)}"
            + (", from the cache" if span.from_cache else "")
            + (f", {span.phase}" if span.phase != "done" else ""),
            from_cache=span.from_cache,
            failed=span.phase == "failed",
        )
        for row, span in jobs
    )
    return Timeline(bars, tuple(dict.fromkeys(bar.row for bar in bars)), unit, end_s / size)


def draw_plotly(data: Timeline) -> go.Figure:
    """Draw the timeline for the web page."""
    figure = go.Figure()
    for bar in data.bars:
        shape = "x" if bar.failed else "/" if bar.from_cache else ""
        figure.add_trace(
            go.Bar(
                orientation="h",
                x=[bar.length],
                base=[bar.start],
                y=[bar.row],
                width=0.7,
                marker={
                    "color": STAGE_COLOURS[bar.stage],
                    "line": {"width": 0.5, "color": DFT},
                    "pattern": {"shape": shape, "fgcolor": "white", "fillmode": "overlay", "size": 5},
                },
                hovertemplate=f"{bar.text}<extra></extra>",
                showlegend=False,
            )
        )
    for stage in data.stages:
        marker = {"symbol": "square", "size": 12, "color": STAGE_COLOURS[stage]}
        figure.add_trace(legend_entry(stage.replace("_", " "), mode="markers", marker=marker))
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title_text=f"time since submission / {data.unit}", range=[0, 1.02 * data.end])
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(data.rows),
        autorange="reversed",
        automargin=True,
    )
    return finish_plotly(figure, height=110 + _ROW_PX * len(data.rows), legend_rows=1)


def draw_matplotlib(data: Timeline) -> Figure:
    """Draw the timeline as a picture."""
    figure, axes = new_figure(1, 1, width=9.0, height=1.2 + 0.27 * len(data.rows))
    axis: Any = axes[0, 0]
    for bar in data.bars:
        axis.barh(
            data.rows.index(bar.row),
            bar.length,
            left=bar.start,
            height=0.7,
            color=STAGE_COLOURS[bar.stage],
            edgecolor=DFT,
            linewidth=0.4,
            hatch="xxx" if bar.failed else "///" if bar.from_cache else None,
        )
    axis.set_yticks(range(len(data.rows)), data.rows)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlim(0, 1.02 * data.end)
    axis.set_xlabel(f"time since submission / {data.unit}")
    handles = [
        Patch(facecolor=STAGE_COLOURS[stage], edgecolor=DFT, linewidth=0.4, label=stage.replace("_", " "))
        for stage in data.stages
    ]
    if any(bar.from_cache for bar in data.bars):
        handles.append(Patch(facecolor="white", edgecolor=DFT, hatch="///", linewidth=0.4, label="from the cache"))
    if any(bar.failed for bar in data.bars):
        handles.append(Patch(facecolor="white", edgecolor=DFT, hatch="xxx", linewidth=0.4, label="failed"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure
