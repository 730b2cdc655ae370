"""How long what took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiida import orm

from aiida_redoxmlp.report.graph import STAGES, CalledProcess, CampaignGraph, phase_of
from aiida_redoxmlp.report.summary_schema import StageTiming

__all__ = ("ProcessSpan", "process_spans", "stage_timings")


@dataclass(frozen=True)
class ProcessSpan:
    """When a job or work chain ran.

    Attributes:
        depth: 0 for what the campaign called itself.
        name: label of the call, such as ``relax_0``.
        process: process class, such as ``LabelWorkChain``.
        stage: one of the campaign's stages, or an empty string.
        pk: primary key in the profile.
        uuid: uuid of the node.
        start_s: seconds from the campaign's creation to the process's.
        end_s: the same for its last change.
        phase: ``done``, ``failed`` or ``running``.
        exit_status: exit status where it ended.
        from_cache: whether AiiDA took it from its cache.
        is_job: whether it ran on a computer, rather than steering others.
    """

    depth: int
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


def process_spans(graph: CampaignGraph) -> tuple[ProcessSpan, ...]:
    """Return the campaign's jobs and work chains, depth first; calculation functions take no time to tell.

    Times are those of the database: a node's creation and its last modification, queueing included.
    """
    began = graph.campaign.ctime
    spans = []
    for process in graph.processes:
        node = process.node
        if not isinstance(node, orm.CalcJobNode | orm.WorkChainNode):
            continue
        spans.append(
            ProcessSpan(
                depth=process.depth,
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


def stage_timings(graph: CampaignGraph) -> dict[str, StageTiming]:
    """Return the time of every stage that has a job."""
    timings = {}
    for stage in STAGES:
        jobs = [one for one in graph.processes if one.stage == stage and isinstance(one.node, orm.CalcJobNode)]
        if jobs:
            timings[stage] = _stage_timing(jobs)
    return timings


def _stage_timing(jobs: Sequence[CalledProcess]) -> StageTiming:
    nodes = [job.node for job in jobs]
    return StageTiming(
        wall_time_s=(max(node.mtime for node in nodes) - min(node.ctime for node in nodes)).total_seconds(),
        job_time_s=sum((node.mtime - node.ctime).total_seconds() for node in nodes),
        n_jobs=len(nodes),
        n_from_cache=sum(job.from_cache for job in jobs),
    )
