"""The page of a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.campaign_tables import tables_of
from aiida_redoxmlp.report.page import Page, Tile
from aiida_redoxmlp.report.summary_schema import CampaignSummary
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.verdict import certainty, headline
from aiida_redoxmlp.report.wording import duration

__all__ = ("campaign_page",)


def campaign_page(summary: CampaignSummary, spans: Sequence[ProcessSpan]) -> Page:
    """Return what the page of a campaign says."""
    return Page.of(
        summary,
        kind="campaign",
        uuid=summary.uuids.campaign,
        headline=headline(summary),
        sentences=certainty(summary),
        tiles=_tiles(summary),
        tables=tables_of(summary, spans),
        conventions="Energies are totals of the cell in eV unless a unit is given; “held-out frames” are whole "
        "trajectories, or ends of trajectories, never seen in training.",
    )


def _tiles(summary: CampaignSummary) -> list[Tile]:
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
