"""The YAML file of a campaign, validated before anything is submitted."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiida_redoxmlp.errors import ConfigurationError, explain
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.workchains.protocols import ProtocolName

__all__ = ("CampaignConfig", "HubbardConfig", "Resources", "load_config")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubbardConfig(_Section):
    """Hubbard corrections."""

    projectors: Literal["atomic", "ortho-atomic"] = Field("ortho-atomic", description="Hubbard projectors of pw.x.")
    u: dict[str, float] = Field(description="U in eV by manifold, such as `Mn-3d: 4.5`.", min_length=1)


class Codes(_Section):
    """Labels of AiiDA codes."""

    pw: str = Field("pw@localhost", description="pw.x.")
    redoxmlp: str = Field("redoxmlp@localhost", description="redoxmlp-run: training, evaluation and search.")


class Resources(_Section):
    """What one job asks the scheduler for."""

    nodes: int = Field(1, ge=1)
    processes_per_node: int = Field(1, ge=1, description="MPI processes a node.")
    cores_per_process: int = Field(1, ge=1, description="Cores a process; each of its threads gets one.")
    walltime_s: int | None = Field(None, ge=60, description="Wall time limit in seconds.")
    partition: str | None = Field(None, description="Partition (queue) of the scheduler.")
    account: str | None = None
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


class ResourcesConfig(_Section):
    """Resources by job kind."""

    dft: Resources = Resources()
    training: Resources = Resources()


class CampaignConfig(_Section):
    """Everything a campaign needs to know."""

    material: str = Field(description="Name for reports.")
    structure: Path = Field(description="Structure file that ASE reads (CIF, …), relative to the configuration file.")
    redox: RedoxChemistry
    magnetic_order: Literal["ferromagnetic", "antiferromagnetic"] | list[int] = Field(
        "antiferromagnetic", description="Order of the moments on the redox sites, or a sign for each."
    )
    hubbard: HubbardConfig
    pseudo_family: str = Field(description="Label of an installed aiida-pseudo family.")
    protocol: ProtocolName = "balanced"
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="Settings laid over the protocol's, with the protocol files' keys."
    )
    codes: Codes = Codes()
    resources: ResourcesConfig = ResourcesConfig()


def load_config(path: Path) -> CampaignConfig:
    """Read and validate a configuration file.

    Raises:
        ConfigurationError: naming the file, the key, what was given and what is allowed.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); give an existing YAML file.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{path} holds no keys; write a mapping with {', '.join(CampaignConfig.model_fields)}."
        )
    try:
        config = CampaignConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(explain(error, str(path)) + _suggestions(error)) from error
    return config.model_copy(update={"structure": path.parent / config.structure})


def _suggestions(error: ValidationError) -> str:
    """Say which keys are allowed where an unknown one was found."""
    sentences = []
    for entry in error.errors():
        if entry["type"] != "extra_forbidden":
            continue
        *parents, key = entry["loc"]
        allowed = _keys_at(CampaignConfig, [str(part) for part in parents])
        close = difflib.get_close_matches(str(key), allowed, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        sentences.append(f"{meant} Allowed are {', '.join(allowed)}.")
    return "".join(sentences)


def _keys_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the keys of the section at ``path``."""
    for part in path:
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel))
    return list(model.model_fields)
