"""Parity of potential and DFT on the held-out frames: energies and forces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from aiida_redoxmlp.report.figures.style import (
    AWARE,
    BASELINE,
    DFT,
    MATPLOTLIB_SYMBOLS,
    PLOTLY_SYMBOLS,
    finish_plotly,
    legend_entry,
    new_figure,
    species_colours,
    with_alpha,
)
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.process_graph import input_of, output_of

__all__ = ("MAX_POINTS", "EnergyParity", "ForceParity", "Parity", "collect", "draw_matplotlib", "draw_plotly")

MAX_POINTS = 6000
"""Force components drawn a panel; of more, every n-th atom is drawn."""

_SIZES_PX = (8, 11)
_NAMES = {"evaluate_aware": ("redox-aware", AWARE, 0), "evaluate_baseline": ("redox-unaware", BASELINE, 1)}


@dataclass(frozen=True, eq=False)
class EnergyParity:
    """Energies per atom in meV, relative to the mean DFT energy per atom; each of shape (n_frames,)."""

    name: str
    colour: str
    symbol: int
    dft: NDArray[np.float64]
    mlp: NDArray[np.float64]
    mlp_std: NDArray[np.float64]
    ambiguous: NDArray[np.bool_]
    frames: tuple[str, ...]

    @property
    def bounds(self) -> tuple[NDArray[np.float64], ...]:
        """Everything that has to fit on the axes, the ends of the bars among it."""
        return self.dft, self.mlp - self.mlp_std, self.mlp + self.mlp_std


@dataclass(frozen=True, eq=False)
class ForceParity:
    """Force components in eV/Å of one committee, by species; each of shape (n_components,)."""

    name: str
    by_species: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True, eq=False)
class Parity:
    """What potential and DFT say of the held-out frames."""

    energies: tuple[EnergyParity, ...]
    forces: tuple[ForceParity, ...]
    colours: dict[str, str]

    @property
    def energy_range(self) -> tuple[float, float]:
        """Range of all energies, with a margin."""
        return _padded([values for one in self.energies for values in one.bounds])

    @property
    def force_range(self) -> tuple[float, float]:
        """Range of all force components, with a margin."""
        return _padded([values for one in self.forces for pair in one.by_species.values() for values in pair])


def collect(graph: CampaignGraph) -> Parity | None:
    """Read what the evaluations predicted, or None when none has finished."""
    energies, forces = [], []
    for job, (name, colour, symbol) in _NAMES.items():
        report = graph.report_of(job)
        if not report.get("frames"):
            continue
        energies.append(_energies(report, _atoms_of(graph, job, len(report["frames"])), (name, colour, symbol)))
        arrays = output_of(graph.job(job), "forces")
        if arrays is not None:
            forces.append(_forces(arrays, name))
    if not energies:
        return None
    elements = {graph.symbols[site] for site in graph.listing.get("sites", [])}
    species = {label for one in forces for label in one.by_species}
    return Parity(tuple(energies), tuple(forces), species_colours(species, elements))


def _atoms_of(graph: CampaignGraph, job: str, n_frames: int) -> NDArray[np.float64]:
    """Number of atoms of every evaluated frame."""
    dataset = input_of(graph.job(job), "dataset")
    counts = [len(frame.configuration) for frame in dataset.frames] if dataset is not None else []
    if len(counts) != n_frames:
        counts = [max(len(graph.symbols), 1)] * n_frames
    return np.array(counts, dtype=np.float64)


def _energies(report: dict[str, Any], atoms: NDArray[np.float64], style: tuple[str, str, int]) -> EnergyParity:
    frames = report["frames"]
    dft = np.array([frame["energy_dft_ev"] for frame in frames]) / atoms
    mlp = np.array([frame["energy_mlp_ev"] for frame in frames]) / atoms
    name, colour, symbol = style
    return EnergyParity(
        name=name,
        colour=colour,
        symbol=symbol,
        dft=1000 * (dft - dft.mean()),
        mlp=1000 * (mlp - dft.mean()),
        mlp_std=1000 * np.array([frame["energy_mlp_std_ev"] for frame in frames]) / atoms,
        ambiguous=np.array([frame["ambiguous"] for frame in frames], dtype=bool),
        frames=tuple(f"step {frame['step']} of {frame['source'][:8] or frame['group']}" for frame in frames),
    )


def _forces(arrays: Any, name: str) -> ForceParity:
    dft, mlp = np.asarray(arrays.get_array("dft")), np.asarray(arrays.get_array("mlp"))
    species = np.asarray(arrays.base.attributes.get("species"))
    stride = max(1, -(-3 * len(dft) // MAX_POINTS))
    dft, mlp, species = dft[::stride], mlp[::stride], species[::stride]
    return ForceParity(
        name=name,
        by_species={
            str(label): (dft[species == label].ravel(), mlp[species == label].ravel())
            for label in sorted(set(species.tolist()))
        },
    )


def _padded(parts: list[NDArray[np.float64]]) -> tuple[float, float]:
    values = np.concatenate([*parts, np.zeros(1)])
    margin = 0.06 * max(float(np.ptp(values)), 1e-6)
    return float(values.min()) - margin, float(values.max()) + margin


def draw_plotly(data: Parity) -> go.Figure:
    """Draw the parity plots for the web page."""
    panels = 1 + len(data.forces)
    titles = ["Energy", *(f"Forces, {one.name}" for one in data.forces)]
    figure = make_subplots(rows=1, cols=panels, subplot_titles=titles, horizontal_spacing=0.09)
    _diagonal(figure, data.energy_range, 1)
    for one in reversed(data.energies):  # the redox-aware points on top
        figure.add_trace(_energy_points(one), row=1, col=1)
    for one in data.energies:
        marker = {"symbol": PLOTLY_SYMBOLS[one.symbol], "size": 9, "color": one.colour}
        figure.add_trace(legend_entry(one.name, mode="markers", marker=marker))
    if any(one.ambiguous.any() for one in data.energies):
        hollow = {"symbol": "circle-open", "size": 9, "color": DFT, "line": {"width": 1.5}}
        figure.add_trace(legend_entry("ambiguous frame", mode="markers", marker=hollow))
    for panel, forces in enumerate(data.forces, start=2):
        _diagonal(figure, data.force_range, panel)
        _add_forces(figure, forces, data, panel)
    figure.update_xaxes(title_text="DFT − mean of DFT / meV per atom", row=1, col=1)
    figure.update_yaxes(title_text="potential − mean of DFT / meV per atom", row=1, col=1)
    return finish_plotly(figure, height=470, legend_rows=1, title_px=28)


def _energy_points(one: EnergyParity) -> go.Scatter:
    symbol = PLOTLY_SYMBOLS[one.symbol]
    return go.Scatter(
        x=one.dft,
        y=one.mlp,
        mode="markers",
        error_y={"array": one.mlp_std, "thickness": 1, "width": 2, "color": with_alpha(one.colour, 0.6)},
        marker={
            "size": _SIZES_PX[one.symbol],
            "color": one.colour,
            "symbol": [f"{symbol}-open" if doubt else symbol for doubt in one.ambiguous],
            "line": {"width": 1.5, "color": one.colour},
        },
        text=one.frames,
        hovertemplate="%{text}<br>DFT %{x:.2f}, potential %{y:.2f} meV/atom<extra>" + one.name + "</extra>",
        showlegend=False,
    )


def _add_forces(figure: go.Figure, forces: ForceParity, data: Parity, panel: int) -> None:
    for index, (label, (dft, mlp)) in enumerate(forces.by_species.items()):
        marker = {"color": data.colours[label], "symbol": PLOTLY_SYMBOLS[index % len(PLOTLY_SYMBOLS)]}
        if forces is data.forces[0]:
            figure.add_trace(legend_entry(label, mode="markers", marker={**marker, "size": 9}))
        figure.add_trace(
            go.Scatter(
                x=dft,
                y=mlp,
                mode="markers",
                showlegend=False,
                marker={**marker, "size": 6, "opacity": 0.75},
                hovertemplate="DFT %{x:.3f}, potential %{y:.3f} eV/Å<extra>" + label + "</extra>",
            ),
            row=1,
            col=panel,
        )
    figure.update_xaxes(title_text="DFT force component / eV per Å", row=1, col=panel)
    figure.update_yaxes(title_text="potential / eV per Å", row=1, col=panel)


def _diagonal(figure: go.Figure, limits: tuple[float, float], panel: int) -> None:
    line = go.Scatter(
        x=limits,
        y=limits,
        mode="lines",
        line={"color": DFT, "width": 1, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_trace(line, row=1, col=panel)
    figure.update_xaxes(range=limits, row=1, col=panel)
    figure.update_yaxes(range=limits, row=1, col=panel)


def draw_matplotlib(data: Parity) -> Figure:
    """Draw the parity plots as a picture."""
    panels = 1 + len(data.forces)
    figure, axes = new_figure(1, panels, width=3.6 * panels, height=4.2)
    row = axes[0]
    for axis, limits in zip(row, [data.energy_range, *[data.force_range] * len(data.forces)], strict=True):
        axis.plot(limits, limits, color=DFT, linewidth=0.8, linestyle=":")
        axis.set(xlim=limits, ylim=limits, box_aspect=1)
    handles = [_draw_energies(row[0], one) for one in reversed(data.energies)][::-1]
    if any(one.ambiguous.any() for one in data.energies):
        handles.append(
            Line2D([], [], linestyle="", marker="o", color=DFT, markerfacecolor="white", label="ambiguous frame")
        )
    row[0].set_title("Energy", fontsize=10)
    row[0].set_xlabel("DFT − mean of DFT / meV per atom")
    row[0].set_ylabel("potential − mean of DFT / meV per atom")
    for axis, forces in zip(row[1:], data.forces, strict=True):
        points = []
        for index, (label, (dft, mlp)) in enumerate(forces.by_species.items()):
            marker = MATPLOTLIB_SYMBOLS[index % len(MATPLOTLIB_SYMBOLS)]
            axis.scatter(dft, mlp, s=12, marker=marker, color=data.colours[label], alpha=0.75, linewidths=0)
            points.append(Line2D([], [], linestyle="", marker=marker, color=data.colours[label], label=label))
        axis.set_title(f"Forces, {forces.name}", fontsize=10)
        axis.set_xlabel("DFT force component / eV per Å")
        axis.set_ylabel("potential / eV per Å")
        handles += points if forces is data.forces[0] else []
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 9), frameon=False, fontsize=9)
    return figure


def _draw_energies(axis: Any, one: EnergyParity) -> Line2D:
    marker = MATPLOTLIB_SYMBOLS[one.symbol]
    axis.errorbar(one.dft, one.mlp, yerr=one.mlp_std, fmt="none", ecolor=one.colour, alpha=0.6, elinewidth=1)
    faces = ["white" if doubt else one.colour for doubt in one.ambiguous]
    axis.scatter(
        one.dft,
        one.mlp,
        s=0.5 * _SIZES_PX[one.symbol] ** 2,
        marker=marker,
        c=faces,
        edgecolors=one.colour,
        linewidths=1.3,
        zorder=3,
    )
    return Line2D([], [], linestyle="", marker=marker, color=one.colour, label=one.name)
