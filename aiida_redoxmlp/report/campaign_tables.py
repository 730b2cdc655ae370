"""The tables of a campaign's report: every number beside the node it came from."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.judgement_tables import calibration_table, error_table, pattern_error_table
from aiida_redoxmlp.report.summary_schema import CampaignSummary, PatternSummary
from aiida_redoxmlp.report.tables import (
    NONE,
    Column,
    Row,
    Table,
    node_table,
    number,
    stage_table,
    tree_table,
    version_table,
)
from aiida_redoxmlp.report.timings import ProcessSpan
from aiida_redoxmlp.report.wording import pattern_label, share

__all__ = ("tables_of",)

_NODES = {
    "campaign": "the campaign's work chain",
    "structure": "parent structure with its Hubbard parameters",
    "hubbard": "the work chain that computed U and V",
    "hubbard_structure": "parent structure with U and V site by site",
    "dataset": "every frame of every label that succeeded",
    "test_dataset": "the held-out frames",
    "model": "redox-aware committee",
    "baseline": "redox-unaware committee",
    "training": "training of the redox-aware committee",
    "baseline_training": "training of the redox-unaware committee",
    "search": "search over the patterns",
    "conclusion": "ranking by potential and DFT",
}


def tables_of(summary: CampaignSummary, spans: Sequence[ProcessSpan]) -> list[Table]:
    """Return the tables that have rows."""
    made = [_patterns(summary), error_table(summary), pattern_error_table(summary), calibration_table(summary)]
    made += [_labels(summary), stage_table(summary.stages, "stage")]
    made += [tree_table(spans), node_table(_NODES, summary.uuids.model_dump()), version_table(summary.versions)]
    return [table for table in made if table.rows]


def _patterns(summary: CampaignSummary) -> Table:
    checks = {tuple(label.wanted): label.uuid for label in summary.labels if label.stage == "check"}
    return Table(
        "patterns",
        "Patterns",
        _about_patterns(summary),
        (
            Column("pattern"),
            Column("orbit", numeric=True),
            Column("in orbit", numeric=True),
            Column("potential / eV", numeric=True),
            Column("± / eV", numeric=True),
            Column("DFT there / eV", numeric=True),
            Column("DFT relaxed / eV", numeric=True),
            Column("DFT found"),
            Column("confidence", numeric=True),
            Column("DFT check", code=True),
        ),
        tuple(
            Row(
                _pattern_cells(one, checks.get(tuple(one.states), "")),
                "ground" if one.states == summary.ground_state else "",
            )
            for one in summary.patterns
        ),
    )


def _about_patterns(summary: CampaignSummary) -> str:
    """Return what the rows are, and of how many; nothing before the patterns are known."""
    if not summary.site_labels:
        return ""
    counts = summary.counts
    of_all = ""
    if counts.n_patterns is not None:
        orbits = "one orbit" if counts.n_distinct_patterns == 1 else f"{counts.n_distinct_patterns} orbits"
        of_all = f" {counts.n_patterns} patterns close the charge, in {orbits}."
    return f"States of {', '.join(summary.site_labels)}. Patterns of one orbit are equivalent by symmetry.{of_all}"


def _pattern_cells(one: PatternSummary, check: str) -> tuple[str, ...]:
    return (
        pattern_label(one.states),
        str(one.orbit),
        str(one.multiplicity),
        number(one.energy_mlp_ev, ".4f"),
        number(one.energy_mlp_std_ev, ".4f"),
        number(one.energy_dft_ev, ".4f"),
        number(one.energy_dft_relaxed_ev, ".4f"),
        NONE if one.pattern_found_by_dft is None else pattern_label(one.pattern_found_by_dft),
        NONE if one.dft_confidence is None else share(one.dft_confidence),
        check,
    )


def _labels(summary: CampaignSummary) -> Table:
    rows = []
    for one in summary.labels:
        landed = "landed" if one.landed else "landed elsewhere"
        outcome: str = one.phase if one.landed is None else landed
        if one.ambiguous:
            outcome += ", ambiguous"
        if one.phase == "failed":
            outcome = f"failed ({one.exit_status}): {one.exit_message}"
        found = NONE if one.found is None else pattern_label(one.found)
        confidence = NONE if one.confidence is None else share(one.confidence)
        cells = (
            one.name,
            pattern_label(one.wanted),
            found,
            outcome,
            confidence,
            str(one.n_frames),
            str(one.n_ambiguous),
        )
        rows.append(Row((*cells, one.uuid, " ".join(one.pw_uuids)), "failed" if one.phase == "failed" else ""))
    return Table(
        "labels",
        "DFT labels",
        "What was asked of DFT and what it found: in the last ionic step, for molecular dynamics in the first.",
        (
            Column("label"),
            Column("wanted"),
            Column("found"),
            Column("outcome"),
            Column("confidence", numeric=True),
            Column("frames", numeric=True),
            Column("ambiguous", numeric=True),
            Column("label's node", code=True),
            Column("pw.x calculations", code=True),
        ),
        tuple(rows),
    )
