"""The YAML file of DFT+U+V molecular dynamics."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from aiida_redoxmlp.cli.material_config import MaterialConfig
from aiida_redoxmlp.cli.resources_config import Resources, Section

__all__ = ("DynamicsCodes", "DynamicsResources", "DynamicsRunConfig")


class DynamicsCodes(Section):
    """Labels of AiiDA codes."""

    pw: str = Field("pw@localhost", description="pw.x.")


class DynamicsResources(Section):
    """Resources by job kind."""

    dft: Resources = Field(Resources(), description="Of pw.x jobs; a trajectory takes as many jobs as it needs.")


class DynamicsRunConfig(MaterialConfig):
    """Everything that trajectories need to know: one for each pattern and each seed."""

    patterns: Annotated[list[list[int]], Field(min_length=1)] | None = Field(
        None,
        description="Patterns to start from, each the oxidation states of the redox sites in the order of the atoms; "
        "needed where several patterns, not equivalent by symmetry, close the charge.",
    )
    random_seeds: list[int] | None = Field(None, description="Seeds of the velocities; by default the protocol's.")
    dynamics: dict[str, Any] = Field(
        default_factory=dict,
        description="Segments, time step, thermostat and limits, laid over the protocol's: the fields of "
        "`aiida_redoxmlp.dynamics.settings.DynamicsSettings`.",
    )
    codes: DynamicsCodes = DynamicsCodes()
    resources: DynamicsResources = DynamicsResources()

    def laid_over(self) -> dict[str, Any]:
        """Return the overrides of the protocol ``dynamics``, with what has keys of its own."""
        trajectory = self.overrides.get("trajectory", {})
        moves = {**trajectory.get("dynamics", {}), **self.dynamics}
        laid = {**self.overrides, "trajectory": {**trajectory, "dynamics": moves}}
        return laid if self.random_seeds is None else {**laid, "random_seeds": self.random_seeds}
