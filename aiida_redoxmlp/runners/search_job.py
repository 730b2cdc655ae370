"""Typed input and output files of ``redoxmlp-run search``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, JobFile
from aiida_redoxmlp.search.settings import SearchSettings, SpaceSettings

__all__ = ("LATTICE_FILE", "CertaintyOutput", "FixedIonsResult", "PatternResult", "SearchJob", "SearchOutput")

LATTICE_FILE = "lattice.json"


class SearchJob(JobFile):
    """Input of ``redoxmlp-run search``."""

    job: Literal["search"] = "search"
    structure: str = Field(
        "structure.json",
        description="Structure with an atom on every site: numbers, positions, cell, oxidation_states, if need be "
        "spins.",
    )
    lattice: str | None = Field(None, description="Undistorted structure in the same setting, for the symmetry.")
    model: str = MODEL_FOLDER
    space: SpaceSettings = Field(description="Which species may stand where.")
    settings: SearchSettings = Field(SearchSettings(), description="How the space is searched.")


class PatternResult(JobFile):
    """One configuration of the ranking, with the energies it is ranked by: relaxed ones if any were relaxed."""

    states: list[int] = Field(description="Oxidation states of the sites; 0 where a site is vacant.")
    species: list[str] = Field(description="Labels of what stands on the sites; `X` is a vacancy.")
    multiplicity: int = Field(description="Number of configurations equivalent to this one by symmetry.")
    orbit: int = Field(description="Configurations with the same number are equivalent; by energy at fixed ions.")
    energy_ev: float = Field(description="Mean over the committee.")
    energy_std_ev: float
    energies_ev: list[float] = Field(description="Each committee member's energy.")
    difference_ev: float = Field(description="Above the lowest.")
    difference_std_ev: float | None = Field(
        description="Standard deviation of that difference over the committee; null for a committee of one."
    )
    energy_fixed_ions_ev: float = Field(description="At the positions of the structure.")
    positions: list[list[float]] = Field(description="Of the atoms that are there, in the order of the structure; Å.")
    max_force_ev_per_angstrom: float | None = Field(None, description="At the end of the relaxation.")
    converged: bool | None = Field(None, description="Whether that is below the tolerance.")
    steps: int | None = Field(None, description="Steps of the relaxation.")


class FixedIonsResult(JobFile):
    """One configuration of the search at fixed ions."""

    states: list[int]
    species: list[str]
    multiplicity: int
    energies_ev: list[float] = Field(description="Each committee member's energy at the positions of the structure.")


class CertaintyOutput(JobFile):
    """How sure the lowest configuration is."""

    sentence: str = Field(description="The verdict in words.")
    proven: bool = Field(description="Every configuration was evaluated, and relaxed where energies are relaxed ones.")
    n_runs: int = Field(description="Independent runs at fixed ions.")
    n_agreeing: int = Field(description="Those that ended at the lowest energy.")
    gap_ev: float | None = Field(description="From the lowest to the next that symmetry does not make equivalent.")
    gap_std_ev: float | None = Field(description="Standard deviation of the gap over the committee.")
    n_members: int = Field(description="Size of the committee.")
    n_members_agreeing: int = Field(description="Members for which the committee's lowest is the lowest.")
    undecided: list[int] = Field(
        description="Ranks in `patterns` of those that may be lower than the lowest, one an orbit: DFT should decide."
    )


class SearchOutput(JobFile):
    """Output of ``redoxmlp-run search``: configurations in ascending energy."""

    formula: str = Field(description="Chemical formula of the cell, the same for all configurations.")
    sites: list[int] = Field(description="Index of each active site in the structure.")
    patterns: list[PatternResult]
    fixed_ions: list[FixedIonsResult] = Field(description="The lowest at fixed ions, one an orbit, by orbit number.")
    n_patterns_total: int = Field(description="Exact number of configurations.")
    n_patterns_distinct: int = Field(description="Exact number of those that symmetry tells apart.")
    strategy: str
    n_evaluated: int = Field(description="Configurations evaluated at fixed ions.")
    n_relaxed: int = Field(description="Configurations relaxed.")
    certainty: CertaintyOutput
    warnings: list[str] = Field(default_factory=list, description="What limits the result, in sentences.")
    wall_time_s: float
    device: str
