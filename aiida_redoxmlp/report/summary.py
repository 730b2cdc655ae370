"""From a campaign's node to its summary."""

from __future__ import annotations

import math
from typing import Any

from aiida import orm

from aiida_redoxmlp.report.caveats import caveats_of
from aiida_redoxmlp.report.demonstration import demonstration_note
from aiida_redoxmlp.report.graph import CampaignGraph, Label
from aiida_redoxmlp.report.hubbard_summary import summarise_hubbard_graph
from aiida_redoxmlp.report.process_graph import exit_message_of, input_of, output_of, phase_of
from aiida_redoxmlp.report.software import versions_of
from aiida_redoxmlp.report.summary_schema import (
    CampaignSummary,
    CommitteeErrors,
    Counts,
    HeldOutErrors,
    LabelSummary,
    PatternSummary,
    Uuids,
)
from aiida_redoxmlp.report.timings import stage_timings
from aiida_redoxmlp.report.wording import numbered
from aiida_redoxmlp.report.work_chain import work_chain_facts

__all__ = ("summarise", "summarise_graph")


def summarise(node: orm.ProcessNode) -> CampaignSummary:
    """Summarise a campaign that finished, failed or still runs; what is not there yet is null or empty."""
    return summarise_graph(CampaignGraph(node))


def summarise_graph(graph: CampaignGraph) -> CampaignSummary:
    """The same for a campaign whose graph is at hand."""
    labels = [_label_summary(label) for label in graph.labels]
    note = demonstration_note(
        graph,
        parameters="relax__pw__pw__parameters",
        pseudos="relax__pseudos",
        demo_reasons=("a single k-point", "few ionic steps"),
        subject="the campaign",
    )
    conclusion = _conclusion(graph)
    summary = CampaignSummary(
        **work_chain_facts(graph, note=note, otherwise="campaign"),
        site_labels=_site_labels(graph),
        site_indices=list(graph.listing.get("sites", [])),
        patterns=_patterns(graph),
        ground_state=conclusion.get("ground_state"),
        decided_by=conclusion.get("decided_by"),
        gap_ev=_finite(conclusion.get("gap_ev")),
        search_certainty=graph.report_of("search").get("certainty", {}).get("sentence"),
        search_warnings=graph.report_of("search").get("warnings", []),
        test_errors=HeldOutErrors(
            redox_aware=_committee_errors(graph, "evaluate_aware"),
            baseline=_committee_errors(graph, "evaluate_baseline"),
        ),
        pattern_recovery=_finite(graph.report_of("evaluate_aware").get("pattern_recovery")),
        split_warnings=_split(graph).get("warnings", []),
        hubbard=None if graph.hubbard is None else summarise_hubbard_graph(graph.hubbard),
        counts=_counts(graph, labels),
        labels=labels,
        stages=stage_timings(graph),
        uuids=_uuids(graph),
        versions=versions_of(graph, _engine_versions(graph)),
        warnings=[],
    )
    return summary.model_copy(update={"warnings": caveats_of(summary)})


def _finite(value: Any) -> float | None:
    """JSON has no infinity and no NaN: they become null."""
    return float(value) if value is not None and math.isfinite(value) else None


def _conclusion(graph: CampaignGraph) -> dict[str, Any]:
    node = output_of(graph.campaign, "conclusion")
    return {} if node is None else node.get_dict()


def _split(graph: CampaignGraph) -> dict[str, Any]:
    node = output_of(graph.campaign, "split")
    return {} if node is None else node.get_dict()


def _engine_versions(graph: CampaignGraph) -> dict[str, Any]:
    return {
        key: value for job in ("train", "baseline") for key, value in graph.report_of(job).get("versions", {}).items()
    }


def _site_labels(graph: CampaignGraph) -> list[str]:
    """Name the redox sites as the labels' kinds are named: element and number within the element."""
    return numbered([graph.symbols[site] for site in graph.listing.get("sites", [])])


def _label_summary(label: Label) -> LabelSummary:
    verdict = label.verdict or {}
    return LabelSummary(
        name=label.name,
        stage=label.stage,
        phase=phase_of(label.node),
        wanted=list(label.wanted),
        found=verdict.get("found"),
        landed=verdict.get("landed"),
        ambiguous=verdict.get("ambiguous"),
        confidence=_finite(verdict.get("confidence")),
        n_frames=label.frames.n_frames if label.frames else 0,
        n_ambiguous=label.frames.n_ambiguous if label.frames else 0,
        exit_status=label.node.exit_status,
        exit_message=exit_message_of(label.node),
        uuid=label.node.uuid,
        pw_uuids=[calculation.uuid for calculation in label.calculations],
    )


def _patterns(graph: CampaignGraph) -> list[PatternSummary]:
    """The patterns as the conclusion, else the search, else the listing knows them."""
    relaxed = _relaxed_energies(graph)
    if listed := _conclusion(graph).get("patterns"):
        rows = listed
    elif searched := graph.report_of("search").get("patterns"):
        checks = {label.number: label for label in graph.stage_labels("check")}
        rows = [_searched(found, checks.get(rank)) for rank, found in enumerate(searched)]
    else:
        rows = graph.listing.get("patterns", [])
    return [
        PatternSummary(
            states=row["states"],
            orbit=row["orbit"],
            multiplicity=row["multiplicity"],
            energy_mlp_ev=_finite(row.get("energy_mlp_ev")),
            energy_mlp_std_ev=_finite(row.get("energy_mlp_std_ev")),
            energy_dft_ev=_finite(row.get("energy_dft_ev")),
            pattern_found_by_dft=row.get("pattern_found_by_dft"),
            dft_confidence=_finite(row.get("dft_confidence")),
            energy_dft_relaxed_ev=_finite(relaxed.get(tuple(row["states"]))),
        )
        for row in rows
    ]


def _searched(found: dict[str, Any], check: Label | None) -> dict[str, Any]:
    """A row of the search with the DFT check of its rank, as the conclusion would write it."""
    verdict = (check.verdict if check else None) or {}
    return {
        "states": found["states"],
        "orbit": found["orbit"],
        "multiplicity": found["multiplicity"],
        "energy_mlp_ev": found["energy_ev"],
        "energy_mlp_std_ev": found["energy_std_ev"],
        "energy_dft_ev": check.energy if check else None,
        "pattern_found_by_dft": verdict.get("found"),
        "dft_confidence": verdict.get("confidence"),
    }


def _relaxed_energies(graph: CampaignGraph) -> dict[tuple[int, ...], float]:
    """Lowest energy of the relaxations that ended, with certainty, on each pattern."""
    energies: dict[tuple[int, ...], float] = {}
    for label in graph.stage_labels("relax"):
        if label.verdict is None or label.verdict["ambiguous"] or label.energy is None:
            continue
        found = tuple(label.verdict["found"])
        energies[found] = min(label.energy, energies.get(found, label.energy))
    return energies


def _committee_errors(graph: CampaignGraph, job: str) -> CommitteeErrors | None:
    node, report = graph.job(job), graph.report_of(job)
    if node is None or not report:
        return None
    measured = {name: report[name] for name in CommitteeErrors.model_fields if name in report}
    return CommitteeErrors.model_validate({**measured, "n_frames": len(report["frames"]), "evaluation_uuid": node.uuid})


def _counts(graph: CampaignGraph, labels: list[LabelSummary]) -> Counts:
    dataset = graph.dataset
    test = output_of(graph.campaign, "test_dataset")
    finished = [label for label in labels if label.phase == "done"]
    kept = [summary for label, summary in zip(graph.labels, labels, strict=True) if label.is_kept]
    return Counts(
        n_patterns=graph.listing.get("n_patterns"),
        n_distinct_patterns=graph.listing.get("n_distinct"),
        n_dft_calculations=sum(process.is_dft for process in graph.processes),
        n_frames=dataset.n_frames if dataset else sum(label.n_frames for label in kept),
        n_ambiguous_frames=dataset.n_ambiguous if dataset else sum(label.n_ambiguous for label in kept),
        n_training_frames=graph.report_of("train").get("n_training_frames"),
        n_test_frames=test.n_frames if test else None,
        labels_asked=len(labels),
        labels_landed=sum(label.landed is True for label in finished),
        labels_elsewhere=sum(label.landed is False for label in finished),
        labels_failed=sum(label.phase == "failed" for label in labels),
        labels_running=sum(label.phase == "running" for label in labels),
    )


def _uuids(graph: CampaignGraph) -> Uuids:
    train, baseline = graph.job("train"), graph.job("baseline")
    nodes = {
        "structure": input_of(graph.campaign, "structure"),
        "hubbard": None if graph.hubbard is None else graph.hubbard.root,
        "hubbard_structure": output_of(graph.campaign, "hubbard_structure"),
        "dataset": graph.dataset,
        "test_dataset": output_of(graph.campaign, "test_dataset"),
        "model": output_of(train, "model"),
        "baseline": output_of(baseline, "model"),
        "training": train,
        "baseline_training": baseline,
        "search": graph.job("search"),
        "conclusion": output_of(graph.campaign, "conclusion"),
    }
    return Uuids(campaign=graph.campaign.uuid, **{name: node.uuid for name, node in nodes.items() if node is not None})
