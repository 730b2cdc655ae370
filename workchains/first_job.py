"""Waiting until a process has a job in the queue, without keeping the daemon from anything."""

from __future__ import annotations

import asyncio

from aiida import orm
from aiida.common.datastructures import CalcJobState

__all__ = ("first_job_submitted",)

_BEFORE_SUBMISSION = (None, CalcJobState.UPLOADING, CalcJobState.SUBMITTING)


async def first_job_submitted(process: orm.ProcessNode, patience: float, *, interval: float = 0.2) -> bool:
    """Wait until a job below a process has been submitted, or the process has ended.

    A worker of the daemon takes the steps of all its processes in turn: of many that are begun at once the first job
    would be submitted hardly before the last.

    Args:
        process: what was begun.
        patience: seconds after which it is waited no longer, as where a computer does not answer.
        interval: seconds between two looks.

    Returns:
        Whether it happened in time.
    """
    end = asyncio.get_running_loop().time() + patience
    while not (submitted := process.is_terminated or _has_submitted(process)):
        if asyncio.get_running_loop().time() >= end:
            break
        await asyncio.sleep(interval)
    return submitted


def _has_submitted(process: orm.ProcessNode) -> bool:
    jobs = (node for node in process.called_descendants if isinstance(node, orm.CalcJobNode))
    return any(job.is_terminated or job.get_state() not in _BEFORE_SUBMISSION for job in jobs)
