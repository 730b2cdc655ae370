"""What a run of molecular dynamics is asked to do, checked before anything is submitted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = ("DynamicsSettings", "Insertion", "Segment", "Thermostat")

Thermostat = Literal["none", "rescaling", "rescale-v", "rescale-T", "reduce-T", "berendsen", "andersen", "svr"]
"""Thermostats of pw.x that act on velocities (INPUT_PW, ``ion_temperature``); ``none`` conserves the energy."""


def _different_sites(sites: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(sites)) != len(sites):
        raise ValueError(f"sites {list(sites)} name one more than once; name each once")
    return sites


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Insertion(_Settings):
    """An atom that comes in.

    Attributes:
        symbol: its element, such as ``Li``.
        position: fractional coordinates.
    """

    symbol: str
    position: tuple[float, float, float]


class Segment(_Settings):
    """A stretch of a trajectory.

    Attributes:
        n_steps: ionic steps of the segment.
        temperature: temperature in K of new Maxwell-Boltzmann velocities; without one, atoms go on as they move.
        remove: sites, counted from 0 in the structure before the segment, whose atoms leave.
        insert: atoms that come in, after the others.
        pattern: wanted oxidation states of the redox sites from here on; by default those found last where the
            composition stays, and the first that closes the charge where it changes.
    """

    n_steps: Annotated[int, Field(ge=1)]
    temperature: Annotated[float, Field(gt=0)] | None = None
    remove: Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(_different_sites)] = ()
    insert: tuple[Insertion, ...] = ()
    pattern: tuple[int, ...] | None = None

    @property
    def changes_composition(self) -> bool:
        """Whether atoms leave or come in."""
        return bool(self.remove or self.insert)


class DynamicsSettings(_Settings):
    """One trajectory.

    Attributes:
        segments: its stretches, in order; the first starts from new velocities.
        timestep: fs.
        thermostat: name in pw.x.
        thermostat_parameters: ``tolp``, ``delta_t`` and ``nraise`` of pw.x.
        random_seed: of the velocities.
        steps_per_chunk: ionic steps a job runs at most; without a number the walltime is the limit.
        maximum_drift: drift of the conserved quantity in eV per atom and ps beyond which a run without thermostat is
            stopped; null for no limit.
        maximum_temperature: temperature in K beyond which a run is stopped; null for no limit.
        monitor_interval: seconds between two looks at a running job.
    """

    segments: Annotated[tuple[Segment, ...], Field(min_length=1)]
    timestep: Annotated[float, Field(gt=0)] = 2.0
    thermostat: Thermostat = "none"
    thermostat_parameters: dict[Literal["tolp", "delta_t", "nraise"], float] = Field(default_factory=dict)
    random_seed: Annotated[int, Field(ge=0)] = 1
    steps_per_chunk: Annotated[int, Field(ge=1)] | None = None
    maximum_drift: Annotated[float, Field(gt=0)] | None = None
    maximum_temperature: Annotated[float, Field(gt=0)] | None = None
    monitor_interval: Annotated[int, Field(ge=1)] = 60

    @model_validator(mode="after")
    def _check_first_segment(self) -> DynamicsSettings:
        if self.segments[0].temperature is None:
            raise ValueError("the first segment has no temperature; give one in K, the atoms are at rest before it")
        return self

    @property
    def n_steps(self) -> int:
        """Ionic steps of all segments."""
        return sum(segment.n_steps for segment in self.segments)
