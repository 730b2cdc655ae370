"""Writing the report of a campaign: summary, HTML page, pictures."""

from __future__ import annotations

from pathlib import Path

from aiida import orm

from aiida_redoxmlp.report.campaign_page import campaign_page
from aiida_redoxmlp.report.figures.catalogue import figures_of
from aiida_redoxmlp.report.files import write_files
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.summary import summarise_graph
from aiida_redoxmlp.report.timings import process_spans

__all__ = ("write_report",)


def write_report(node: orm.ProcessNode, folder: Path) -> list[Path]:
    """Write ``summary.json``, ``report.html`` and ``figures/*.png`` and return their paths.

    Args:
        node: a campaign that finished, failed or still runs; figures without data yet are left out.
        folder: where to write; made if it is not there, files of an earlier report are replaced.
    """
    graph = CampaignGraph(node)
    summary = summarise_graph(graph)
    page = campaign_page(summary, process_spans(graph))
    return write_files(folder, summary, page, figures_of(graph, summary))
