"""The jobs of a trajectory: which steps each brought, and what ended it."""

from __future__ import annotations

import math

from aiida import orm

from aiida_redoxmlp.report.dynamics_schema import ChunkSummary
from aiida_redoxmlp.report.dynamics_stretches import interventions
from aiida_redoxmlp.report.dynamics_trajectory import Chunk, TrajectoryGraph
from aiida_redoxmlp.report.process_graph import exit_message_of, phase_of

__all__ = ("chunk_summaries", "ending_of")

_ENDINGS = {
    0: "it made its steps",
    110: "it ran out of memory",
    120: "the scheduler's walltime",
    140: "the node failed",
    312: "it was interrupted: what it printed is cut off",
    340: "the walltime, before its files were whole",
    400: "its own time limit (max_seconds)",
    510: "an SCF cycle that did not converge",
}
"""By exit status of AiiDA and of aiida-quantumespresso's pw.x."""


def chunk_summaries(graph: TrajectoryGraph) -> list[ChunkSummary]:
    """Return every job of a trajectory, in order."""
    parts = {chunk.part for chunk in graph.chunks}
    made = {(part, one.step) for part in parts for one in interventions(graph, part)}
    found = []
    before: Chunk | None = None
    for chunk in graph.chunks:
        goes_on = chunk.repeats and (chunk.part, chunk.first_step) not in made
        found.append(_summary(chunk, before if goes_on else None))
        before = before if chunk.last_step is None else chunk
    return found


def ending_of(node: orm.ProcessNode) -> str:
    """Return what ended a pw.x job, in words."""
    if not node.is_terminated:
        return "it still runs"
    if node.is_killed:
        return "it was killed"
    known = None if node.exit_status is None else _ENDINGS.get(node.exit_status)
    message = (exit_message_of(node) or "it gave no reason").strip().rstrip(".")
    return known or message


def _summary(chunk: Chunk, before: Chunk | None) -> ChunkSummary:
    node = chunk.node
    return ChunkSummary(
        name=chunk.name,
        part=chunk.part,
        first_step=chunk.first_step,
        last_step=chunk.last_step,
        repeats=chunk.repeats,
        n_new_steps=chunk.n_new_steps,
        phase=phase_of(node),
        exit_status=node.exit_status,
        ending=ending_of(node),
        jump_mev=_jump(before, chunk),
        duration_s=(node.mtime - node.ctime).total_seconds(),
        from_cache=node.base.caching.is_created_from_cache,
        uuid=node.uuid,
    )


def _jump(before: Chunk | None, after: Chunk) -> float | None:
    """Compare the conserved quantity of the step that two jobs computed, in meV."""
    if before is None or before.trajectory is None or after.trajectory is None:
        return None
    earlier = float(before.trajectory.get_array("conserved_quantities")[-1])
    later = float(after.trajectory.get_array("conserved_quantities")[0])
    return 1000 * (later - earlier) if math.isfinite(later - earlier) else None
