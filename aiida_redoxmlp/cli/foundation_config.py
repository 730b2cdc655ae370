"""What a training starts from, in the YAML file of a training or a campaign."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from aiida_redoxmlp.cli.resources_config import Section

__all__ = ("FoundationConfig", "beside")


def beside(folder: Path, named: int | str, suffix: str) -> int | str:
    """Return a name of a node as it is, and a file or folder relative to ``folder``.

    Args:
        folder: where the configuration file is.
        named: PK, UUID, label, file or folder.
        suffix: of the names that are files.
    """
    if isinstance(named, str) and (named.endswith(suffix) or (folder / named).is_dir()):
        return str(folder / named)
    return named


class FoundationConfig(Section):
    """What a training starts from, instead of random weights; `fine_tuning` in the settings says how."""

    model: int | str | None = Field(
        None,
        description="Model node by PK, UUID or label, or a model's folder or a `.model` file of MACE, relative to the "
        "configuration file. Leave it out where `fine_tuning.foundation_name` names the model.",
    )
    replay: int | str | None = Field(
        None, description="Frames for the mode `replay`: a dataset node, or a dataset file (`.npz`)."
    )

    def relative_to(self, folder: Path) -> FoundationConfig:
        """Return the configuration with its files beside it."""
        return self.model_copy(
            update={
                key: beside(folder, named, suffix)
                for key, named, suffix in (("model", self.model, ".model"), ("replay", self.replay, ".npz"))
                if named is not None
            }
        )
