"""Writing the report of an active-learning loop: summary, HTML page, pictures."""

from __future__ import annotations

from pathlib import Path

from aiida import orm

from aiida_redoxmlp.report.figures.loop_catalogue import loop_figures_of
from aiida_redoxmlp.report.files import write_files
from aiida_redoxmlp.report.loop_graph import LoopGraph
from aiida_redoxmlp.report.loop_page import loop_page
from aiida_redoxmlp.report.loop_summary import summarise_loop_graph
from aiida_redoxmlp.report.timings import process_spans

__all__ = ("write_loop_report",)


def write_loop_report(node: orm.ProcessNode, folder: Path) -> list[Path]:
    """Write ``summary.json``, ``report.html`` and ``figures/*.png`` and return their paths.

    Args:
        node: an ActiveLearningWorkChain that finished, failed or still runs; figures without data yet are left out.
        folder: where to write; made if it is not there, files of an earlier report are replaced.
    """
    graph = LoopGraph(node)
    summary = summarise_loop_graph(graph)
    spans = process_spans(graph)
    return write_files(folder, summary, loop_page(summary, spans), loop_figures_of(graph, summary))
