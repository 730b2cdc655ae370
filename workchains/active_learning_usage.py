"""What the parts of a loop spent."""

from __future__ import annotations

from collections.abc import Iterable

from aiida import orm

from aiida_redoxmlp.workchains.job_options import cores_of

__all__ = ("core_hours_of",)


def core_hours_of(processes: Iterable[orm.ProcessNode]) -> float:
    """Return the core-hours of all jobs that processes ran; results from the cache cost nothing.

    The time of a job is what its program says it took, and what AiiDA saw of it where the program says nothing.
    """
    jobs = {
        called.pk: called
        for process in processes
        for called in (process, *process.called_descendants)
        if isinstance(called, orm.CalcJobNode) and not called.base.caching.is_created_from_cache
    }
    return sum(cores_of(job.get_option("resources") or {}) * _seconds(job) for job in jobs.values()) / 3600


def _seconds(job: orm.CalcJobNode) -> float:
    for output, key in (("report", "wall_time_s"), ("output_parameters", "wall_time_seconds")):
        told = job.outputs[output].get(key, None) if output in job.outputs else None
        if told is not None:
            return float(told)
    return float((job.mtime - job.ctime).total_seconds())
