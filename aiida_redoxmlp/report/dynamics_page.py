"""The page of molecular dynamics."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.dynamics_schema import DynamicsSummary
from aiida_redoxmlp.report.dynamics_tables import dynamics_tables
from aiida_redoxmlp.report.dynamics_wording import dynamics_certainty, dynamics_headline, span
from aiida_redoxmlp.report.page import Page, Tile
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import duration, share

__all__ = ("dynamics_page",)


def dynamics_page(summary: DynamicsSummary, spans: Sequence[ProcessSpan]) -> Page:
    """Return what the page of molecular dynamics says."""
    return Page.of(
        summary,
        kind="molecular dynamics",
        uuid=summary.uuids.work_chain,
        headline=dynamics_headline(summary),
        sentences=dynamics_certainty(summary),
        tiles=_tiles(summary),
        tables=dynamics_tables(summary, spans),
        conventions="Steps are counted from 0, the structure that a trajectory started from; atoms are counted from 1, "
        "as pw.x does. A sure step is one that is not ambiguous and whose SCF cycle converged.",
    )


def _tiles(summary: DynamicsSummary) -> list[Tile]:
    """Return the numbers for the top of the page; those that are not there yet are left out."""
    parts = [part for trajectory in summary.trajectories for part in trajectory.parts]
    time_ps = sum(part.duration_ps for part in parts)
    tiles = [Tile(f"{summary.n_steps} / {summary.n_steps_wanted}", f"ionic steps, {time_ps:.3g} ps")]
    if summary.n_labelled:
        tiles += [
            Tile(str(summary.n_switches), "switches of oxidation states"),
            Tile(str(summary.n_hops), "electron hops"),
            Tile(share(summary.n_ambiguous / summary.n_labelled), f"of {summary.n_labelled} labelled steps ambiguous"),
        ]
    means = [part.mean_temperature_k for part in parts if part.mean_temperature_k is not None]
    if means:
        tiles.append(Tile(span(means, ".0f", "K"), "mean temperature"))
    if summary.n_independent is not None:
        tiles.append(Tile(str(summary.n_independent), "independent steps in the dataset"))
    return [
        *tiles,
        Tile(str(summary.n_pw_calculations), "pw.x calculations"),
        Tile(duration(summary.wall_time_s), "from submission to the last change"),
    ]
