"""The schema of the summary of molecular dynamics."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, FiniteFloat

from aiida_redoxmlp.report.schema_parts import Part, Phase, WorkChainSummary

__all__ = (
    "AmbiguousInterval",
    "ChunkSummary",
    "DynamicsSummary",
    "DynamicsUuids",
    "HopSummary",
    "PartSummary",
    "PatternShare",
    "SwitchSummary",
    "TrajectorySummary",
)


class PatternShare(Part):
    """For how long a pattern was there."""

    states: list[int] = Field(description="Oxidation state of every redox site, by ascending site.")
    steps: int = Field(description="Steps with this pattern that are not ambiguous.")


class SwitchSummary(Part):
    """One site's change of oxidation state."""

    site: int = Field(description="Index of the atom, from 0.")
    symbol: str
    before: int
    after: int
    last_step_before: int = Field(description="Last sure step with the state before.")
    first_step_after: int = Field(description="First sure step with the state after.")
    time_fs: FiniteFloat | None = Field(None, description="Middle between these two, since the start of the part.")
    temperature_k: FiniteFloat | None = Field(None, description="Mean temperature from the one to the other.")
    imposed: bool = Field(description="Whether the electrons were seeded anew between the two steps.")


class HopSummary(Part):
    """An electron that went from one site to another."""

    from_site: int = Field(description="Index of the atom whose state went up, from 0.")
    to_site: int = Field(description="Index of the atom whose state went down.")
    from_symbol: str
    to_symbol: str
    last_step_before: int
    first_step_after: int
    unique: bool = Field(description="Whether the switches of the interval can be paired in this way only.")
    time_fs: FiniteFloat | None = None
    temperature_k: FiniteFloat | None = None
    imposed: bool = Field(description="Whether the electrons were seeded anew between the two steps.")


class AmbiguousInterval(Part):
    """Steps one after another that nothing can be concluded from, flickers among them."""

    first_step: int
    last_step: int
    n_steps: int = Field(description="Labelled steps in it.")


class ChunkSummary(Part):
    """One pw.x job."""

    name: str = Field(description="Label of the call, such as `chunk_2`.")
    part: int = Field(description="Part of the trajectory it belongs to, from 0.")
    first_step: int = Field(description="Number in the part of the step it started with.")
    last_step: int | None = Field(None, description="Last step it brought; null if it brought none.")
    repeats: bool = Field(description="Whether its first step is the last one of the chunk before.")
    n_new_steps: int = Field(description="Steps that were not there before.")
    phase: Phase
    exit_status: int | None = None
    ending: str = Field(description="What ended it, in words.")
    jump_mev: FiniteFloat | None = Field(
        None, description="Conserved quantity at the repeated step less that in the chunk before, in meV."
    )
    duration_s: FiniteFloat
    from_cache: bool
    uuid: str


class PartSummary(Part):
    """A trajectory up to where its composition changes."""

    number: int = Field(description="From 0.")
    formula: str
    n_steps: int
    n_labelled: int = Field(description="Steps with whole occupations.")
    n_ambiguous: int = Field(description="Steps whose charges close only with doubt.")
    n_unconverged: int = Field(description="Steps whose SCF cycle did not converge.")
    duration_ps: FiniteFloat = Field(description="From the first step to the last.")
    sites: list[int] = Field(description="Indices of the redox sites.")
    symbols: list[str] = Field(description="Their chemical symbols.")
    wanted: list[int] | None = Field(None, description="Pattern asked for at the start; null if none was.")
    pattern_at_start: list[int] | None = Field(None, description="Pattern of the first sure step.")
    patterns: list[PatternShare]
    mean_temperature_k: FiniteFloat | None = None
    drift_ev_per_atom_and_ps: FiniteFloat | None = Field(
        None, description="Slope of the conserved quantity; the same for all stretches between new velocities or seeds."
    )
    largest_jump_mev: FiniteFloat | None = Field(
        None, description="Largest change of the conserved quantity from one step to the next within such a stretch."
    )
    switches: list[SwitchSummary]
    hops: list[HopSummary]
    ambiguous_intervals: list[AmbiguousInterval]
    trajectory_uuid: str | None = Field(None, description="Null until the trajectory has ended.")
    oxidation_states_uuid: str | None = None
    events_uuid: str | None = None


class TrajectorySummary(Part):
    """One trajectory."""

    name: str = Field(description="Such as `run 0`.")
    phase: Phase
    exit_status: int | None = None
    exit_message: str | None = None
    random_seed: int
    timestep_fs: FiniteFloat
    thermostat: str
    temperatures_k: list[FiniteFloat] = Field(description="Of the velocities that segments begin with.")
    n_steps_wanted: int
    n_steps: int = Field(description="Steps of all parts.")
    parts: list[PartSummary]
    chunks: list[ChunkSummary]
    job_time_s: FiniteFloat = Field(description="Sum over its pw.x jobs, queueing included.")
    uuid: str


class DynamicsUuids(Part):
    """The nodes behind the numbers."""

    work_chain: str
    structure: str | None = Field(None, description="Structure with its Hubbard parameters.")
    frames: str | None = Field(None, description="Every labelled step.")
    dataset: str | None = Field(None, description="Those that are independent of each other.")
    subsampling_summary: str | None = Field(None, description="How they were chosen.")


class DynamicsSummary(WorkChainSummary):
    """What molecular dynamics came to. The keys name the units; steps and atoms are counted from 0."""

    schema_version: Literal[1] = Field(1, description="Version of this schema.")
    n_trajectories_wanted: int
    trajectories: list[TrajectorySummary]
    n_steps: int = Field(description="Ionic steps of all trajectories.")
    n_steps_wanted: int = Field(description="Ionic steps asked for, of trajectories that were not begun too.")
    n_labelled: int
    n_ambiguous: int
    n_switches: int = Field(description="Those that were imposed by new seeds not counted.")
    n_hops: int = Field(description="Those that were imposed by new seeds not counted.")
    n_independent: int | None = Field(None, description="Frames of the sub-sampled dataset, once it is there.")
    subsampling: dict[str, Any] | None = Field(None, description="The output `subsampling_summary` of the work chain.")
    n_pw_calculations: int = Field(description="pw.x jobs, those from the cache included.")
    uuids: DynamicsUuids
