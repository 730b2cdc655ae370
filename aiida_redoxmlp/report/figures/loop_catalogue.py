"""The figures of an active-learning loop, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aiida_redoxmlp.report.figures import loop_coverage, loop_errors, loop_labels, loop_uncertainty
from aiida_redoxmlp.report.figures.catalogue import ReportFigure, timeline_figure
from aiida_redoxmlp.report.loop_graph import LoopGraph
from aiida_redoxmlp.report.loop_schema import LoopSummary
from aiida_redoxmlp.report.timings import ProcessSpan, process_spans

__all__ = ("loop_figures_of",)


def loop_figures_of(graph: LoopGraph, summary: LoopSummary) -> list[ReportFigure]:
    """Return the figures that a loop has data for."""
    made = [_errors(summary), _labels(summary), _uncertainty(summary), _coverage(summary)]
    made.append(timeline_figure(_rows_by_stage(process_spans(graph))))
    return [figure for figure in made if figure is not None]


def _errors(summary: LoopSummary) -> ReportFigure | None:
    data = loop_errors.collect(summary)
    if data is None:
        return None
    return ReportFigure(
        "loop_errors",
        "Errors over the iterations",
        "On the fresh labels of an iteration, of the potential that asked for them and had not seen them: the hardest "
        "structures that exploration met. On held-out frames, of the potential trained after the iteration. The "
        "pattern recovery is the share of clear labels in which DFT found the pattern that was believed in.",
        lambda: loop_errors.draw_plotly(data),
        lambda: loop_errors.draw_matplotlib(data),
    )


def _labels(summary: LoopSummary) -> ReportFigure | None:
    data = loop_labels.collect(summary)
    if data is None:
        return None
    return ReportFigure(
        "loop_labels",
        "Labels and budget",
        "Labels by what DFT answered: the pattern that was believed in (landed), clearly another one (redox error), "
        "charges that close only with doubt (ambiguous), or no usable label (failed).",
        lambda: loop_labels.draw_plotly(data),
        lambda: loop_labels.draw_matplotlib(data),
    )


def _uncertainty(summary: LoopSummary) -> ReportFigure | None:
    data = loop_uncertainty.collect(summary)
    if data is None:
        return None
    left_out = f" {data.n_left_out} iterations in between are not drawn." if data.n_left_out else ""
    return ReportFigure(
        "loop_uncertainty",
        "What the committee did not know",
        "Candidates of each iteration. Left: the largest force spread of an atom, times its factor of calibration; "
        "below the band the committee knows the structure, above it the structure is not trusted. Right: how likely "
        f"DFT finds another pattern than the one believed in, as far as the committee can tell.{left_out}",
        lambda: loop_uncertainty.draw_plotly(data),
        lambda: loop_uncertainty.draw_matplotlib(data),
    )


def _coverage(summary: LoopSummary) -> ReportFigure | None:
    data = loop_coverage.collect(summary)
    if data is None:
        return None
    return ReportFigure(
        "loop_coverage",
        "Labels by state of charge and pattern",
        "A row is a state of charge, a cell one of its patterns with the number of its labels, those from before the "
        "loop among them. Patterns that symmetry makes equivalent have cells of their own.",
        lambda: loop_coverage.draw_plotly(data),
        lambda: loop_coverage.draw_matplotlib(data),
    )


def _rows_by_stage(spans: Sequence[ProcessSpan]) -> list[ProcessSpan]:
    """Give the jobs of one stage and iteration one row of the timeline, as there may be hundreds of labels."""
    return [
        replace(span, owner=f"{span.stage}_{number}")
        for span in spans
        if (number := LoopGraph.iteration_of(span.owner)) is not None
    ]
