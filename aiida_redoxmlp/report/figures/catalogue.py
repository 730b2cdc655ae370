"""The figures of a report, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from matplotlib.figure import Figure

from aiida_redoxmlp.report.dynamics_graph import DynamicsGraph
from aiida_redoxmlp.report.dynamics_schema import DynamicsSummary
from aiida_redoxmlp.report.figures import (
    conservation,
    errors,
    hubbard_cycles,
    hubbard_panels,
    learning_curves,
    parity,
    pattern_energies,
    reliability,
    run_state_panels,
    run_states,
    timeline,
    trajectories,
    trajectory_panels,
)
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.hubbard_graph import HubbardGraph
from aiida_redoxmlp.report.hubbard_schema import HubbardSummary
from aiida_redoxmlp.report.hubbard_wording import hubbard_outcome, label_sentence
from aiida_redoxmlp.report.process_graph import ProcessGraph
from aiida_redoxmlp.report.summary_schema import CampaignSummary
from aiida_redoxmlp.report.timings import ProcessSpan, process_spans

__all__ = ("ReportFigure", "dynamics_figures_of", "figures_of", "hubbard_figures_of", "timeline_figure")


@dataclass(frozen=True, eq=False)
class ReportFigure:
    """One figure, drawn when asked for.

    Attributes:
        name: file name without ending, and anchor in the page.
        title: heading.
        caption: what it shows.
        plotly: draws it for the web page.
        matplotlib: draws it as a picture.
    """

    name: str
    title: str
    caption: str
    plotly: Callable[[], go.Figure]
    matplotlib: Callable[[], Figure]


def figures_of(graph: CampaignGraph, summary: CampaignSummary) -> list[ReportFigure]:
    """Return the figures that a campaign has data for."""
    made = [
        _patterns(graph, summary),
        _trajectories(graph, summary),
        _parity(graph),
        _errors(summary),
        _reliability(summary),
        _learning(graph),
        None if summary.hubbard is None else _hubbard(summary.hubbard, label_sentence(summary.hubbard.means)),
        _timeline(graph),
    ]
    return [figure for figure in made if figure is not None]


def hubbard_figures_of(graph: HubbardGraph, summary: HubbardSummary) -> list[ReportFigure]:
    """Return the figures that self-consistent Hubbard parameters have data for."""
    return [figure for figure in (_hubbard(summary), _timeline(graph)) if figure is not None]


def dynamics_figures_of(graph: DynamicsGraph, summary: DynamicsSummary) -> list[ReportFigure]:
    """Return the figures that molecular dynamics has data for: one a trajectory, the conserved quantity, the jobs."""
    states = [_run_states(data) for data in run_states.collect(graph)]
    rest = [figure for figure in (_conservation(graph, summary), _timeline(graph)) if figure is not None]
    return [*states, *rest]


def _run_states(data: run_states.RunStates) -> ReportFigure:
    return ReportFigure(
        data.anchor,
        f"Oxidation states along {data.name}",
        "Top: the state of every redox site; an arrow is a hop, from the site that the electron left to the one it "
        "went to (dotted where another pairing is possible). Middle: the eigenvalues of the occupation matrices, those "
        "that decide in the colour of the state. Bottom: the temperature; a diamond is a switch, at the mean over its "
        "interval. What is ambiguous is grey.",
        lambda: run_state_panels.draw_plotly(data),
        lambda: run_states.draw_matplotlib(data),
    )


def _conservation(graph: DynamicsGraph, summary: DynamicsSummary) -> ReportFigure | None:
    data = conservation.collect(graph)
    if data is None:
        return None
    thermostats = any(one.thermostat != "none" for one in summary.trajectories)
    held = " A thermostat takes energy and gives some, so what pw.x calls constant is not." if thermostats else ""
    return ReportFigure(
        "conserved_quantity",
        "Conserved quantity across the joints between jobs",
        "Kinetic plus potential energy relative to the first step, or to the first one after new velocities or seeds. "
        "A job begins with the last whole step of the one before: a ring is what it computed for that step, the point "
        f"in it what the job before did.{held}",
        lambda: conservation.draw_plotly(data),
        lambda: conservation.draw_matplotlib(data),
    )


def _hubbard(summary: HubbardSummary, more: str = "") -> ReportFigure | None:
    data = hubbard_cycles.collect(summary)
    if data is None:
        return None
    of_v = " V is the mean over a site's neighbours of one element, bars are the range." if len(data.panels) > 1 else ""
    symbols = " and ".join(panel.symbol for panel in data.panels)
    return ReportFigure(
        "hubbard",
        f"{symbols} over the cycles: {hubbard_outcome(summary)}",
        "What linear response found in every cycle, by site and its oxidation state in that cycle; cycle 0 is what was "
        f"put in, bands are the tolerance around the last value.{of_v} {more}".strip(),
        lambda: hubbard_panels.draw_plotly(data),
        lambda: hubbard_panels.draw_matplotlib(data),
    )


def _patterns(graph: CampaignGraph, summary: CampaignSummary) -> ReportFigure | None:
    data = pattern_energies.collect(graph, summary.patterns)
    if data is None:
        return None
    rest = f" The {data.n_left_out} highest patterns are not drawn." if data.n_left_out else ""
    return ReportFigure(
        "pattern_energies",
        "Energy of each pattern",
        "Energy of each redox pattern, every judge relative to its own lowest pattern; bars are the standard "
        f"deviation over the committee of the difference to the potential's lowest pattern, zero there.{rest}",
        lambda: pattern_energies.draw_plotly(data),
        lambda: pattern_energies.draw_matplotlib(data),
    )


def _trajectories(graph: CampaignGraph, summary: CampaignSummary) -> ReportFigure | None:
    data = trajectories.collect(graph, tuple(summary.site_labels))
    if data is None:
        return None
    return ReportFigure(
        "oxidation_states",
        "Oxidation states along relaxations and molecular dynamics",
        "Of each site's occupation eigenvalues, the two that decide its oxidation state at every ionic step: the "
        "smallest that counts as full and the largest that counts as empty, coloured by the state assigned; "
        "where an empty level comes near or above the dotted line the charges close only with doubt.",
        lambda: trajectory_panels.draw_plotly(data),
        lambda: trajectory_panels.draw_matplotlib(data),
    )


def _parity(graph: CampaignGraph) -> ReportFigure | None:
    data = parity.collect(graph)
    if data is None:
        return None
    return ReportFigure(
        "parity",
        "Potential against DFT on held-out frames",
        "Energies per atom relative to the mean of DFT (bars: standard deviation over the committee) and "
        "force components by species; the dotted line is agreement.",
        lambda: parity.draw_plotly(data),
        lambda: parity.draw_matplotlib(data),
    )


def _errors(summary: CampaignSummary) -> ReportFigure | None:
    data = errors.collect(summary.test_errors)
    if data is None:
        return None
    return ReportFigure(
        "errors",
        "Redox-aware against redox-unaware",
        "Mean absolute errors on the held-out frames of the potential that knows oxidation states and of the "
        "same architecture trained on the same frames without them.",
        lambda: errors.draw_plotly(data),
        lambda: errors.draw_matplotlib(data),
    )


def _reliability(summary: CampaignSummary) -> ReportFigure | None:
    data = reliability.collect(summary.test_errors)
    if data is None:
        return None
    return ReportFigure(
        "reliability",
        "Does the committee know how wrong it is?",
        "Held-out predictions in groups of similar spread: root mean square of their errors against that of their "
        "spreads over the committee. On the dotted line the spread is the error; above it the committee is too "
        "sure of itself, and a flat curve means that the spread does not tell which predictions are bad.",
        lambda: reliability.draw_plotly(data),
        lambda: reliability.draw_matplotlib(data),
    )


def _learning(graph: CampaignGraph) -> ReportFigure | None:
    data = learning_curves.collect(graph)
    if data is None:
        return None
    return ReportFigure(
        "learning_curves",
        "Learning curves",
        "Loss and validation errors of every committee member by epoch; diamonds mark the epochs that were kept.",
        lambda: learning_curves.draw_plotly(data),
        lambda: learning_curves.draw_matplotlib(data),
    )


def _timeline(graph: ProcessGraph) -> ReportFigure | None:
    return timeline_figure(process_spans(graph))


def timeline_figure(spans: Sequence[ProcessSpan]) -> ReportFigure | None:
    """Return the figure of when jobs ran, or None where none was started; jobs of one owner share a row."""
    data = timeline.collect(spans)
    if data is None:
        return None
    return ReportFigure(
        "timeline",
        "When the jobs ran",
        "Jobs from their creation to their last change in the database, queueing included; hatched jobs came "
        "from AiiDA's cache, crossed ones ended with an error or were stopped.",
        lambda: timeline.draw_plotly(data),
        lambda: timeline.draw_matplotlib(data),
    )
