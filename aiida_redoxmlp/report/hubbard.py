"""Writing the report of self-consistent Hubbard parameters: summary, HTML page, pictures."""

from __future__ import annotations

from pathlib import Path

from aiida import orm

from aiida_redoxmlp.report.figures.catalogue import hubbard_figures_of
from aiida_redoxmlp.report.files import write_files
from aiida_redoxmlp.report.hubbard_graph import HubbardGraph
from aiida_redoxmlp.report.hubbard_page import hubbard_page
from aiida_redoxmlp.report.hubbard_summary import summarise_hubbard_graph
from aiida_redoxmlp.report.timings import process_spans

__all__ = ("write_hubbard_report",)


def write_hubbard_report(node: orm.ProcessNode, folder: Path) -> list[Path]:
    """Write ``summary.json``, ``report.html`` and ``figures/*.png`` and return their paths.

    Args:
        node: a HubbardWorkChain that finished, failed or still runs; figures without data yet are left out.
        folder: where to write; made if it is not there, files of an earlier report are replaced.
    """
    graph = HubbardGraph(node)
    summary = summarise_hubbard_graph(graph)
    page = hubbard_page(summary, process_spans(graph))
    return write_files(folder, summary, page, hubbard_figures_of(graph, summary))
