"""Writing the report of a campaign: summary, HTML page, pictures."""

from __future__ import annotations

from pathlib import Path

from aiida import orm

from aiida_redoxmlp.report.figures.catalogue import figures_of
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.page import render_page
from aiida_redoxmlp.report.summary import summarise_graph
from aiida_redoxmlp.report.timings import process_spans

__all__ = ("write_report",)

_RESOLUTION_DPI = 160


def write_report(node: orm.ProcessNode, folder: Path) -> list[Path]:
    """Write ``summary.json``, ``report.html`` and ``figures/*.png`` and return their paths.

    Args:
        node: a campaign that finished, failed or still runs; figures without data yet are left out.
        folder: where to write; made if it is not there, files of an earlier report are replaced.
    """
    graph = CampaignGraph(node)
    summary = summarise_graph(graph)
    figures = figures_of(graph, summary)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for old in (folder / "figures").glob("*.png"):
        old.unlink()
    written = [folder / "summary.json", folder / "report.html"]
    summary.write(written[0])
    written[1].write_text(render_page(summary, figures, process_spans(graph)), encoding="utf-8")
    for figure in figures:
        path = folder / "figures" / f"{figure.name}.png"
        figure.matplotlib().savefig(path, dpi=_RESOLUTION_DPI)
        written.append(path)
    return written
