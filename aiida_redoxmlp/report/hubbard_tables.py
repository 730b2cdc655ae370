"""The tables of self-consistent Hubbard parameters."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.report.hubbard_schema import HubbardCycle, HubbardPairValue, HubbardSiteValue, HubbardSummary
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
from aiida_redoxmlp.report.wording import charge, pattern_label, share

__all__ = ("hubbard_tables",)

_NODES = {
    "work_chain": "the work chain",
    "structure": "structure with starting values",
    "hubbard_structure": "structure with the values found",
    "cycles": "all cycles and the verdict",
    "oxidation_states": "oxidation states of the last cycle",
    "cycle_records": "the record of every cycle, in order",
}


def hubbard_tables(summary: HubbardSummary, spans: Sequence[ProcessSpan]) -> list[Table]:
    """Return the tables that have rows."""
    uuids = summary.uuids.model_dump() | {"cycle_records": " ".join(summary.uuids.cycle_records)}
    made = [_cycles(summary), _sites(summary), _pairs(summary), stage_table(summary.steps, "step")]
    made += [tree_table(spans), node_table(_NODES, uuids), version_table(summary.versions)]
    return [table for table in made if table.rows]


def _sites(summary: HubbardSummary) -> Table:
    return Table(
        "sites",
        "U of every site",
        "Put in: what the ground state was computed with; found: its linear response. Sites of one kind share the mean "
        f"of what was found in the next cycle.{_beyond(summary.tolerance_u_ev)}",
        (
            Column("cycle"),
            Column("site"),
            Column("atom", numeric=True),
            Column("manifold"),
            Column("kind"),
            Column("next kind"),
            Column("state"),
            Column("confidence", numeric=True),
            Column("U put in / eV", numeric=True),
            Column("U found / eV", numeric=True),
            Column("change / eV", numeric=True),
        ),
        tuple(
            Row(_site_cells(cycle.number, site), _mark(site.u_out_ev - site.u_in_ev, summary.tolerance_u_ev))
            for cycle in summary.cycles
            for site in cycle.sites
        ),
    )


def _site_cells(cycle: int, site: HubbardSiteValue) -> tuple[str, ...]:
    return (
        str(cycle),
        site.label,
        str(site.site),
        site.manifold,
        site.kind,
        site.new_kind,
        NONE if site.oxidation_state is None else charge(site.oxidation_state),
        NONE if site.confidence is None else share(site.confidence),
        f"{site.u_in_ev:.4f}",
        f"{site.u_out_ev:.4f}",
        f"{site.u_out_ev - site.u_in_ev:+.4f}",
    )


def _pairs(summary: HubbardSummary) -> Table:
    return Table(
        "pairs",
        "V of every pair",
        "The neighbour is an image of the atom in brackets, moved by the lattice vectors given."
        + _beyond(summary.tolerance_v_ev),
        (
            Column("cycle"),
            Column("site"),
            Column("neighbour"),
            Column("moved by"),
            Column("manifolds"),
            Column("distance / Å", numeric=True),
            Column("V put in / eV", numeric=True),
            Column("V found / eV", numeric=True),
            Column("change / eV", numeric=True),
        ),
        tuple(
            Row(_pair_cells(cycle.number, pair), _mark(pair.v_out_ev - pair.v_in_ev, summary.tolerance_v_ev))
            for cycle in summary.cycles
            for pair in cycle.pairs
        ),
    )


def _pair_cells(cycle: int, pair: HubbardPairValue) -> tuple[str, ...]:
    return (
        str(cycle),
        pair.label,
        f"{pair.neighbour_element} ({pair.neighbour})",
        " ".join(str(step) for step in pair.translation),
        f"{pair.manifold}–{pair.neighbour_manifold}",
        f"{pair.distance_angstrom:.3f}",
        f"{pair.v_in_ev:.4f}",
        f"{pair.v_out_ev:.4f}",
        f"{pair.v_out_ev - pair.v_in_ev:+.4f}",
    )


def _cycles(summary: HubbardSummary) -> Table:
    return Table(
        "cycles",
        "Cycles",
        "Changes are the largest over all sites or pairs; “mixing” is the share of the values found in those of the "
        "next cycle.",
        (
            Column("cycle"),
            Column("pattern"),
            Column("remarks"),
            Column("change of U / eV", numeric=True),
            Column("change of V / eV", numeric=True),
            Column("mixing", numeric=True),
            Column("gap / eV", numeric=True),
            Column("occupations"),
            Column("SCF and linear response", code=True),
        ),
        tuple(Row(_cycle_cells(cycle)) for cycle in summary.cycles),
    )


def _cycle_cells(cycle: HubbardCycle) -> tuple[str, ...]:
    remarks = ["pattern changed"] * cycle.pattern_changed + ["ambiguous"] * cycle.ambiguous
    return (
        str(cycle.number),
        pattern_label(cycle.pattern),
        ", ".join(remarks) or NONE,
        f"{cycle.change_u_ev:.4f}",
        f"{cycle.change_v_ev:.4f}" if cycle.pairs else NONE,
        f"{cycle.mixing:g}",
        number(cycle.gap_ev, ".2f"),
        cycle.occupations,
        f"{cycle.scf_uuid} {cycle.hp_uuid}",
    )


def _mark(change: float, tolerance: float | None) -> str:
    return "" if tolerance is None or abs(change) > tolerance else "settled"


def _beyond(tolerance: float | None) -> str:
    return "" if tolerance is None else f" Shaded rows changed by no more than the tolerance of {tolerance:g} eV."
