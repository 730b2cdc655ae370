"""What jobs ask the scheduler for, as keys of a configuration file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ("Resources", "Section")


class Section(BaseModel):
    """A section of a configuration file: no unknown keys, no later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Resources(Section):
    """What one job asks the scheduler for."""

    nodes: int = Field(1, ge=1, description="Nodes a job.")
    processes_per_node: int = Field(1, ge=1, description="MPI processes a node.")
    cores_per_process: int = Field(1, ge=1, description="Cores a process; each of its threads gets one.")
    walltime_s: int | None = Field(None, ge=60, description="Wall time limit in seconds.")
    partition: str | None = Field(None, description="Partition (queue) of the scheduler.")
    account: str | None = Field(None, description="Account that the scheduler charges.")
    gpus: int = Field(0, ge=0, description="GPUs a job, asked for with SLURM's --gres.")
    gpu_type: str | None = Field(None, description="GPU type as the cluster names it, such as h100.")

    def options(self) -> dict[str, Any]:
        """Return AiiDA's scheduler options."""
        resources: dict[str, int] = {
            "num_machines": self.nodes,
            "num_mpiprocs_per_machine": self.processes_per_node,
            "num_cores_per_mpiproc": self.cores_per_process,
        }
        options: dict[str, Any] = {
            "resources": resources,
            "environment_variables": {"OMP_NUM_THREADS": str(self.cores_per_process)},
        }
        if self.walltime_s is not None:
            options["max_wallclock_seconds"] = self.walltime_s
        if self.partition is not None:
            options["queue_name"] = self.partition
        if self.account is not None:
            options["account"] = self.account
        if self.gpus:
            kind = f"{self.gpu_type}:" if self.gpu_type else ""
            options["custom_scheduler_commands"] = f"#SBATCH --gres=gpu:{kind}{self.gpus}"
        return options
