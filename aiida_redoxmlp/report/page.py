"""The HTML page: one file that works without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from aiida_redoxmlp.report.figures.catalogue import ReportFigure
from aiida_redoxmlp.report.schema_parts import WorkChainSummary
from aiida_redoxmlp.report.tables import Table
from aiida_redoxmlp.report.wording import duration

__all__ = ("Page", "Tile", "render_page")


@dataclass(frozen=True)
class Tile:
    """One number to see at a glance."""

    value: str
    text: str


@dataclass(frozen=True)
class Page:
    """What a page says, from top to bottom.

    Attributes:
        kind: what it reports on, such as ``campaign``.
        material: heading.
        formula: chemical formula of the cell.
        total_charge: charge of the cell in e.
        protocol: name of the protocol, or None.
        uuid: uuid of the work chain.
        headline: the answer in a sentence.
        sentences: how sure it is.
        note: sentence to print beside the numbers of a demonstration, or None.
        warnings: one sentence each.
        tiles: numbers to see at a glance.
        tables: tables below the figures.
        started: ISO 8601.
        last_change: ISO 8601.
        wall_time: from one to the other, in words.
        conventions: units and terms, in sentences.
        plugin_version: version of aiida-redoxmlp that ran it.
    """

    kind: str
    material: str
    formula: str
    total_charge: int
    protocol: str | None
    uuid: str
    headline: str
    sentences: Sequence[str]
    note: str | None
    warnings: Sequence[str]
    tiles: Sequence[Tile]
    tables: Sequence[Table]
    started: str
    last_change: str
    wall_time: str
    conventions: str
    plugin_version: str

    @classmethod
    def of(cls, summary: WorkChainSummary, **own: Any) -> Page:
        """Return the page of a work chain: what its summary says of it, and what is the page's own."""
        return cls(
            material=summary.material,
            formula=summary.formula,
            total_charge=summary.total_charge,
            protocol=summary.protocol,
            note=summary.demonstration_note,
            warnings=summary.warnings,
            started=summary.started,
            last_change=summary.last_change,
            wall_time=duration(summary.wall_time_s),
            plugin_version=summary.versions.get("aiida-redoxmlp", ""),
            **own,
        )


@dataclass(frozen=True)
class _DrawnFigure:
    name: str
    title: str
    caption: str
    html: Markup


def render_page(page: Page, figures: Sequence[ReportFigure]) -> str:
    """Return the page; plotly.js is in it once, and everything that comes from data is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    text = files("aiida_redoxmlp.report").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        page=page,
        figures=[_draw(figure) for figure in figures],
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704 - plotly's own script, shipped with the package
    )


def _draw(figure: ReportFigure) -> _DrawnFigure:
    drawn = figure.plotly()
    html = drawn.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"{figure.name}-plot",
        default_height=f"{drawn.layout.height}px",
        config={
            "displaylogo": False,
            "modeBarButtons": [["toImage", "resetScale2d"]],
            "responsive": True,
            "toImageButtonOptions": {"filename": figure.name, "scale": 2},
        },
    )
    return _DrawnFigure(figure.name, figure.title, figure.caption, Markup(html))  # noqa: S704 - plotly escapes its data
