"""What an exploration is told: how walkers move, where they start, and where they stop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from aiida_redoxmlp.active_learning.electrons import BeliefSettings

__all__ = (
    "ChargeMoves",
    "ExplorationSettings",
    "IonHops",
    "Limits",
    "Relaxations",
    "Stage",
    "Variations",
    "Voigt",
    "Walk",
)

Voigt = tuple[float, float, float, float, float, float]
"""Components xx, yy, zz, yz, xz, xy of a symmetric tensor."""

_LARGEST_STRAIN = 0.3


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Settings):
    """A stretch of a walk: an isotherm, or a ramp where the temperature ends elsewhere than it begins."""

    n_steps: int = Field(ge=1, description="Steps.")
    temperature: float = Field(gt=0, description="K, at the beginning.")
    end_temperature: float | None = Field(
        None, gt=0, description="K, reached linearly at the end; the same as at the beginning if not given."
    )


class ChargeMoves(_Settings):
    """How charges move between the redox sites, the ions fixed."""

    mode: Literal["metropolis", "adiabatic"] = Field(
        "metropolis",
        description="'metropolis': charges hop under detailed balance, by the committee's mean energies; 'adiabatic': "
        "the walker takes the lowest pattern of its geometry.",
    )
    interval: int = Field(20, ge=1, description="Steps from one time to the next.")
    attempts: int = Field(4, ge=1, description="Hops that are tried each time, with 'metropolis'.")
    temperature: float | None = Field(
        None, gt=0, description="K, by which hops are accepted; that of the walker if not given."
    )


class Walk(_Settings):
    """Molecular dynamics from every starting point."""

    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = Field(description="Isotherms and ramps, in order.")
    timestep: float = Field(2.0, gt=0, description="fs.")
    thermostat: Literal["langevin", "none"] = Field(
        "langevin",
        description="'langevin' keeps the temperature of the stages; 'none' conserves the energy, and the first "
        "stage's temperature is that of the first velocities.",
    )
    friction: float = Field(0.01, gt=0, description="Of the Langevin thermostat, in 1/fs.")
    charges: ChargeMoves | None = Field(
        None, description="How charges move; if not given, all atoms keep their states."
    )
    copies: int = Field(1, ge=1, description="Walkers from each starting point, each with velocities of its own.")
    frame_interval: int = Field(20, ge=1, description="Steps from one kept frame to the next.")

    @model_validator(mode="after")
    def _no_ramp_without_thermostat(self) -> Walk:
        ramps = any(stage.end_temperature not in (None, stage.temperature) for stage in self.stages)
        if self.thermostat == "none" and ramps:
            raise ValueError("a ramp needs a thermostat; set thermostat: langevin or give no end_temperature")
        return self

    @property
    def n_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.n_steps for stage in self.stages)

    @property
    def highest_temperature(self) -> float:
        """Highest temperature of the stages in K."""
        return max(max(stage.temperature, stage.end_temperature or 0.0) for stage in self.stages)

    def temperature_at(self, step: int) -> float:
        """Return the temperature in K that the thermostat has in a step, counted from 1."""
        first = 0
        for stage in self.stages:
            if step <= first + stage.n_steps:
                end = stage.end_temperature or stage.temperature
                return stage.temperature + (end - stage.temperature) * (step - first) / stage.n_steps
            first += stage.n_steps
        return self.stages[-1].end_temperature or self.stages[-1].temperature


class Variations(_Settings):
    """Strained and rattled cells beside each structure: every strain with every rattle, and without."""

    strains: tuple[float | Voigt, ...] = Field(
        (),
        description="Strains of the cell: a number for all directions alike, such as 0.02, or the components xx, yy, "
        "zz, yz, xz, xy of the tensor.",
    )
    rattles: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), description="Standard deviations in Å of a normal displacement of every atom."
    )
    copies: int = Field(1, ge=1, description="Structures for each rattle.")

    @field_validator("strains")
    @classmethod
    def _small(cls, strains: tuple[float | Voigt, ...]) -> tuple[float | Voigt, ...]:
        for strain in strains:
            components = strain if isinstance(strain, tuple) else (strain,)
            if max(map(abs, components)) > _LARGEST_STRAIN:
                raise ValueError(
                    f"the strain {strain} has a component beyond {_LARGEST_STRAIN:g}; give shares of the length, 0.02 "
                    "for two per cent"
                )
        return strains


class Relaxations(_Settings):
    """Relaxation in its cell of every starting point that is neither rattled nor on the way of a hop."""

    force_tolerance: float = Field(0.05, gt=0, description="Largest force component at the end, in eV/Å.")
    max_steps: int = Field(200, ge=1, description="Most steps.")
    rattle: float = Field(
        0.02, ge=0, description="Displacement in Å before; frees structures that symmetry holds on a saddle."
    )
    frame_interval: int = Field(20, ge=1, description="Steps from one kept frame to the next; the last is kept too.")


class IonHops(_Settings):
    """Ways of mobile ions to vacant sites, from every structure that has both."""

    element: str = Field("Li", description="Element of the ions.")
    sites: tuple[tuple[float, float, float], ...] = Field(
        (),
        description="Fractional coordinates of all sites that such an ion can take, taken ones among them; if not "
        "given, the places of the ions in all given structures of the same lattice.",
    )
    max_distance: float = Field(4.0, gt=0, description="Longest hop in Å.")
    n_images: int = Field(5, ge=1, description="Structures between the two ends of a hop; its end is one more.")
    max_hops: int = Field(
        6,
        ge=1,
        description="Hops from each structure, one of those that symmetry makes equal; of more, some at random.",
    )
    walks: bool = Field(False, description="Whether walks begin at these structures as well.")


class Limits(_Settings):
    """Where a walker has left what the committee knows."""

    force_spread: float | None = Field(
        1.0,
        gt=0,
        description="Largest force spread of an atom in eV/Å; in a loop that of the candidate band, unless given.",
    )
    force_factor: float = Field(
        1.0, gt=0, description="What force spreads are multiplied by before, the calibration of the last iteration."
    )
    closest: float = Field(
        0.65, ge=0, lt=1, description="Shortest distance of two atoms as a share of the sum of their covalent radii."
    )
    energy_jump: float | None = Field(
        0.1, gt=0, description="Largest change of the potential energy in one step, in eV per atom."
    )
    temperature_factor: float | None = Field(
        5.0, gt=1, description="Largest instantaneous temperature over the highest of the walk's stages."
    )


class ExplorationSettings(_Settings):
    """How a committee's surroundings are explored."""

    walks: tuple[Walk, ...] = Field((), description="Molecular dynamics; each walk begins at every starting point.")
    variations: Variations = Field(default_factory=Variations, description="Strained and rattled starting points.")
    relaxations: Relaxations | None = Field(None, description="Relax starting points as well.")
    ion_hops: IonHops | None = Field(None, description="Structures along hops of mobile ions to vacant sites as well.")
    limits: Limits = Field(default_factory=Limits, description="Where walkers stop.")
    patterns: BeliefSettings = Field(
        default_factory=BeliefSettings, description="How the lowest pattern of a geometry is found."
    )
    seed: int = Field(0, ge=0, description="Seed of displacements, velocities, thermostats and hops.")
    checkpoint_interval: float = Field(30.0, ge=0, description="Least time between two checkpoints in seconds.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the committee runs.")

    @model_validator(mode="after")
    def _something_to_do(self) -> ExplorationSettings:
        varied = self.variations.strains or self.variations.rattles
        if not (self.walks or self.relaxations or self.ion_hops or varied):
            raise ValueError(
                "nothing is to be explored; give walks, relaxations, ion_hops, or variations with strains or rattles"
            )
        return self
