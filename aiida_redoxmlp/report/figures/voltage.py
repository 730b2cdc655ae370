"""Convex hull and voltage profile side by side, the potential's and DFT's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from aiida_redoxmlp.report.figures.style import AWARE, DFT, new_figure
from aiida_redoxmlp.search.convex_hull import lower_hull
from aiida_redoxmlp.search.voltage import VoltageProfiles
from aiida_redoxmlp.search.voltage_curve import Source, VoltageCurve, VoltageStep

__all__ = ("draw_matplotlib",)

_STYLES: Mapping[Source, tuple[str, str, str, Literal["-", "--"]]] = {
    "potential": ("potential (committee mean)", AWARE, "o", "-"),
    "dft": ("DFT", DFT, "D", "--"),
}
_MEMBER_ALPHA = 0.3


def draw_matplotlib(profiles: VoltageProfiles) -> Figure:
    """Draw formation energies with their hull on the left, average voltages on the right.

    Filled points are on the hull. Faint lines are the hulls and voltages of the committee's members, bars the standard
    deviation of the formation energies.
    """
    figure, axes = new_figure(1, 2, width=9.0, height=3.9)
    hull, voltage = axes[0]
    for curve in profiles.curves:
        _draw_hull(hull, curve)
        _draw_voltage(voltage, curve)
    hull.axhline(0, color=DFT, linewidth=0.6)
    hull.set_ylabel("formation energy / meV per formula unit")
    voltage.set_ylabel("average voltage / V vs Li")
    for axis in (hull, voltage):
        axis.set_xlabel("lithium in a formula unit, x")
    handles = [handle for curve in profiles.curves for handle in _legend(curve)]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _draw_hull(axis: Any, curve: VoltageCurve) -> None:
    _, colour, marker, line = _STYLES[curve.source]
    formation = 1000 * curve.formation_energies
    if curve.n_members > 1:
        for member in formation.T:
            axis.plot(*_corners(curve.contents, member), color=colour, alpha=_MEMBER_ALPHA, linewidth=0.8)
        spreads = formation.std(axis=1, ddof=1)
        axis.errorbar(
            curve.contents, formation.mean(axis=1), yerr=spreads, fmt="none", ecolor=colour, capsize=3, elinewidth=1.2
        )
    means = formation.mean(axis=1)
    axis.plot(*_corners(curve.contents, means), color=colour, linestyle=line, linewidth=1.4)
    filled = np.where(curve.stable, colour, "white")
    axis.scatter(curve.contents, means, s=36, marker=marker, c=filled, edgecolors=colour, linewidths=1.3, zorder=3)


def _corners(
    contents: NDArray[np.float64], energies: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    corners = lower_hull(contents, energies)
    return contents[corners], energies[corners]


def _draw_voltage(axis: Any, curve: VoltageCurve) -> None:
    _, colour, _, line = _STYLES[curve.source]
    if curve.n_members > 1:
        for member in curve.member_curves():
            axis.plot(*_stairs(member.steps), color=colour, alpha=_MEMBER_ALPHA, linewidth=0.8)
    axis.plot(*_stairs(curve.steps), color=colour, linestyle=line, linewidth=1.6)


def _stairs(steps: Sequence[VoltageStep]) -> tuple[list[float], list[float]]:
    contents = [content for step in steps for content in (step.start, step.end)]
    return contents, [step.voltage for step in steps for _ in range(2)]


def _legend(curve: VoltageCurve) -> list[Line2D]:
    name, colour, marker, line = _STYLES[curve.source]
    if curve.n_members == 1:
        name = name.partition(" (")[0]
    handles = [Line2D([], [], color=colour, marker=marker, linestyle=line, label=name)]
    if curve.n_members > 1:
        handles.append(Line2D([], [], color=colour, alpha=_MEMBER_ALPHA, linewidth=0.8, label="committee members"))
    if not curve.stable.all():
        above = Line2D([], [], color=colour, marker=marker, linestyle="none", label="above the hull")
        above.set_markerfacecolor("white")
        handles.append(above)
    return handles
