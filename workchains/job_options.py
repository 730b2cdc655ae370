"""What jobs ask the scheduler for unless told otherwise, and how many cores that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida_redoxmlp.workchains.protocols import merged

__all__ = ("cores_of", "job_options")

_ONE_PROCESS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}


def job_options(*given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return options laid over each other in order, over those of one process on one node.

    Resources that are counted in CPUs, as HyperQueue does, are left alone.

    Args:
        given: options of a job; None adds nothing.
    """
    options: dict[str, Any] = {}
    for one in given:
        options = merged(options, dict(one or {}))
    return options if "num_cpus" in options.get("resources", {}) else merged(_ONE_PROCESS, options)


def cores_of(resources: Mapping[str, Any]) -> int:
    """Return the cores that a job's resources stand for, whatever its scheduler counts."""
    if resources.get("num_cpus"):
        return int(resources["num_cpus"])
    machines = int(resources.get("num_machines") or 1)
    per_machine = resources.get("num_mpiprocs_per_machine")
    processes = machines * int(per_machine) if per_machine else int(resources.get("tot_num_mpiprocs") or machines)
    return processes * int(resources.get("num_cores_per_mpiproc") or 1)
