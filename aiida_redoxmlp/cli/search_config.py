"""The YAML file of a search for a ground state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from aiida_redoxmlp.cli.foundation_config import beside
from aiida_redoxmlp.cli.material_config import MaterialConfig
from aiida_redoxmlp.cli.resources_config import Resources, Section
from aiida_redoxmlp.search.settings import SpaceSettings

__all__ = ("SearchCodes", "SearchResources", "SearchRunConfig")


class SearchCodes(Section):
    """Labels of AiiDA codes."""

    redoxmlp: str = Field("redoxmlp@localhost", description="redoxmlp-run.")
    pw: str | None = Field("pw@localhost", description="pw.x, for the DFT check; null for none.")


class SearchResources(Section):
    """Resources by job kind."""

    search: Resources = Field(Resources(), description="Of the search; it takes as many jobs as it needs.")
    dft: Resources = Field(Resources(), description="Of pw.x jobs.")


class SearchRunConfig(MaterialConfig):
    """Everything that a search needs to know."""

    model: int | str = Field(
        description="Model node by PK, UUID or label, or a model's folder relative to the configuration file."
    )
    lattice: Path | None = Field(
        None,
        description="File of an undistorted structure in the same setting, to take the symmetry from; `supercell` "
        "repeats it too.",
    )
    space: SpaceSettings | None = Field(
        None, description="Which species may stand where; by default the oxidation states of the redox sites."
    )
    search: dict[str, Any] = Field(
        default_factory=dict,
        description="Strategy, budget, runs, relaxation and so on, laid over the protocol's: the fields of "
        "`aiida_redoxmlp.search.settings.SearchSettings`.",
    )
    codes: SearchCodes = SearchCodes()
    resources: SearchResources = SearchResources()

    def relative_to(self, folder: Path) -> SearchRunConfig:
        """Return the configuration with its files beside it."""
        return self.model_copy(
            update={
                "structure": folder / self.structure,
                "lattice": None if self.lattice is None else folder / self.lattice,
                "model": beside(folder, self.model, ".model"),
            }
        )

    def laid_over(self) -> dict[str, Any]:
        """Return the overrides of the protocol ``search``, with what has keys of its own."""
        settings = {**self.overrides.get("settings", {}), **self.search}
        return {**self.overrides, "settings": self.resources.search.device_for(settings)}
