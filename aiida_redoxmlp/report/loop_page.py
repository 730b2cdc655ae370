"""The page of an active-learning loop."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.loop_schema import LoopSummary
from aiida_redoxmlp.report.loop_tables import loop_tables
from aiida_redoxmlp.report.loop_wording import (
    BUDGET_NAMES,
    label_totals,
    last_fresh_errors,
    loop_certainty,
    loop_headline,
)
from aiida_redoxmlp.report.page import Page, Tile
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import duration

__all__ = ("loop_page",)


def loop_page(summary: LoopSummary, spans: Sequence[ProcessSpan]) -> Page:
    """Return what the page of an active-learning loop says."""
    return Page.of(
        summary,
        kind="active learning",
        uuid=summary.uuids.work_chain,
        headline=loop_headline(summary),
        sentences=loop_certainty(summary),
        tiles=_tiles(summary),
        tables=loop_tables(summary, spans),
        conventions="Iterations are counted from 0. A fresh label is one that the potential had not seen; a clear "
        "label is one whose charges close without doubt.",
    )


def _tiles(summary: LoopSummary) -> list[Tile]:
    """Return the numbers for the top of the page; those that are not there yet are left out."""
    totals, errors = label_totals(summary), last_fresh_errors(summary)
    tiles = [Tile(str(len(summary.ended)), "iterations")]
    if totals.asked:
        tiles += [
            Tile(f"{totals.clear} / {totals.asked}", "labels asked that gave a clear answer"),
            Tile(str(totals.redox_errors), "redox errors found"),
        ]
    if summary.ended:
        tiles.append(Tile(str(summary.ended[-1].n_frames), "frames in the dataset"))
    if errors is not None and errors.force_mae_ev_per_angstrom is not None:
        error = f"{1000 * errors.force_mae_ev_per_angstrom:.0f} meV/Å"
        tiles.append(Tile(error, f"force error on the last {errors.n_labels} fresh labels"))
    if errors is not None and errors.pattern_recovery is not None:
        tiles.append(Tile(f"{100 * errors.pattern_recovery:.0f} %", "of them with the pattern that was believed in"))
    limited = [one for one in summary.budget if one.limit is not None]
    tiles += [Tile(f"{one.used:.3g} / {one.limit:g}", f"{BUDGET_NAMES[one.name]} of the budget") for one in limited]
    return [*tiles, Tile(duration(summary.wall_time_s), "from submission to the last change")]
