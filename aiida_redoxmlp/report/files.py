"""The files of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aiida_redoxmlp.report.figures.catalogue import ReportFigure
from aiida_redoxmlp.report.page import Page, render_page
from aiida_redoxmlp.report.schema_parts import Summary

__all__ = ("write_files",)

_RESOLUTION_DPI = 160


def write_files(folder: Path, summary: Summary, page: Page, figures: Sequence[ReportFigure]) -> list[Path]:
    """Write ``summary.json``, ``report.html`` and ``figures/*.png`` and return their paths.

    The folder is made if it is not there; files of an earlier report are replaced.
    """
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for old in (folder / "figures").glob("*.png"):
        old.unlink()
    written = [folder / "summary.json", folder / "report.html"]
    summary.write(written[0])
    written[1].write_text(render_page(page, figures), encoding="utf-8")
    for figure in figures:
        path = folder / "figures" / f"{figure.name}.png"
        figure.matplotlib().savefig(path, dpi=_RESOLUTION_DPI)
        written.append(path)
    return written
