"""The conserved quantity along trajectories, with the joints between their jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.dynamics_graph import DynamicsGraph
from aiida_redoxmlp.report.dynamics_stretches import Intervention, drift, interventions, stretches
from aiida_redoxmlp.report.dynamics_trajectory import TrajectoryGraph, TrajectoryPart
from aiida_redoxmlp.report.figures.style import AWARE, BASELINE, DFT, finish_plotly, legend_entry, new_figure
from aiida_redoxmlp.report.trajectory_levels import envelope

__all__ = ("Course", "Joint", "collect", "draw_matplotlib", "draw_plotly")

_COLUMNS, _ROW_PX, _GAP_PX = 2, 260, 84
_FEW_STEPS = 60
_PIECES = 1500
_JOINT = "#8C8C8C"
_LINE, _FIT, _AGAIN = AWARE, DFT, BASELINE
_NAMES = ("kept", "same step by the next job", "joint between two jobs", "velocities or seeds began anew", "drift")


@dataclass(frozen=True)
class Joint:
    """Where a job goes on from another.

    Attributes:
        step: the step that both computed.
        again: what the later job gave for it, in meV per atom as the course counts; None where velocities or seeds
            began anew there, or where it is not known.
    """

    step: int
    again: float | None


@dataclass(frozen=True, eq=False)
class Course:
    """The conserved quantity of one part of a trajectory.

    Attributes:
        title: its name and the drift.
        lines: times in fs, and the conserved quantity in meV per atom since the stretch began, of every stretch.
        fits: the same two for the ends of the straight line through each of them.
        timestep: fs.
        joints: where jobs follow each other.
        interventions: where stretches begin.
    """

    title: str
    lines: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]
    fits: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]
    timestep: float
    joints: tuple[Joint, ...]
    interventions: tuple[Intervention, ...]

    @property
    def n_steps(self) -> int:
        """Number of steps drawn."""
        return sum(len(times) for times, _ in self.lines)


def collect(graph: DynamicsGraph) -> tuple[Course, ...] | None:
    """Prepare a course for every part, or None where no conserved quantity is known."""
    found = [_course(trajectory, part) for trajectory in graph.trajectories for part in trajectory.parts]
    courses = tuple(course for course in found if course is not None)
    return courses or None


def _course(graph: TrajectoryGraph, part: TrajectoryPart) -> Course | None:
    made = interventions(graph, part.number)
    found = stretches(part, made)
    if not found:
        return None
    n_atoms = len(part.trajectory.symbols)
    slope = drift(found, n_atoms)
    lines, fits = [], []
    for stretch in found:
        times = 1000 * stretch.times
        values = 1000 * (stretch.conserved - stretch.conserved[0]) / n_atoms
        lines.append((times, values))
        if slope is not None and len(times) > 1:
            ends = times[[0, -1]]
            fits.append((ends, values.mean() + slope * (ends - times.mean())))  # eV per ps is meV per fs
    name = f"part {part.number} of {graph.name}" if len(graph.parts) > 1 else graph.name
    sentence = "" if slope is None else f": drift {slope:+.2g} eV per atom and ps"
    return Course(
        title=f"{name}{sentence}",
        lines=tuple(lines),
        fits=tuple(fits),
        timestep=graph.settings.timestep,
        joints=tuple(_joints(graph, part, {one.step for one in made}, n_atoms)),
        interventions=made,
    )


def _joints(graph: TrajectoryGraph, part: TrajectoryPart, made: set[int], n_atoms: int) -> Iterable[Joint]:
    zeros = {
        int(step): float(stretch.conserved[0])
        for stretch in stretches(part, interventions(graph, part.number))
        for step in stretch.steps
    }
    for chunk in graph.chunks_of(part.number):
        if not chunk.repeats or chunk.trajectory is None:
            continue
        again = float(chunk.trajectory.get_array("conserved_quantities")[0])
        known = np.isfinite(again) and chunk.first_step in zeros and chunk.first_step not in made
        yield Joint(chunk.first_step, 1000 * (again - zeros[chunk.first_step]) / n_atoms if known else None)


def draw_plotly(data: tuple[Course, ...]) -> go.Figure:
    """Draw the courses for the web page."""
    columns = min(_COLUMNS, len(data))
    rows = -(-len(data) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[course.title for course in data],
        horizontal_spacing=0.09,
        vertical_spacing=_GAP_PX / (rows * _ROW_PX) if rows > 1 else 0,
    )
    for number, course in enumerate(data):
        row, column = divmod(number, columns)
        where = {"row": row + 1, "col": column + 1}
        below: dict[str, Any] = {"layer": "below", "exclude_empty_subplots": False, **where}
        for joint in course.joints:
            line = {"color": _JOINT, "width": 1.2, "dash": "dash"}
            figure.add_vline(x=joint.step * course.timestep, line=line, **below)
        for one in course.interventions:
            middle = (one.step + 0.5) * course.timestep
            figure.add_vline(x=middle, line={"color": _JOINT, "width": 3}, **below)
        for trace in _plotly_traces(course):
            figure.add_trace(trace, **where)
        figure.update_xaxes(title_text="time / fs", **where)
        figure.update_yaxes(title_text="meV per atom" if column == 0 else None, **where)
    for entry in _plotly_legend(data):
        figure.add_trace(entry)
    return finish_plotly(figure, height=110 + rows * _ROW_PX, legend_rows=1, title_px=26)


def _plotly_traces(course: Course) -> Iterable[go.Scatter]:
    few = course.n_steps <= _FEW_STEPS
    for times, values in course.lines:
        kept = envelope(values, _PIECES)
        yield go.Scatter(
            x=times[kept],
            y=values[kept],
            mode="lines+markers" if few else "lines",
            line={"color": _LINE, "width": 1.4},
            marker={"size": 6, "color": _LINE},
            customdata=np.round(times[kept] / course.timestep).astype(int),
            hovertemplate="step %{customdata}, %{x:.1f} fs: %{y:.3f} meV per atom<extra></extra>",
            showlegend=False,
        )
    for times, values in course.fits:
        line = {"color": _FIT, "width": 1, "dash": "dot"}
        yield go.Scatter(x=times, y=values, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    again = [joint for joint in course.joints if joint.again is not None]
    if again:
        yield go.Scatter(
            x=[joint.step * course.timestep for joint in again],
            y=[joint.again for joint in again],
            mode="markers",
            marker={"symbol": "circle-open", "size": 13, "color": _AGAIN, "line": {"width": 2}},
            customdata=[joint.step for joint in again],
            hovertemplate="step %{customdata} by the next job: %{y:.3f} meV per atom<extra></extra>",
            showlegend=False,
        )


def _plotly_legend(data: tuple[Course, ...]) -> Iterable[Any]:
    kept, again, joint, anew, fitted = _NAMES
    yield legend_entry(kept, mode="lines+markers", line={"color": _LINE, "width": 1.4}, marker={"size": 6})
    if any(one.again is not None for course in data for one in course.joints):
        ring = {"symbol": "circle-open", "size": 13, "color": _AGAIN, "line": {"width": 2}}
        yield legend_entry(again, mode="markers", marker=ring)
    if any(course.joints for course in data):
        yield legend_entry(joint, mode="lines", line={"color": _JOINT, "width": 1.2, "dash": "dash"})
    if any(course.interventions for course in data):
        yield legend_entry(anew, mode="lines", line={"color": _JOINT, "width": 3})
    if any(course.fits for course in data):
        yield legend_entry(fitted, mode="lines", line={"color": _FIT, "width": 1, "dash": "dot"})


def draw_matplotlib(data: tuple[Course, ...]) -> Figure:
    """Draw the courses as a picture."""
    columns = min(_COLUMNS, len(data))
    rows = -(-len(data) // columns)
    figure, axes = new_figure(rows, columns, width=9.0, height=0.8 + 2.6 * rows)
    for number, axis in enumerate(axes.flat):
        if number >= len(data):
            axis.set_visible(False)
            continue
        _draw_course(axis, data[number])
        axis.set_xlabel("time / fs")
        if number % columns == 0:
            axis.set_ylabel("meV per atom")
    handles = _matplotlib_legend(data)
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _draw_course(axis: Any, course: Course) -> None:
    for joint in course.joints:
        axis.axvline(joint.step * course.timestep, color=_JOINT, linewidth=0.9, linestyle="--", zorder=1)
    for one in course.interventions:
        axis.axvline((one.step + 0.5) * course.timestep, color=_JOINT, linewidth=2.2, zorder=1)
    marker = "o" if course.n_steps <= _FEW_STEPS else None
    for times, values in course.lines:
        kept = envelope(values, _PIECES)
        axis.plot(times[kept], values[kept], color=_LINE, linewidth=1.2, marker=marker, markersize=3.5, zorder=3)
    for times, values in course.fits:
        axis.plot(times, values, color=_FIT, linewidth=0.9, linestyle=":", zorder=4)
    again = [(joint.step * course.timestep, joint.again) for joint in course.joints if joint.again is not None]
    if again:
        axis.scatter(*zip(*again, strict=True), s=70, facecolors="none", edgecolors=_AGAIN, linewidths=1.6, zorder=5)
    axis.set_title(course.title, fontsize=10)


def _matplotlib_legend(data: tuple[Course, ...]) -> list[Any]:
    kept, again, joint, anew, fitted = _NAMES
    handles = [Line2D([], [], color=_LINE, marker="o", markersize=3.5, linewidth=1.2, label=kept)]
    if any(one.again is not None for course in data for one in course.joints):
        ring: dict[str, Any] = {"marker": "o", "markersize": 8, "markerfacecolor": "none", "markeredgecolor": _AGAIN}
        handles.append(Line2D([], [], linestyle="", label=again, **ring))
    if any(course.joints for course in data):
        handles.append(Line2D([], [], color=_JOINT, linewidth=0.9, linestyle="--", label=joint))
    if any(course.interventions for course in data):
        handles.append(Line2D([], [], color=_JOINT, linewidth=2.2, label=anew))
    if any(course.fits for course in data):
        handles.append(Line2D([], [], color=_FIT, linewidth=0.9, linestyle=":", label=fitted))
    return handles
