"""A trajectory as a picture: states as colour strips, the levels that decide them, and the temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.switch_events import DEFAULT_MIN_DWELL
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory
from aiida_redoxmlp.report.figures.style import AMBIGUOUS, DFT, TEXT, new_figure, species_colours
from aiida_redoxmlp.report.trajectory_levels import TrajectoryPicture, envelope, picture_of

__all__ = ("plot_trajectory",)

_FEW_STEPS = 60
"""Steps up to which each is a point of its own."""

_MANY_STEPS = 4000
"""Steps from which lines are pixels also in vector formats, which else get slow to open."""

_PIECES = 2500
"""Pieces of a long line of which only the extremes are drawn, more than a picture has pixels across."""

_STRIP_INCH, _STRIPS_MOST_INCH, _MOST_NAMES = 0.3, 6.0, 24
_OTHER_LEVELS = "#BDBDBD"
_BAND = "#F0E442"
_BAND_ALPHA = 0.45
_HATCH = "#8C8C8C"
_SWITCH = "#CC79A7"
_DASHES = (0, (4, 2))


def plot_trajectory(
    trajectory: StatesAlongTrajectory, table: RedoxTable, *, title: str = "", min_dwell: int = DEFAULT_MIN_DWELL
) -> Figure:
    """Draw the states of every redox site over the steps, the levels that decide them and the temperature.

    Runs without temperatures show the energy instead. Ambiguous stretches are grey, vertical lines are switches, and
    arrows go from the site an electron left to the one it went to.

    Args:
        trajectory: the states.
        table: the table they were read with.
        title: what to write above.
        min_dwell: a state that is back within so many steps was never left.
    """
    picture = picture_of(trajectory, table, min_dwell=min_dwell)
    colours = species_colours(picture.species, set(trajectory.symbols))
    strips_inch = min(max(_STRIP_INCH * len(picture.names), 0.4), _STRIPS_MOST_INCH)
    heights = [strips_inch, 2.6, 1.5]
    figure, axes = new_figure(
        3, 1, width=9.0, height=1.4 + sum(heights), sharex=True, gridspec_kw={"height_ratios": heights}
    )
    strips, levels, below = axes[:, 0]
    _draw_strips(strips, picture, colours)
    _draw_levels(levels, picture, colours)
    _draw_below(below, picture)
    for axis in (levels, below):
        _mark(axis, picture)
    _set_steps(below, trajectory)
    _add_times(strips, trajectory)
    figure.align_ylabels()
    if title:
        figure.suptitle(title, fontsize=11, color=TEXT)
    handles = _legend(picture, colours)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5), frameon=False, fontsize=9)
    return figure


def _draw_strips(axis: Any, picture: TrajectoryPicture, colours: dict[str, str]) -> None:
    n_sites = len(picture.names)
    for row in range(n_sites):
        runs = [run for run in picture.runs if run.row == row]
        spans = [(run.start, run.length) for run in runs]
        axis.broken_barh(spans, (row - 0.42, 0.84), facecolors=[colours[run.species] for run in runs], linewidth=0)
        if picture.doubtful:
            axis.broken_barh(picture.doubtful, (row - 0.42, 0.84), facecolors="white", alpha=0.6, linewidth=0)
            axis.broken_barh(
                picture.doubtful, (row - 0.42, 0.84), facecolors="none", edgecolors=_HATCH, hatch="/////", linewidth=0
            )
    rows = {site: row for row, site in enumerate(picture.trajectory.sites)}
    for hop in picture.hops:
        x = _middle((hop.last_step_before, hop.first_step_after))
        axis.add_patch(
            FancyArrowPatch(
                (x, rows[hop.from_site]),
                (x, rows[hop.to_site]),
                arrowstyle="-|>",
                mutation_scale=11,
                color=DFT,
                linewidth=1.3,
                linestyle="-" if hop.unique else ":",
                shrinkA=0,
                shrinkB=0,
                zorder=5,
            )
        )
    every = -(-n_sites // _MOST_NAMES)
    axis.set_ylim(n_sites - 0.5, -0.5)
    axis.set_yticks(range(0, n_sites, every), picture.names[::every])
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.grid(visible=False)


def _draw_levels(axis: Any, picture: TrajectoryPicture, colours: dict[str, str]) -> None:
    trajectory = picture.trajectory
    steps = trajectory.steps
    for threshold, width in picture.bands:
        axis.axhspan(threshold - width, threshold + width, color=_BAND, alpha=_BAND_ALPHA, linewidth=0, zorder=1.2)
        axis.axhline(threshold, color=DFT, linewidth=0.8, linestyle=":", zorder=1.3)
    for values in trajectory.eigenvalues.reshape(len(steps), -1).T:
        _line(
            axis, steps, values, color=_OTHER_LEVELS, linewidth=0.5, marker="_" if len(steps) == 1 else None, zorder=1.6
        )
    for run in picture.runs:
        first, last = np.searchsorted(steps, [run.start, run.start + run.length])
        colour = colours[run.species]
        for values, face in ((picture.last_full, colour), (picture.first_empty, "white")):
            _line(
                axis,
                steps[first:last],
                values[first:last, run.row],
                color=colour,
                linewidth=0.8 if len(steps) > _MANY_STEPS else 1.4,
                marker="o" if len(steps) <= _FEW_STEPS else None,
                markersize=5,
                markerfacecolor=face,
                zorder=3,
            )
    axis.set_ylim(-0.03, 1.06)
    axis.set_ylabel("occupation")


def _draw_below(axis: Any, picture: TrajectoryPicture) -> None:
    trajectory = picture.trajectory
    steps = trajectory.steps
    values, label = trajectory.temperatures, "temperature / K"
    if values is None:
        values, label = 1000 * (trajectory.energies - np.nanmin(trajectory.energies)), "energy above\nlowest / meV"
    _line(axis, steps, values, color=DFT, linewidth=1.0, marker="." if len(steps) <= _FEW_STEPS else None)
    for before, after in sorted({event.interval for event in picture.events}):
        inside = (steps >= before) & (steps <= after) & np.isfinite(values)
        axis.plot(
            _middle((before, after)),
            values[inside].mean() if inside.any() else np.nan,
            marker="D",
            color=_SWITCH,
            markeredgecolor=DFT,
            markersize=6,
            zorder=4,
        )
    axis.set_ylabel(label)


def _line(axis: Any, steps: NDArray[np.int64], values: NDArray[np.float64], **style: Any) -> None:
    rows = envelope(values, _PIECES)
    axis.plot(steps[rows], values[rows], rasterized=len(steps) > _MANY_STEPS, **style)


def _mark(axis: Any, picture: TrajectoryPicture) -> None:
    """Shade what is ambiguous and draw a line at each switch."""
    bottom_to_top = axis.get_xaxis_transform()
    if picture.doubtful:
        axis.broken_barh(
            picture.doubtful,
            (0, 1),
            facecolors=AMBIGUOUS,
            edgecolors=AMBIGUOUS,
            linewidth=0.3,
            zorder=1,
            transform=bottom_to_top,
        )
    for interval in {event.interval for event in picture.events}:
        axis.axvline(_middle(interval), color=DFT, linewidth=0.8, linestyle=_DASHES, zorder=3.5)


def _set_steps(axis: Any, trajectory: StatesAlongTrajectory) -> None:
    half = 0.5 * float(np.median(np.diff(trajectory.steps))) if len(trajectory) > 1 else 0.5
    axis.set_xlim(float(trajectory.steps[0]) - half, float(trajectory.steps[-1]) + half)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axis.set_xlabel("ionic step, from 0")


def _add_times(axis: Any, trajectory: StatesAlongTrajectory) -> None:
    """Write the times above the strips, where the time step is the same throughout."""
    times, steps = trajectory.times, trajectory.steps
    if times is None or len(times) < 2 or not np.isfinite(times).all():
        return
    per_step = (times[-1] - times[0]) / (steps[-1] - steps[0])
    if per_step <= 0 or np.abs(times - times[0] - per_step * (steps - steps[0])).max() > 0.01 * per_step:
        return
    unit, size = ("ps", 1000.0) if times[-1] > 2000 else ("fs", 1.0)
    slope, origin = per_step / size, (times[0] - per_step * steps[0]) / size
    above = axis.secondary_xaxis("top", functions=(lambda x: origin + slope * x, lambda t: (t - origin) / slope))
    above.set_xlabel(f"time / {unit}", fontsize=9)
    above.tick_params(labelsize=9)
    above.spines["top"].set_visible(False)


def _legend(picture: TrajectoryPicture, colours: dict[str, str]) -> list[Any]:
    handles: list[Any] = [Patch(facecolor=colours[name], label=name) for name in picture.species]
    if len(picture.trajectory) <= _FEW_STEPS:
        handles += [
            Line2D([], [], color=DFT, marker="o", markersize=5, label="smallest full level"),
            Line2D([], [], color=DFT, marker="o", markersize=5, markerfacecolor="white", label="largest empty level"),
        ]
    else:
        handles.append(Line2D([], [], color=DFT, linewidth=1.4, label="levels that decide"))
    handles += [
        Line2D([], [], color=_OTHER_LEVELS, linewidth=0.8, label="other levels"),
        Patch(facecolor=_BAND, alpha=_BAND_ALPHA, label="threshold ± width"),
    ]
    if picture.doubtful:
        handles.append(Patch(facecolor=AMBIGUOUS, label="ambiguous"))
    if picture.events:
        handles.append(
            Line2D(
                [],
                [],
                color=DFT,
                linewidth=0.8,
                linestyle=_DASHES,
                marker="D",
                markersize=6,
                markerfacecolor=_SWITCH,
                label="switch",
            )
        )
    if picture.hops:
        handles.append(
            Line2D([], [], linestyle="", marker=r"$\downarrow$", color=DFT, markersize=9, label="electron hop")
        )
    return handles


def _middle(interval: tuple[int, int]) -> float:
    return 0.5 * (interval[0] + interval[1])
