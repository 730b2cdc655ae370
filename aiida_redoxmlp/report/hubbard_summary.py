"""From the node of self-consistent Hubbard parameters to their summary."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm

from aiida_redoxmlp.calculations.hubbard import interactions_of
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.report.demonstration import demonstration_note
from aiida_redoxmlp.report.hubbard_caveats import hubbard_caveats
from aiida_redoxmlp.report.hubbard_graph import HubbardGraph
from aiida_redoxmlp.report.hubbard_schema import (
    HubbardCycle,
    HubbardMean,
    HubbardPairValue,
    HubbardSiteValue,
    HubbardSummary,
    HubbardUuids,
)
from aiida_redoxmlp.report.process_graph import input_of, output_of
from aiida_redoxmlp.report.software import versions_of
from aiida_redoxmlp.report.timings import step_timings
from aiida_redoxmlp.report.wording import numbered
from aiida_redoxmlp.report.work_chain import work_chain_facts

__all__ = ("cycle_from_record", "summarise_hubbard", "summarise_hubbard_graph")


def summarise_hubbard(node: orm.ProcessNode) -> HubbardSummary:
    """Summarise a HubbardWorkChain that finished, failed or still runs; what is not there yet is null or empty."""
    return summarise_hubbard_graph(HubbardGraph(node))


def summarise_hubbard_graph(graph: HubbardGraph) -> HubbardSummary:
    """The same for a work chain whose graph is at hand."""
    note = demonstration_note(
        graph,
        parameters="scf__pw__parameters",
        pseudos="pseudos",
        demo_reasons=("a single k-point",),
        subject="the calculation",
    )
    summary = HubbardSummary(
        **work_chain_facts(graph, note=note, otherwise="U and V"),
        converged=graph.verdict.get("converged"),
        limit_cycle=graph.verdict.get("limit_cycle"),
        tolerance_u_ev=graph.tolerance("u"),
        tolerance_v_ev=graph.tolerance("v"),
        cycles=[cycle_from_record(record, graph.symbols) for record in graph.records],
        means=_means(graph),
        n_pw_calculations=sum(process.is_dft for process in graph.processes),
        n_hp_calculations=sum(process.is_hp for process in graph.processes),
        steps=step_timings(graph),
        uuids=_uuids(graph),
        versions=versions_of(graph),
        warnings=[],
    )
    return summary.model_copy(update={"warnings": hubbard_caveats(summary)})


def cycle_from_record(record: Mapping[str, Any], symbols: Sequence[str]) -> HubbardCycle:
    """Return a cycle.

    Args:
        record: what :func:`~aiida_redoxmlp.calculations.hubbard.close_cycle` wrote of it.
        symbols: chemical symbol of every atom.
    """
    labels = dict(zip(record["sites"], numbered(record["elements"]), strict=True))
    gap = record["gap"]
    return HubbardCycle(
        number=record["cycle"],
        sites=_sites(record, labels),
        pairs=[_pair(pair, labels, symbols) for pair in record["pairs"]],
        pattern=record["oxidation_states"]["states"],
        pattern_changed=record["pattern_changed"],
        ambiguous=record["oxidation_states"]["ambiguous"],
        change_u_ev=record["change_u"],
        change_v_ev=record["change_v"],
        mixing=record["mixing"],
        gap_ev=gap if gap is not None and math.isfinite(gap) else None,
        occupations=record["occupations"],
        scf_uuid=record["scf_uuid"],
        hp_uuid=record["hp_uuid"],
    )


def _pair(pair: Mapping[str, Any], labels: Mapping[int, str], symbols: Sequence[str]) -> HubbardPairValue:
    """Read a pair from the side of the atom that has a U."""
    site, neighbour, translation = pair["site"], pair["neighbour"], pair["translation"]
    manifold, other_manifold = pair["manifolds"]
    if site not in labels and neighbour in labels:
        site, neighbour, translation = neighbour, site, [-step for step in translation]
        manifold, other_manifold = other_manifold, manifold
    return HubbardPairValue(
        site=site,
        label=labels.get(site, symbols[site]),
        neighbour=neighbour,
        neighbour_element=symbols[neighbour],
        translation=translation,
        manifold=manifold,
        neighbour_manifold=other_manifold,
        distance_angstrom=pair["distance"],
        v_in_ev=pair["v_in"],
        v_out_ev=pair["v_out"],
    )


def _sites(record: Mapping[str, Any], labels: Mapping[int, str]) -> list[HubbardSiteValue]:
    states = record["oxidation_states"]
    redox = {
        site: {"oxidation_state": state, "confidence": confidence, "moment_sign": sign}
        for site, state, confidence, sign in zip(
            states["sites"], states["states"], states["confidences"], states["moment_signs"], strict=True
        )
    }
    columns = ("sites", "elements", "manifolds", "kinds", "new_kinds", "u_in", "u_out")
    return [
        HubbardSiteValue(
            site=site,
            label=labels[site],
            element=element,
            manifold=manifold,
            kind=kind,
            new_kind=new_kind,
            u_in_ev=u_in,
            u_out_ev=u_out,
            **redox.get(site, {}),
        )
        for site, element, manifold, kind, new_kind, u_in, u_out in zip(*(record[key] for key in columns), strict=True)
    ]


def _means(graph: HubbardGraph) -> list[HubbardMean]:
    """Means by element over the structure that is handed over; before there is one, over the last cycle."""
    found = _last_found(graph) if graph.result is None else interactions_of(graph.result)
    groups: dict[tuple[str, str, str | None, str | None], list[float]] = defaultdict(list)
    for one in found:
        other = None if one.is_onsite else graph.symbols[one.neighbour]
        other_manifold = None if one.is_onsite else one.neighbour_manifold
        groups[graph.symbols[one.site], one.manifold, other, other_manifold].append(one.value)
    return [
        HubbardMean(
            element=element,
            manifold=manifold,
            neighbour_element=other,
            neighbour_manifold=other_manifold,
            value_ev=sum(values) / len(values),
            lowest_ev=min(values),
            highest_ev=max(values),
            n=len(values),
        )
        for (element, manifold, other, other_manifold), values in groups.items()
    ]


def _last_found(graph: HubbardGraph) -> list[Interaction]:
    if not graph.records:
        return []
    last = graph.records[-1]
    onsite = [
        Interaction(site, manifold, site, manifold, (0, 0, 0), u)
        for site, manifold, u in zip(last["sites"], last["manifolds"], last["u_out"], strict=True)
    ]
    intersite = [
        Interaction(pair["site"], first, pair["neighbour"], second, tuple(pair["translation"]), pair["v_out"])
        for pair in last["pairs"]
        for first, second in [pair["manifolds"]]
    ]
    return onsite + intersite


def _uuids(graph: HubbardGraph) -> HubbardUuids:
    nodes = {
        "structure": input_of(graph.root, "structure"),
        "hubbard_structure": graph.result,
        "cycles": output_of(graph.root, "cycles"),
        "oxidation_states": output_of(graph.root, "oxidation_states"),
    }
    return HubbardUuids(
        work_chain=graph.root.uuid,
        cycle_records=[record.uuid for record in graph.closed_cycles],
        **{name: node.uuid for name, node in nodes.items() if node is not None},
    )
