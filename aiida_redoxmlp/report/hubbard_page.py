"""The page of self-consistent Hubbard parameters."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.hubbard_schema import HubbardSummary
from aiida_redoxmlp.report.hubbard_tables import hubbard_tables
from aiida_redoxmlp.report.hubbard_wording import hubbard_certainty, hubbard_headline
from aiida_redoxmlp.report.page import Page, Tile
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import duration

__all__ = ("hubbard_page",)


def hubbard_page(summary: HubbardSummary, spans: Sequence[ProcessSpan]) -> Page:
    """Return what the page of self-consistent Hubbard parameters says."""
    return Page.of(
        summary,
        kind="Hubbard parameters",
        uuid=summary.uuids.work_chain,
        headline=hubbard_headline(summary),
        sentences=hubbard_certainty(summary),
        tiles=_tiles(summary),
        tables=hubbard_tables(summary, spans),
        conventions="Energies are in eV, distances in Å; atoms are numbered from 0 in the order of the structure that "
        "was put in.",
    )


def _tiles(summary: HubbardSummary) -> list[Tile]:
    """Return the numbers for the top of the page; those that are not there yet are left out."""
    tiles = [Tile(str(len(summary.cycles)), "cycles closed")]
    if summary.cycles:
        last = summary.cycles[-1]
        tiles.append(Tile(f"{last.change_u_ev:.3g} eV", _against("U", summary.tolerance_u_ev)))
        if last.pairs:
            tiles.append(Tile(f"{last.change_v_ev:.3g} eV", _against("V", summary.tolerance_v_ev)))
    return [
        *tiles,
        Tile(str(summary.n_pw_calculations), "pw.x calculations"),
        Tile(str(summary.n_hp_calculations), "hp.x calculations"),
        Tile(duration(summary.wall_time_s), "from submission to the last change"),
    ]


def _against(parameter: str, tolerance: float | None) -> str:
    known = "" if tolerance is None else f", tolerance {tolerance:g} eV"
    return f"largest change of {parameter} in the last cycle{known}"
