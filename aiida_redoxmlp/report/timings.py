"""How long what took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiida import orm

from aiida_redoxmlp.report.process_graph import CalledProcess, ProcessGraph, phase_of
from aiida_redoxmlp.report.schema_parts import StageTiming

__all__ = ("ProcessSpan", "process_spans", "stage_timings", "step_timings")


@dataclass(frozen=True)
class ProcessSpan:
    """When a job or work chain ran.

    Attributes:
        depth: 0 for what the work chain called itself.
        owner: label of the call of depth 0 that it belongs to.
        name: label of the call, such as ``relax_0``.
        process: process class, such as ``LabelWorkChain``.
        stage: a stage of the work chain, or an empty string.
        pk: primary key in the profile.
        uuid: uuid of the node.
        start_s: seconds from the work chain's creation to the process's.
        end_s: the same for its last change.
        phase: ``done``, ``failed`` or ``running``.
        exit_status: exit status where it ended.
        from_cache: whether AiiDA took it from its cache.
        is_job: whether it ran on a computer, rather than steering others.
    """

    depth: int
    owner: str
    name: str
    process: str
    stage: str
    pk: int
    uuid: str
    start_s: float
    end_s: float
    phase: str
    exit_status: int | None
    from_cache: bool
    is_job: bool

    @property
    def duration_s(self) -> float:
        """Seconds from start to end."""
        return self.end_s - self.start_s


def process_spans(graph: ProcessGraph) -> tuple[ProcessSpan, ...]:
    """Return the jobs and work chains below a work chain, depth first; calculation functions take no time to tell.

    Times are those of the database: a node's creation and its last modification, queueing included.
    """
    began = graph.root.ctime
    spans = []
    for process in graph.processes:
        node = process.node
        if not isinstance(node, orm.CalcJobNode | orm.WorkChainNode):
            continue
        spans.append(
            ProcessSpan(
                depth=process.depth,
                owner=process.owner,
                name=process.link_label,
                process=node.process_label or node.__class__.__name__,
                stage=process.stage,
                pk=int(node.pk or 0),
                uuid=node.uuid,
                start_s=(node.ctime - began).total_seconds(),
                end_s=(node.mtime - began).total_seconds(),
                phase=phase_of(node),
                exit_status=node.exit_status,
                from_cache=process.from_cache,
                is_job=isinstance(node, orm.CalcJobNode),
            )
        )
    return tuple(spans)


def stage_timings(graph: ProcessGraph) -> dict[str, StageTiming]:
    """Return the time of every stage that has a job, in order of the stages."""
    by_stage = {stage: [job for job in _jobs(graph) if job.stage == stage] for stage in graph.stages}
    return {stage: _timing(jobs) for stage, jobs in by_stage.items() if jobs}


def step_timings(graph: ProcessGraph) -> dict[str, StageTiming]:
    """Return the time of everything the work chain called itself that has a job, by label of the call."""
    by_step: dict[str, list[CalledProcess]] = {}
    for job in _jobs(graph):
        by_step.setdefault(job.owner, []).append(job)
    return {step: _timing(jobs) for step, jobs in by_step.items()}


def _jobs(graph: ProcessGraph) -> list[CalledProcess]:
    return [one for one in graph.processes if one.stage and isinstance(one.node, orm.CalcJobNode)]


def _timing(jobs: Sequence[CalledProcess]) -> StageTiming:
    nodes = [job.node for job in jobs]
    return StageTiming(
        wall_time_s=(max(node.mtime for node in nodes) - min(node.ctime for node in nodes)).total_seconds(),
        job_time_s=sum((node.mtime - node.ctime).total_seconds() for node in nodes),
        n_jobs=len(nodes),
        n_from_cache=sum(job.from_cache for job in jobs),
    )
