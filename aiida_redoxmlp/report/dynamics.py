"""Writing the report of molecular dynamics: summary, HTML page, pictures."""

from __future__ import annotations

from pathlib import Path

from aiida import orm

from aiida_redoxmlp.report.dynamics_graph import DynamicsGraph
from aiida_redoxmlp.report.dynamics_page import dynamics_page
from aiida_redoxmlp.report.dynamics_summary import summarise_dynamics_graph
from aiida_redoxmlp.report.figures.catalogue import dynamics_figures_of
from aiida_redoxmlp.report.files import write_files
from aiida_redoxmlp.report.timings import process_spans

__all__ = ("write_dynamics_report",)


def write_dynamics_report(node: orm.ProcessNode, folder: Path) -> list[Path]:
    """Write ``summary.json``, ``report.html`` and ``figures/*.png`` and return their paths.

    Args:
        node: a DynamicsWorkChain or TrajectoryWorkChain that finished, failed or still runs; figures without data yet
            are left out.
        folder: where to write; made if it is not there, files of an earlier report are replaced.
    """
    graph = DynamicsGraph(node)
    summary = summarise_dynamics_graph(graph)
    page = dynamics_page(summary, process_spans(graph))
    return write_files(folder, summary, page, dynamics_figures_of(graph, summary))
