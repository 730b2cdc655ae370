"""Training a committee of potentials as a job."""

from __future__ import annotations

from typing import Any, Literal

from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from pydantic import ValidationError

from aiida_redoxmlp.calculations.resumable import ResumableCalculation, first_refusal
from aiida_redoxmlp.calculations.runner import validate_labels
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.fine_tuning import require_consistent_start
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners.jobs import MODEL_FOLDER, VALIDATION_FILE, TrainJob

__all__ = ("TrainCalculation",)


FOUNDATION_FOLDER = "foundation"
FOUNDATION_FILE = "foundation.model"
REPLAY_FILE = "replay.npz"


def _validate_start(inputs: Any, _: Any) -> str | None:
    """Refuse what contradicts itself or cannot be started from, before a job waits in a queue for it."""
    if "settings" not in inputs:
        return None
    foundation, replay = inputs.get("foundation"), inputs.get("replay")
    if isinstance(foundation, DatasetData):
        return "The foundation is a dataset; give a model, and the dataset as `dataset` or `replay`."
    try:
        settings = TrainingSettings.model_validate(inputs["settings"].get_dict())
        stored = isinstance(foundation, ModelData)
        kind: Literal["stored", "file"] | None = None if foundation is None else "stored" if stored else "file"
        require_consistent_start(settings.fine_tuning, kind, replay=replay is not None)
        if stored:
            datasets = [inputs[name] for name in ("dataset", "replay") if name in inputs]
            found = {Species.parse(label).element for one in datasets for label in one.summary()["species"]}
            foundation.require_parents(found, settings)
    except (InputError, ValidationError) as error:
        return str(error)
    return None


def _validate_settings(node: orm.Dict | None, _: Any) -> str | None:
    if node is None:
        return None
    try:
        TrainingSettings.model_validate(node.get_dict())
    except ValidationError as error:
        return explain(error, "settings")
    return None


def _validate_inputs(inputs: Any, context: Any) -> str | None:
    """Check where the training starts from and goes on from."""
    return first_refusal((_validate_start,), inputs, context)


class TrainCalculation(ResumableCalculation):
    """Train a committee on a dataset; ambiguous frames are left out unless asked for."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("dataset", valid_type=DatasetData, validator=validate_labels, help="Labelled frames.")
        spec.input(
            "settings",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=_validate_settings,
            help="Training settings, the fields of `aiida_redoxmlp.engines.settings.TrainingSettings`.",
        )
        spec.input(
            "validation_fraction",
            valid_type=orm.Float,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Float(0.15),
            help="Share of every trajectory's last frames held out for early stopping.",
        )
        spec.input(
            "include_ambiguous",
            valid_type=orm.Bool,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Bool(False),
            help="Train on frames whose charges close only with doubt as well.",
        )
        spec.input(
            "foundation",
            valid_type=(ModelData, orm.SinglefileData),
            required=False,
            help="Model to start from, with `fine_tuning` in the settings: one of this package, or the model file of "
            "another program, which is a pickle and needs `trust_pickle`.",
        )
        spec.input(
            "replay",
            valid_type=DatasetData,
            validator=validate_labels,
            required=False,
            help="Frames to keep in mind, for the mode `replay`.",
        )
        spec.inputs.validator = _validate_inputs
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.train")
        spec.output("model", valid_type=ModelData, help="The committee.")
        spec.output("report", valid_type=orm.Dict, help="Fields of `aiida_redoxmlp.runners.jobs.TrainOutput`.")
        spec.output(
            "history",
            valid_type=orm.ArrayData,
            help="Learning curves: one array a quantity, one row an epoch.",
        )
        spec.exit_code(310, "ERROR_DIVERGED", message="The training diverged: {reason}", invalidates_cache=True)

    @property
    def retrieve_list(self) -> list[Any]:
        """The model's folder, and the predictions for the frames held out."""
        return [MODEL_FOLDER, VALIDATION_FILE]

    def write_job(self, folder: Folder) -> TrainJob:
        """Write the dataset file and return the typed input."""
        job = TrainJob(
            settings=TrainingSettings.model_validate(self.inputs.settings.get_dict()),
            validation_fraction=self.inputs.validation_fraction.value,
            include_ambiguous=self.inputs.include_ambiguous.value,
            foundation=self._write_foundation(folder) if "foundation" in self.inputs else None,
            replay=REPLAY_FILE if "replay" in self.inputs else None,
        )
        self.write_dataset(self.inputs.dataset, folder, job.dataset)
        if job.replay is not None:
            self.write_dataset(self.inputs.replay, folder, job.replay)
        return job

    def _write_foundation(self, folder: Folder) -> str:
        """Copy what the training starts from to the job's folder and return its name."""
        node = self.inputs.foundation
        if isinstance(node, ModelData):
            node.base.repository.copy_tree(str(folder.get_subfolder(FOUNDATION_FOLDER, create=True).abspath))
            return FOUNDATION_FOLDER
        with node.open(mode="rb") as stream:
            folder.create_file_from_filelike(stream, FOUNDATION_FILE, mode="wb")
        return FOUNDATION_FILE
