"""Comparing a committee with labelled frames as a job."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_redoxmlp.calculations.runner import RunnerCalculation, validate_labels
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.runners.jobs import EvaluateJob

__all__ = ("FORCES_FILE", "EvaluateCalculation")

FORCES_FILE = "forces.npz"


class EvaluateCalculation(RunnerCalculation):
    """Evaluate a committee on every frame of a dataset and compare with the labels."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs and outputs."""
        super().define(spec)
        spec.input(
            "dataset", valid_type=DatasetData, validator=validate_labels, help="Labelled frames to compare with."
        )
        spec.input("model", valid_type=ModelData, help="The committee.")
        spec.input(
            "allowed_states",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            required=False,
            help="States of each redox element; where given, pattern recovery is measured as well.",
        )
        spec.input(
            "max_patterns",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            required=False,
            help="Frames with more charge-balanced patterns are left out of the pattern recovery, with a warning; 256 "
            "if not given.",
        )
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.evaluate")
        spec.output("report", valid_type=orm.Dict, help="Fields of `aiida_redoxmlp.runners.jobs.EvaluateOutput`.")
        spec.output(
            "forces",
            valid_type=orm.ArrayData,
            help="Arrays `dft`, `mlp`, `mlp_std` (n_atoms_total, 3) in eV/Å; the species of each atom in the attribute "
            "`species`.",
        )

    @property
    def retrieve_list(self) -> list[Any]:
        """The forces of every atom."""
        return [FORCES_FILE]

    def write_job(self, folder: Folder) -> EvaluateJob:
        """Write dataset and model and return the typed input."""
        allowed = self.inputs.allowed_states.get_dict() if "allowed_states" in self.inputs else {}
        limit = {"max_patterns": self.inputs.max_patterns.value} if "max_patterns" in self.inputs else {}
        job = EvaluateJob(allowed_states=allowed, **limit)
        self.write_dataset(self.inputs.dataset, folder, job.dataset)
        self.write_model(self.inputs.model, folder)
        return job
