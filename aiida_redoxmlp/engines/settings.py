"""Typed settings of a committee training, the same for every engine."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from aiida_redoxmlp.engines.catalogue import require_engine
from aiida_redoxmlp.engines.encoding import EncodingName
from aiida_redoxmlp.engines.fine_tuning import FineTuning

__all__ = ("TrainingSettings",)


class TrainingSettings(BaseModel):
    """How a committee is trained. Energies in eV, lengths in Å."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str = Field("mace", description="Name of the engine.")
    encoding: EncodingName = Field(
        "species",
        description="'species': every (element, oxidation state) has an atomic number of its own; 'embedding': the "
        "element's number and an embedding of the state; either with '+spin': an embedding of the signed number of "
        "unpaired electrons as well; 'none': the redox-unaware baseline.",
    )
    reference_energies: Literal["species", "element"] = Field(
        "species",
        description="One reference energy for everything that has an atomic number of its own, or one an element.",
    )
    seeds: tuple[int, ...] = Field((1, 2, 3, 4), min_length=1, description="One committee member a seed.")
    max_epochs: int = Field(200, ge=1, description="Upper bound on the epochs of a member.")
    patience: int = Field(50, ge=1, description="Epochs without a better validation loss before stopping.")
    batch_size: int = Field(4, ge=1, description="Frames a gradient step.")
    frames_at_once: int | None = Field(
        None,
        ge=1,
        description="Frames of a step that are in memory at once, their gradients added up; halved by itself when "
        "memory runs out.",
    )
    learning_rate: float = Field(0.01, gt=0, description="Learning rate at the start.")
    energy_weight: float = Field(10.0, ge=0, description="Weight of the squared energy error per atom.")
    force_weight: float = Field(1.0, ge=0, description="Weight of the squared force error.")
    stress_weight: float = Field(
        0.0, ge=0, description="Weight of the squared stress error, in (eV/Å³)², of the frames that have a stress."
    )
    bootstrap: bool = Field(
        False,
        description="Train every member on a sample of the training frames of its own, drawn with replacement by its "
        "seed.",
    )
    fine_tuning: FineTuning | None = Field(None, description="Start from a foundation model.")
    dtype: Literal["float32", "float64"] = Field("float64", description="Floating-point type of the weights.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="'auto' takes a GPU where there is one.")
    cuequivariance: bool = Field(
        False,
        description="Train with the kernels of NVIDIA's cuEquivariance, which must be installed where the job runs.",
    )
    architecture: dict[str, Any] = Field(default_factory=dict, description="The engine's own architecture settings.")

    @field_validator("engine")
    @classmethod
    def _engine_is_known(cls, engine: str) -> str:
        require_engine(engine)
        return engine

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"the seeds {list(seeds)} repeat; give every committee member a seed of its own")
        return seeds

    @model_validator(mode="after")
    def _kernels_fit(self) -> TrainingSettings:
        if self.cuequivariance and self.fine_tuning is not None and self.fine_tuning.mode in {"frozen", "low_rank"}:
            raise ValueError(
                f"cuequivariance trains every weight, but the fine-tuning's mode is {self.fine_tuning.mode}; leave one "
                "of them out"
            )
        return self
