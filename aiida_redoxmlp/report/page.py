"""The HTML page: one file that works without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from aiida_redoxmlp.report.figures.catalogue import ReportFigure
from aiida_redoxmlp.report.summary_schema import CampaignSummary
from aiida_redoxmlp.report.tables import tables_of
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.verdict import certainty, headline
from aiida_redoxmlp.report.wording import duration

__all__ = ("Tile", "render_page", "tiles_of")


@dataclass(frozen=True)
class Tile:
    """One number to see at a glance."""

    value: str
    text: str


@dataclass(frozen=True)
class _DrawnFigure:
    name: str
    title: str
    caption: str
    html: Markup


def render_page(summary: CampaignSummary, figures: Sequence[ReportFigure], spans: Sequence[ProcessSpan]) -> str:
    """Return the page; plotly.js is in it once, and everything that comes from data is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    text = files("aiida_redoxmlp.report").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        summary=summary,
        headline=headline(summary),
        certainty=certainty(summary),
        tiles=tiles_of(summary),
        figures=[_draw(figure) for figure in figures],
        tables=tables_of(summary, spans),
        wall_time=duration(summary.wall_time_s),
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704 - plotly's own script, shipped with the package
    )


def tiles_of(summary: CampaignSummary) -> list[Tile]:
    """Return the numbers for the top of the page; those that are not there yet are left out."""
    counts, errors = summary.counts, summary.test_errors
    ambiguous = f", {counts.n_ambiguous_frames} ambiguous" if counts.n_ambiguous_frames else ""
    tiles = [
        Tile(str(counts.n_dft_calculations), "pw.x calculations"),
        Tile(str(counts.n_frames), f"labelled frames{ambiguous}"),
        Tile(f"{counts.labels_landed} / {counts.labels_asked}", "labels landed on the wanted pattern"),
    ]
    if errors.redox_aware is not None:
        unaware = errors.baseline
        energy = f" ({1000 * unaware.energy_mae_ev_per_atom:.2g} redox-unaware)" if unaware else ""
        force = f" ({1000 * unaware.force_mae_ev_per_angstrom:.0f} redox-unaware)" if unaware else ""
        tiles += [
            Tile(
                f"{1000 * errors.redox_aware.energy_mae_ev_per_atom:.2g} meV/atom",
                f"energy error on {errors.redox_aware.n_frames} held-out frames{energy}",
            ),
            Tile(
                f"{1000 * errors.redox_aware.force_mae_ev_per_angstrom:.0f} meV/Å",
                f"force error on them{force}",
            ),
        ]
    if summary.pattern_recovery is not None:
        tiles.append(
            Tile(f"{100 * summary.pattern_recovery:.0f} %", "of them with DFT's pattern as the potential's lowest")
        )
    return [*tiles, Tile(duration(summary.wall_time_s), "from submission to the last change")]


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
