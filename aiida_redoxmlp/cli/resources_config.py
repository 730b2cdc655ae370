"""What jobs ask the scheduler for, as keys of a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ("Resources", "Section")

_KIB_IN_A_GIB = 1024**2
_COUNTED_BY_NODES = ("nodes", "processes_per_node", "memory_gb", "gpus")


class Section(BaseModel):
    """A section of a configuration file: no unknown keys, no later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def relative_to(self, folder: Path) -> Section:  # noqa: ARG002 - for those that name files
        """Return the section with the files that it names taken as relative to a folder."""
        return self


class Resources(Section):
    """What one job asks the scheduler for."""

    nodes: int = Field(1, ge=1, description="Nodes a job.")
    processes_per_node: int = Field(1, ge=1, description="MPI processes a node.")
    cores_per_process: int = Field(1, ge=1, description="Cores a process; each of its threads gets one.")
    walltime_s: int | None = Field(None, ge=60, description="Wall time limit in seconds.")
    partition: str | None = Field(None, description="Partition (queue) of the scheduler.")
    account: str | None = Field(None, description="Account that the scheduler charges.")
    qos: str | None = Field(None, description="Quality of service, where the scheduler has several.")
    memory_gb: float | None = Field(None, gt=0, description="Memory a node in GB (of 1024³ bytes); not that of a GPU.")
    gpus: int = Field(0, ge=0, description="GPUs a node, asked for with SLURM's --gres.")
    gpu_type: str | None = Field(
        None, pattern=r"^[\w.-]+$", description="GPU type as the cluster names it, such as h100; needs `gpus`."
    )
    num_cpus: int | None = Field(
        None,
        ge=1,
        description="CPUs a job where HyperQueue schedules, instead of nodes and processes; with MPI a process each.",
    )
    memory_mb: int | None = Field(
        None, ge=1, description="Memory a job in MB where HyperQueue schedules; needs `num_cpus`."
    )

    @model_validator(mode="after")
    def _gpus_of_a_type_are_counted(self) -> Resources:
        if self.gpu_type is not None and not self.gpus:
            raise ValueError(f"gpu_type is {self.gpu_type!r}, but gpus is 0; give the number of GPUs as well")
        return self

    @model_validator(mode="after")
    def _one_way_of_counting(self) -> Resources:
        """Refuse nodes beside CPUs: a scheduler counts the ones or the others."""
        if self.num_cpus is None:
            if self.memory_mb is not None:
                raise ValueError(f"memory_mb is {self.memory_mb}, but num_cpus is not given; give it, or memory_gb")
            return self
        beside = [name for name in _COUNTED_BY_NODES if name in self.model_fields_set]
        if beside:
            raise ValueError(f"num_cpus is {self.num_cpus} and {beside[0]} is given as well; give one or the other")
        if self.cores_per_process > self.num_cpus:
            raise ValueError(
                f"cores_per_process is {self.cores_per_process}, but num_cpus is {self.num_cpus}; give as many CPUs"
            )
        return self

    def device_for(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return training settings that insist on a GPU where one is asked for, unless they name a device."""
        return {"device": "cuda", **settings} if self.gpus else settings

    def options(self) -> dict[str, Any]:
        """Return AiiDA's scheduler options."""
        options: dict[str, Any] = {
            "resources": self._counts(),
            "environment_variables": {"OMP_NUM_THREADS": str(self.cores_per_process)},
        }
        if self.walltime_s is not None:
            options["max_wallclock_seconds"] = self.walltime_s
        if self.partition is not None:
            options["queue_name"] = self.partition
        if self.account is not None:
            options["account"] = self.account
        if self.qos is not None:
            options["qos"] = self.qos
        if self.memory_gb is not None:
            options["max_memory_kb"] = round(self.memory_gb * _KIB_IN_A_GIB)
        if self.gpus:
            kind = f"{self.gpu_type}:" if self.gpu_type else ""
            options["custom_scheduler_commands"] = f"#SBATCH --gres=gpu:{kind}{self.gpus}"
        return options

    def _counts(self) -> dict[str, int]:
        """Return what AiiDA calls the resources: nodes and processes, or CPUs and memory."""
        if self.num_cpus is not None:
            memory = {} if self.memory_mb is None else {"memory_mb": self.memory_mb}
            return {"num_cpus": self.num_cpus, **memory}
        return {
            "num_machines": self.nodes,
            "num_mpiprocs_per_machine": self.processes_per_node,
            "num_cores_per_mpiproc": self.cores_per_process,
        }
