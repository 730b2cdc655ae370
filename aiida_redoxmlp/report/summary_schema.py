"""The schema of ``summary.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat

from aiida_redoxmlp.report.hubbard_schema import HubbardSummary
from aiida_redoxmlp.report.schema_parts import Part, Phase, StageTiming, WorkChainSummary
from aiida_redoxmlp.runners.jobs import CalibrationOutput, PatternError

__all__ = (
    "CampaignSummary",
    "CommitteeErrors",
    "Counts",
    "HeldOutErrors",
    "LabelSummary",
    "PatternSummary",
    "SpeciesErrors",
    "Uuids",
)


class PatternSummary(Part):
    """One redox pattern; an energy that was not computed is null."""

    states: list[int] = Field(description="Oxidation state of every redox site, by ascending site.")
    orbit: int = Field(description="Patterns with the same number are equivalent by the parent's symmetry.")
    multiplicity: int = Field(description="Number of patterns in the orbit.")
    energy_mlp_ev: FiniteFloat | None = Field(None, description="Committee mean at the committee's relaxed geometry.")
    energy_mlp_std_ev: FiniteFloat | None = Field(None, description="Standard deviation of it over the committee.")
    energy_dft_ev: FiniteFloat | None = Field(None, description="DFT at the same geometry, where it was checked.")
    pattern_found_by_dft: list[int] | None = Field(None, description="Pattern DFT landed on in that check.")
    dft_confidence: FiniteFloat | None = Field(None, description="Confidence of the least sure site in that check.")
    energy_dft_relaxed_ev: FiniteFloat | None = Field(
        None, description="Last energy of the DFT relaxation that landed on this pattern with certainty."
    )


class SpeciesErrors(Part):
    """Force errors on the held-out frames over the atoms of one species."""

    species: str
    n_atoms: int
    force_mae_ev_per_angstrom: FiniteFloat
    force_rmse_ev_per_angstrom: FiniteFloat


class CommitteeErrors(Part):
    """Errors of a committee's mean on the held-out frames."""

    energy_mae_ev_per_atom: FiniteFloat
    energy_rmse_ev_per_atom: FiniteFloat
    force_mae_ev_per_angstrom: FiniteFloat
    force_rmse_ev_per_angstrom: FiniteFloat
    n_stress_frames: int = Field(0, description="Held-out frames whose stress DFT computed.")
    stress_mae_ev_per_angstrom3: FiniteFloat | None = None
    stress_rmse_ev_per_angstrom3: FiniteFloat | None = None
    per_species: list[SpeciesErrors]
    per_pattern: list[PatternError] = Field(default_factory=list, description="The same by redox pattern.")
    pattern_recovery: FiniteFloat | None = Field(None, description="Share of frames whose lowest pattern is DFT's.")
    n_recovery_frames: int = Field(0, description="Frames that were asked for their lowest pattern.")
    chance_recovery: FiniteFloat | None = Field(None, description="What guessing would give.")
    energy_calibration: CalibrationOutput | None = Field(None, description="Of energies per atom, in eV.")
    force_calibration: CalibrationOutput | None = Field(None, description="Of force components, in eV/Å.")
    warnings: list[str] = Field(default_factory=list, description="What the evaluation had to say of its numbers.")
    n_frames: int
    evaluation_uuid: str = Field(description="The job that measured this.")


class HeldOutErrors(Part):
    """Errors of the redox-aware committee and of the redox-unaware baseline on the same frames."""

    redox_aware: CommitteeErrors | None = None
    baseline: CommitteeErrors | None = None


class LabelSummary(Part):
    """One DFT label."""

    name: str = Field(description="Stage and number, such as `relax 0`.")
    stage: Literal["relax", "md", "check"]
    phase: Phase
    wanted: list[int]
    found: list[int] | None = Field(None, description="Pattern of the step that counts: first of MD, else last.")
    landed: bool | None = None
    ambiguous: bool | None = None
    confidence: FiniteFloat | None = None
    n_frames: int = 0
    n_ambiguous: int = 0
    exit_status: int | None = None
    exit_message: str | None = None
    uuid: str
    pw_uuids: list[str] = Field(description="Its pw.x calculations, in order.")


class Counts(Part):
    """How much was computed."""

    n_patterns: int | None = Field(None, description="Patterns that close the charge.")
    n_distinct_patterns: int | None = Field(None, description="Those of them that symmetry tells apart.")
    n_dft_calculations: int = Field(description="pw.x jobs, those from the cache included.")
    n_frames: int = Field(description="Frames of the dataset; of all labels so far while there is none.")
    n_ambiguous_frames: int = Field(description="Those whose charges close only with doubt.")
    n_training_frames: int | None = Field(None, description="Frames the redox-aware committee was fitted to.")
    n_test_frames: int | None = Field(None, description="Frames held out from training.")
    labels_asked: int
    labels_landed: int = Field(description="Labels on which DFT found the wanted pattern.")
    labels_elsewhere: int = Field(description="Labels on which DFT found another pattern; kept as what was found.")
    labels_failed: int = Field(
        description="Labels that failed; only trajectories among them have frames in the dataset, those they reached."
    )
    labels_running: int


class Uuids(Part):
    """The nodes behind the numbers."""

    campaign: str
    structure: str | None = None
    hubbard: str | None = None
    hubbard_structure: str | None = None
    dataset: str | None = None
    test_dataset: str | None = None
    model: str | None = None
    baseline: str | None = None
    training: str | None = None
    baseline_training: str | None = None
    search: str | None = None
    conclusion: str | None = None


class CampaignSummary(WorkChainSummary):
    """Everything a campaign found, on one page. Energies in eV, lengths in Å, times in s."""

    schema_version: Literal[1] = Field(1, description="Version of this schema.")
    site_labels: list[str] = Field(description="Redox sites as `Mn1`, `Mn2`, …, in the order of `states`.")
    site_indices: list[int] = Field(description="Index of each redox site in the structure, from 0.")
    patterns: list[PatternSummary] = Field(description="In ascending energy of the potential, once searched.")
    ground_state: list[int] | None = Field(
        None, description="Lowest pattern by DFT among those it confirmed, else by the potential."
    )
    decided_by: Literal["dft", "potential"] | None = Field(None, description="Whose energies ranked it lowest.")
    gap_ev: FiniteFloat | None = Field(None, description="From the ground state to the runner-up by the same judge.")
    search_certainty: str | None = Field(
        None, description="How sure the potential's search is of its lowest pattern, in a sentence."
    )
    search_warnings: list[str] = Field(default_factory=list, description="What limits the search, in sentences.")
    test_errors: HeldOutErrors = Field(description="Errors on the held-out frames, of both committees.")
    pattern_recovery: FiniteFloat | None = Field(
        None, description="Share of held-out frames whose lowest pattern by the potential is DFT's."
    )
    split_warnings: list[str] = Field(
        default_factory=list, description="What the choice of held-out frames has to say of the errors on them."
    )
    hubbard: HubbardSummary | None = Field(
        None, description="Self-consistent U and V, where the campaign computed them first."
    )
    counts: Counts
    labels: list[LabelSummary] = Field(description="Every DFT label, by stage and number.")
    stages: dict[str, StageTiming] = Field(
        description="Time of the stages that have a job: `hubbard`, `relax`, `md`, `train`, `evaluate`, `search`, "
        "`check`."
    )
    uuids: Uuids = Field(description="The nodes behind the numbers.")
