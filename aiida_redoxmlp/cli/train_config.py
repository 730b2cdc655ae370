"""The YAML file of a training on a dataset that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from aiida_redoxmlp.cli.foundation_config import FoundationConfig, beside
from aiida_redoxmlp.cli.resources_config import Resources, Section
from aiida_redoxmlp.workchains.protocols import ProtocolName

__all__ = ("TrainCodes", "TrainResources", "TrainRunConfig")


class TrainCodes(Section):
    """Labels of AiiDA codes."""

    redoxmlp: str = Field("redoxmlp@localhost", description="redoxmlp-run.")


class TrainResources(Section):
    """Resources by job kind."""

    training: Resources = Field(Resources(), description="Of a job, which trains `members_per_job` members.")


class TrainRunConfig(Section):
    """Everything that training a committee needs to know."""

    material: str = Field(description="Name of what is trained.")
    dataset: int | str = Field(
        description="Dataset node by PK, UUID or label, or a dataset file, relative to the configuration file."
    )
    foundation: FoundationConfig = FoundationConfig()
    protocol: ProtocolName = Field(
        "balanced", description="Set of settings that go together; `demo` is for demonstrations only."
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="Seeds, encoding, epochs and so on, laid over the protocol's: the fields of "
        "`aiida_redoxmlp.engines.settings.TrainingSettings`.",
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="Settings laid over the protocol's, with the keys of `train.yaml`."
    )
    codes: TrainCodes = TrainCodes()
    resources: TrainResources = TrainResources()

    def relative_to(self, folder: Path) -> TrainRunConfig:
        """Return the configuration with its files beside it."""
        return self.model_copy(
            update={
                "dataset": beside(folder, self.dataset, ".npz"),
                "foundation": self.foundation.relative_to(folder),
            }
        )

    def laid_over(self) -> dict[str, Any]:
        """Return the overrides of the protocol ``train``, with what has keys of its own."""
        settings = {**self.overrides.get("settings", {}), **self.settings}
        return {**self.overrides, "settings": self.resources.training.device_for(settings)}
