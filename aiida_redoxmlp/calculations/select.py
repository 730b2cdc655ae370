"""Choosing label requests from what was explored, as a job."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.engine.processes.calcjobs.calcjob import validate_calc_job

from aiida_redoxmlp.calculations.explore import background_states
from aiida_redoxmlp.calculations.runner import RunnerCalculation
from aiida_redoxmlp.calculations.search import parent_configuration, validate_fields
from aiida_redoxmlp.calculations.selection_ports import (
    DATASET_FILE,
    declare_selection,
    why_not_selected,
    written_memory,
)
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.runners.select_job import SelectJob
from aiida_redoxmlp.runners.structure_file import structure_text

__all__ = ("SelectCalculation",)


def _validate_inputs(inputs: Any, context: Any) -> str | None:
    """Refuse a strategy that the committee cannot follow, and structures without charges."""
    refused: str | None = validate_calc_job(inputs, context)
    if refused is not None or any(name not in inputs for name in ("model", "chemistry", "settings")):
        return refused
    refused = why_not_selected(inputs["model"], inputs["settings"])
    if refused is not None:
        return refused
    chemistry = RedoxChemistry.model_validate(inputs["chemistry"].get_dict())
    try:
        for structure in inputs.get("structures", {}).values():
            background_states(structure, chemistry)
    except InputError as error:
        return str(error)
    return None


class SelectCalculation(RunnerCalculation):
    """Choose the explored structures that DFT is asked about, each with the pattern that the committee believes in."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs and outputs."""
        super().define(spec)
        spec.input_namespace(
            "frames", valid_type=orm.SinglefileData, dynamic=True, help="Explored frames, by name of the exploration."
        )
        spec.input("model", valid_type=ModelData, help="The committee.")
        spec.input_namespace(
            "structures",
            valid_type=orm.StructureData,
            dynamic=True,
            required=False,
            help="Structures by name, whose lowest patterns the report tells.",
        )
        spec.input(
            "chemistry",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=validate_fields(RedoxChemistry, "chemistry"),
            help="Charges of the material, the fields of `aiida_redoxmlp.redox.chemistry.RedoxChemistry`.",
        )
        declare_selection(spec)
        spec.inputs.validator = _validate_inputs
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.select")
        spec.output(
            "report",
            valid_type=orm.Dict,
            help="Fields of `aiida_redoxmlp.runners.select_job.SelectOutput`, without the geometries.",
        )
        spec.output_namespace(
            "structures",
            valid_type=orm.StructureData,
            dynamic=True,
            help="The structures of the requests, `request_0` the first in the report.",
        )

    @property
    def retrieve_list(self) -> list[Any]:
        """Nothing besides the typed output."""
        return []

    def write_job(self, folder: Folder) -> SelectJob:
        """Write frames, dataset, structures and model and return the typed input."""
        chemistry = RedoxChemistry.model_validate(self.inputs.chemistry.get_dict())
        files = {f"frames_{name}.npz": node for name, node in sorted(self.inputs.frames.items())}
        for file, node in files.items():
            with node.open(mode="rb") as stream:
                folder.create_file_from_filelike(stream, file, mode="wb")
        if "dataset" in self.inputs:
            self.write_dataset(self.inputs.dataset, folder, DATASET_FILE)
        structures = {}
        for name, structure in sorted(self.inputs.get("structures", {}).items()):
            structures[name] = f"structure_{name}.json"
            states = orm.List(background_states(structure, chemistry))
            with folder.open(structures[name], "w") as handle:
                handle.write(structure_text(parent_configuration(structure, states, None)))
        self.write_model(self.inputs.model, folder)
        return SelectJob(
            frames=list(files),
            dataset=DATASET_FILE if "dataset" in self.inputs else None,
            structures=structures,
            chemistry=chemistry,
            **written_memory(self.inputs),
        )
