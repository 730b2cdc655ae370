"""Search for the ground-state redox pattern as a job."""

from __future__ import annotations

import json
from typing import Any

from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from pydantic import ValidationError

from aiida_redoxmlp.calculations.runner import RunnerCalculation
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import explain
from aiida_redoxmlp.runners.jobs import SearchJob

__all__ = ("SearchCalculation",)


def _validate_settings(node: orm.Dict | None, _: Any) -> str | None:
    if node is None:
        return None
    try:
        SearchJob.model_validate({"redox_sites": [], "allowed_states": {}, **node.get_dict()})
    except ValidationError as error:
        return explain(error, "settings")
    return None


class SearchCalculation(RunnerCalculation):
    """Relax every charge-balanced redox pattern of a structure with a committee and rank them."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs and outputs."""
        super().define(spec)
        spec.input("structure", valid_type=orm.StructureData, help="The parent structure.")
        spec.input("model", valid_type=ModelData, help="The committee.")
        spec.input(
            "oxidation_states",
            valid_type=orm.List,
            serializer=orm.to_aiida_type,
            help="Oxidation state of every atom; those of the redox sites are replaced pattern by pattern.",
        )
        spec.input(
            "spins",
            valid_type=orm.List,
            serializer=orm.to_aiida_type,
            required=False,
            help="Unpaired electrons of every atom, negative where they point down; for potentials that resolve spins.",
        )
        spec.input(
            "settings",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=_validate_settings,
            help="Search settings, the fields of `aiida_redoxmlp.runners.jobs.SearchJob`.",
        )
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.search")
        spec.output("report", valid_type=orm.Dict, help="Fields of `aiida_redoxmlp.runners.jobs.SearchOutput`.")
        spec.output_namespace(
            "structures",
            valid_type=orm.StructureData,
            dynamic=True,
            help="Relaxed structures, `rank_0` the lowest.",
        )

    @property
    def retrieve_list(self) -> list[Any]:
        """Nothing besides the typed output."""
        return []

    def write_job(self, folder: Folder) -> SearchJob:
        """Write structure and model and return the typed input."""
        job = SearchJob.model_validate(self.inputs.settings.get_dict())
        atoms = self.inputs.structure.get_ase()
        parent = {
            "numbers": atoms.numbers.tolist(),
            "positions": atoms.positions.tolist(),
            "cell": atoms.cell.array.tolist(),
            "oxidation_states": self.inputs.oxidation_states.get_list(),
        }
        if "spins" in self.inputs:
            parent["spins"] = self.inputs.spins.get_list()
        with folder.open(job.structure, "w") as handle:
            json.dump(parent, handle)
        self.write_model(self.inputs.model, folder)
        return job
