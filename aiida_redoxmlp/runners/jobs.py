"""Typed input and output files of the programs that run inside a job.

A job's folder holds ``input.json`` (one of the ``…Job`` models), the data files it names, and after the run
``output.json`` (one of the ``…Output`` models) and ``progress.jsonl``, a line of JSON a sign of life.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.engines.settings import TrainingSettings

__all__ = (
    "CHECKPOINT_FOLDER",
    "INPUT_FILE",
    "MODEL_FOLDER",
    "OUTPUT_FILE",
    "PROGRESS_FILE",
    "VALIDATION_FILE",
    "CalibrationOutput",
    "EvaluateJob",
    "EvaluateOutput",
    "FrameEvaluation",
    "JobFile",
    "PatternError",
    "ReliabilityBinOutput",
    "SpeciesError",
    "TrainJob",
    "TrainOutput",
)

INPUT_FILE = "input.json"
OUTPUT_FILE = "output.json"
PROGRESS_FILE = "progress.jsonl"
MODEL_FOLDER = "model"
VALIDATION_FILE = "validation.npz"
CHECKPOINT_FOLDER = "checkpoints"
"""Put an interrupted job's folder of this name into a new job's folder, and the new one goes on from there."""


class JobFile(BaseModel):
    """A typed input or output file: no unknown keys, no later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainJob(JobFile):
    """Input of ``redoxmlp-run train``."""

    job: Literal["train"] = "train"
    dataset: str = Field("dataset.npz", description="Dataset file; ambiguous frames are left out of training.")
    settings: TrainingSettings
    validation_fraction: float = Field(0.15, gt=0, lt=1, description="Share of the frames held out for early stopping.")
    include_ambiguous: bool = Field(False, description="Train on frames whose charges close only with doubt as well.")
    foundation: str | None = Field(
        None, description="Folder of a stored model, or model file of another program, to start from."
    )
    replay: str | None = Field(None, description="Dataset file whose frames are replayed.")


class TrainOutput(JobFile):
    """Output of ``redoxmlp-run train``; the weights are in the folder ``model``."""

    engine: str
    encoding: str
    species: list[str]
    seeds: list[int]
    best_epochs: list[int]
    n_training_frames: int
    n_validation_frames: int
    energy_mae_ev_per_atom: float = Field(description="Committee mean on the validation frames.")
    force_mae_ev_per_angstrom: float = Field(description="Committee mean on the validation frames.")
    wall_time_s: float
    device: str
    versions: dict[str, str]
    n_replay_frames: int = 0
    warnings: list[str] = Field(default_factory=list, description="What to know of this potential, in sentences.")


class EvaluateJob(JobFile):
    """Input of ``redoxmlp-run evaluate``."""

    job: Literal["evaluate"] = "evaluate"
    dataset: str = "dataset.npz"
    model: str = MODEL_FOLDER
    device: Literal["auto", "cpu", "cuda"] = "auto"
    allowed_states: dict[str, list[int]] = Field(
        default_factory=dict,
        description="States of each redox element; where given, the lowest-energy charge-balanced pattern of "
        "every frame's geometry is compared with the pattern DFT found.",
    )
    max_patterns: int = Field(
        256, ge=1, description="Frames with more charge-balanced patterns are left out of the pattern recovery."
    )


class SpeciesError(JobFile):
    """Errors of the committee mean over the atoms of one species."""

    species: str
    n_atoms: int
    force_mae_ev_per_angstrom: float
    force_rmse_ev_per_angstrom: float


class PatternError(JobFile):
    """Errors of the committee mean over the frames of one redox pattern."""

    pattern: str = Field(description="Such as `(2,3)`, with the formula before it where there are several.")
    n_frames: int
    energy_mae_ev_per_atom: float
    energy_rmse_ev_per_atom: float
    force_mae_ev_per_angstrom: float
    force_rmse_ev_per_angstrom: float
    stress_mae_ev_per_angstrom3: float | None = None
    stress_rmse_ev_per_angstrom3: float | None = None
    pattern_recovery: float | None = Field(None, description="Share of them whose lowest pattern is DFT's.")


class ReliabilityBinOutput(JobFile):
    """Predictions of similar spread; root mean squares, and the mean absolute error."""

    n: int
    spread: float
    rmse: float
    mae: float


class CalibrationOutput(JobFile):
    """Errors of the committee mean against the standard deviation of its members."""

    n: int = Field(description="Pairs of error and spread.")
    n_without_spread: int = Field(description="Pairs left out as all members agree exactly.")
    factor: float = Field(description="RMS error over RMS spread; above 1 the committee is too sure of itself.")
    rank_correlation: float | None = Field(description="Spearman's ρ of absolute errors and spreads.")
    miscalibration_area: float = Field(description="Between observed and expected coverage, from 0 to 0.5.")
    scaled_miscalibration_area: float = Field(description="The same with the spreads multiplied by the factor.")
    within_one: float = Field(description="Share of errors within one spread; 0.683 if calibrated and normal.")
    within_two: float = Field(description="Share of errors within two spreads; 0.954 if calibrated and normal.")
    bins: list[ReliabilityBinOutput] = Field(description="The reliability curve, by ascending spread.")


class FrameEvaluation(JobFile):
    """Prediction for one frame, beside its label."""

    group: str
    step: int
    source: str
    pattern: list[int]
    ambiguous: bool
    energy_dft_ev: float
    energy_mlp_ev: float
    energy_mlp_std_ev: float
    force_mae_ev_per_angstrom: float
    max_force_std_ev_per_angstrom: float
    stress_mae_ev_per_angstrom3: float | None = Field(None, description="Where DFT computed the stress.")
    n_patterns: int | None = Field(None, description="Charge-balanced patterns of this geometry, if asked for.")
    lowest_pattern: list[int] | None = Field(None, description="Lowest-energy pattern of this geometry, if asked for.")
    pattern_margin_ev: float | None = Field(
        None, description="Energy of the lowest other pattern minus that of DFT's pattern; positive if DFT's is lowest."
    )


class EvaluateOutput(JobFile):
    """Output of ``redoxmlp-run evaluate``; forces are in ``forces.npz`` (``dft``, ``mlp``, ``species``)."""

    encoding: str
    n_members: int
    energy_mae_ev_per_atom: float
    energy_rmse_ev_per_atom: float
    force_mae_ev_per_angstrom: float
    force_rmse_ev_per_angstrom: float
    n_stress_frames: int = Field(0, description="Frames whose stress DFT computed.")
    stress_mae_ev_per_angstrom3: float | None = Field(None, description="Over the six components.")
    stress_rmse_ev_per_angstrom3: float | None = None
    per_species: list[SpeciesError]
    per_pattern: list[PatternError]
    frames: list[FrameEvaluation]
    pattern_recovery: float | None = Field(None, description="Share of frames whose lowest pattern is DFT's.")
    n_recovery_frames: int = Field(0, description="Frames that were asked for their lowest pattern.")
    chance_recovery: float | None = Field(None, description="What guessing gives: mean of 1 over the patterns.")
    energy_calibration: CalibrationOutput | None = Field(None, description="Energies per atom, in eV.")
    force_calibration: CalibrationOutput | None = Field(None, description="Force components, in eV/Å.")
    warnings: list[str] = Field(default_factory=list, description="What to know of these numbers, in sentences.")
