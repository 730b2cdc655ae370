"""From the node of molecular dynamics to its summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from aiida import orm

from aiida_redoxmlp.report.demonstration import demonstration_note
from aiida_redoxmlp.report.dynamics_caveats import dynamics_caveats
from aiida_redoxmlp.report.dynamics_chunks import chunk_summaries
from aiida_redoxmlp.report.dynamics_graph import DynamicsGraph
from aiida_redoxmlp.report.dynamics_schema import (
    AmbiguousInterval,
    DynamicsSummary,
    DynamicsUuids,
    HopSummary,
    PartSummary,
    PatternShare,
    SwitchSummary,
    TrajectorySummary,
)
from aiida_redoxmlp.report.dynamics_stretches import (
    Intervention,
    drift,
    interventions,
    largest_jump,
    reseeded_between,
    stretches,
)
from aiida_redoxmlp.report.dynamics_trajectory import TrajectoryGraph, TrajectoryPart
from aiida_redoxmlp.report.process_graph import exit_message_of, input_of, output_of, phase_of
from aiida_redoxmlp.report.software import versions_of
from aiida_redoxmlp.report.work_chain import work_chain_facts

__all__ = ("summarise_dynamics", "summarise_dynamics_graph")


def summarise_dynamics(node: orm.ProcessNode) -> DynamicsSummary:
    """Summarise a DynamicsWorkChain or TrajectoryWorkChain that finished, failed or still runs.

    What is not there yet is null or empty.
    """
    return summarise_dynamics_graph(DynamicsGraph(node))


def summarise_dynamics_graph(graph: DynamicsGraph) -> DynamicsSummary:
    """The same for a work chain whose graph is at hand."""
    note = demonstration_note(
        graph,
        parameters=f"{graph.prefix}pw__parameters",
        pseudos=f"{graph.prefix}pseudos",
        demo_reasons=("a single k-point",),
        subject="the dynamics",
    )
    trajectories = [_trajectory(one) for one in graph.trajectories]
    parts = [part for trajectory in trajectories for part in trajectory.parts]
    settings = input_of(graph.root, f"{graph.prefix}dynamics").get_dict()
    summary = DynamicsSummary(
        **work_chain_facts(graph, note=note, otherwise="molecular dynamics"),
        n_trajectories_wanted=graph.n_wanted,
        trajectories=trajectories,
        n_steps=sum(part.n_steps for part in parts),
        n_steps_wanted=graph.n_wanted * sum(segment["n_steps"] for segment in settings["segments"]),
        n_labelled=sum(part.n_labelled for part in parts),
        n_ambiguous=sum(part.n_ambiguous for part in parts),
        n_switches=sum(not one.imposed for part in parts for one in part.switches),
        n_hops=sum(not one.imposed for part in parts for one in part.hops),
        n_independent=None if graph.dataset is None else graph.dataset.n_frames,
        subsampling=graph.subsampling or None,
        n_pw_calculations=sum(process.is_dft for process in graph.processes),
        uuids=_uuids(graph),
        versions=versions_of(graph),
        warnings=[],
    )
    return summary.model_copy(update={"warnings": dynamics_caveats(summary)})


def _trajectory(graph: TrajectoryGraph) -> TrajectorySummary:
    node, settings = graph.root, graph.settings
    parts = [_part(graph, part) for part in graph.parts]
    chunks = chunk_summaries(graph)
    return TrajectorySummary(
        name=graph.name,
        phase=phase_of(node),
        exit_status=node.exit_status,
        exit_message=exit_message_of(node),
        random_seed=settings.random_seed,
        timestep_fs=settings.timestep,
        thermostat=settings.thermostat,
        temperatures_k=[one.temperature for one in settings.segments if one.temperature is not None],
        n_steps_wanted=settings.n_steps,
        n_steps=sum(part.n_steps for part in parts),
        parts=parts,
        chunks=chunks,
        job_time_s=sum(chunk.duration_s for chunk in chunks),
        uuid=node.uuid,
    )


def _part(graph: TrajectoryGraph, part: TrajectoryPart) -> PartSummary:
    made = interventions(graph, part.number)
    conserved = stretches(part, made)
    along, times = part.along, part.series("times")
    sure = [] if along is None else np.flatnonzero(along.sure).tolist()
    temperatures = part.series("temperatures")
    jump = largest_jump(conserved)
    return PartSummary(
        number=part.number,
        formula=part.trajectory.get_step_structure(0).get_formula(mode="hill"),
        n_steps=len(times),
        n_labelled=0 if along is None else len(along),
        n_ambiguous=0 if along is None else int(along.ambiguous.sum()),
        n_unconverged=int((~part.trajectory.get_array("scf_converged").astype(bool)).sum()),
        duration_ps=float(times[-1] - times[0]),
        sites=[] if along is None else list(along.sites),
        symbols=[] if along is None else list(along.symbols),
        wanted=_wanted(graph, part.number),
        pattern_at_start=None if along is None or not sure else list(along.pattern(sure[0]).states),
        patterns=[PatternShare.model_validate(one) for one in part.described.get("patterns", [])],
        mean_temperature_k=_finite(np.mean(temperatures[np.isfinite(temperatures)])) if len(temperatures) else None,
        drift_ev_per_atom_and_ps=drift(conserved, len(part.trajectory.symbols)),
        largest_jump_mev=None if jump is None else 1000 * jump,
        **_happened(part, made),
        trajectory_uuid=_uuid(part.trajectory),
        oxidation_states_uuid=_uuid(part.oxidation_states),
        events_uuid=part.described_uuid,
    )


def _happened(part: TrajectoryPart, made: tuple[Intervention, ...]) -> dict[str, Any]:
    """Return switches, hops and ambiguous intervals."""

    def told(event: dict[str, Any]) -> dict[str, Any]:
        fields = {key: value for key, value in event.items() if key != "temperature"}
        imposed = reseeded_between(made, event["last_step_before"], event["first_step_after"])
        return {**fields, "temperature_k": event["temperature"], "imposed": imposed}

    steps = np.array([]) if part.along is None else part.along.steps
    return {
        "switches": [SwitchSummary(**told(one)) for one in part.described.get("events", [])],
        "hops": [HopSummary(**told(one)) for one in part.described.get("hops", [])],
        "ambiguous_intervals": [
            AmbiguousInterval(first_step=first, last_step=last, n_steps=int(((steps >= first) & (steps <= last)).sum()))
            for first, last in part.described.get("ambiguous_intervals", [])
        ],
    }


def _wanted(graph: TrajectoryGraph, part: int) -> list[int] | None:
    """Return the pattern that a part was to begin with: after a change of composition only if one was named."""
    if part == 0:
        return graph.wanted
    segments = graph.segments_of(part)
    named = segments[0][1].pattern if segments else None
    return None if named is None else list(named)


def _uuids(graph: DynamicsGraph) -> DynamicsUuids:
    nodes = {
        "structure": input_of(graph.root, "structure"),
        "frames": output_of(graph.root, "frames"),
        "dataset": graph.dataset,
        "subsampling_summary": output_of(graph.root, "subsampling_summary"),
    }
    found = {name: node.uuid for name, node in nodes.items() if node is not None}
    return DynamicsUuids(work_chain=graph.root.uuid, **found)


def _uuid(node: orm.Data | None) -> str | None:
    """Return the uuid of a node that is in the database."""
    return node.uuid if node is not None and node.is_stored else None


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
