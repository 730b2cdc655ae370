"""Errors of the redox-aware committee beside those of the redox-unaware baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.style import AWARE, BASELINE, finish_plotly, new_figure
from aiida_redoxmlp.report.summary_schema import CommitteeErrors, HeldOutErrors

__all__ = ("CommitteeBars", "ErrorBars", "collect", "draw_matplotlib", "draw_plotly")

_HATCH = "//"


@dataclass(frozen=True)
class CommitteeBars:
    """Mean absolute errors of one committee: meV per atom, and meV/Å for all atoms and by species."""

    name: str
    colour: str
    hatch: str
    energy: float
    forces: dict[str, float]


@dataclass(frozen=True)
class ErrorBars:
    """The committees that were evaluated and the species, ``all atoms`` first."""

    committees: tuple[CommitteeBars, ...]
    groups: tuple[str, ...]


def collect(errors: HeldOutErrors) -> ErrorBars | None:
    """Prepare the comparison, or None when nothing was evaluated yet."""
    committees = []
    for name, colour, hatch, found in (
        ("redox-aware", AWARE, "", errors.redox_aware),
        ("redox-unaware", BASELINE, _HATCH, errors.baseline),
    ):
        if found is not None:
            committees.append(_bars(name, colour, hatch, found))
    if not committees:
        return None
    groups = list(dict.fromkeys(group for one in committees for group in one.forces))
    return ErrorBars(tuple(committees), tuple(groups))


def _bars(name: str, colour: str, hatch: str, found: CommitteeErrors) -> CommitteeBars:
    forces = {"all atoms": 1000 * found.force_mae_ev_per_angstrom}
    forces |= {one.species: 1000 * one.force_mae_ev_per_angstrom for one in found.per_species}
    return CommitteeBars(name, colour, hatch, 1000 * found.energy_mae_ev_per_atom, forces)


def draw_plotly(data: ErrorBars) -> go.Figure:
    """Draw the errors for the web page."""
    figure = make_subplots(rows=1, cols=2, column_widths=[0.22, 0.78], horizontal_spacing=0.1)
    for one in data.committees:
        pattern = {"shape": "/" if one.hatch else "", "fgcolor": "white", "fillmode": "overlay", "size": 6}
        common: dict[str, Any] = {
            "name": one.name,
            "legendgroup": one.name,
            "marker": {"color": one.colour, "pattern": pattern},
            "textposition": "outside",
            "cliponaxis": False,
            "textangle": 0,
        }
        figure.add_trace(
            go.Bar(x=["all frames"], y=[one.energy], text=[f"{one.energy:.3g}"], showlegend=False, **common),
            row=1,
            col=1,
        )
        values = [one.forces.get(group, np.nan) for group in data.groups]
        texts = [f"{value:.3g}" if np.isfinite(value) else "" for value in values]
        figure.add_trace(go.Bar(x=list(data.groups), y=values, text=texts, **common), row=1, col=2)
    figure.update_yaxes(title_text="energy MAE / meV per atom", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="force MAE / meV per Å", rangemode="tozero", row=1, col=2)
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_layout(barmode="group", bargap=0.25)
    return finish_plotly(figure, height=400, legend_rows=1, title_px=14)


def draw_matplotlib(data: ErrorBars) -> Figure:
    """Draw the errors as a picture."""
    figure, axes = new_figure(1, 2, width=9.0, height=3.8, width_ratios=[1, 3.6])
    energies, forces = axes[0]
    width = 0.8 / len(data.committees)
    for index, one in enumerate(data.committees):
        shift = (index - (len(data.committees) - 1) / 2) * width
        style: dict[str, Any] = {
            "color": one.colour,
            "hatch": one.hatch,
            "edgecolor": "white",
            "label": one.name,
        }
        bars = energies.bar([shift], [one.energy], width, **style)
        energies.bar_label(bars, fmt="{:.3g}", fontsize=8, padding=2)
        values = [one.forces.get(group, np.nan) for group in data.groups]
        bars = forces.bar(np.arange(len(data.groups)) + shift, values, width, **style)
        forces.bar_label(
            bars,
            labels=["" if np.isnan(value) else f"{value:.3g}" for value in values],
            fontsize=8,
            padding=2,
        )
    energies.set_xticks([0], ["all frames"])
    forces.set_xticks(np.arange(len(data.groups)), data.groups)
    energies.set_ylabel("energy MAE / meV per atom")
    forces.set_ylabel("force MAE / meV per Å")
    for axis in (energies, forces):
        axis.grid(visible=False, axis="x")
        axis.margins(y=0.12)
        axis.set_ylim(bottom=0)
    figure.legend(*forces.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure
