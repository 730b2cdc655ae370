"""Search for the ground state of a configuration space as a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from pydantic import BaseModel, ValidationError

from aiida_redoxmlp.calculations.resumable import ResumableCalculation, first_refusal
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError, explain
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.runners.search_job import LATTICE_FILE, SearchJob
from aiida_redoxmlp.runners.structure_file import structure_text
from aiida_redoxmlp.search.settings import SearchSettings, SpaceSettings

__all__ = ("SearchCalculation", "parent_configuration", "validate_fields")


def validate_fields(model: type[BaseModel], name: str) -> Callable[[orm.Dict | None, Any], str | None]:
    """Return the validator of a port that takes the fields of a model.

    Args:
        model: the model.
        name: name of the port.
    """

    def validate(node: orm.Dict | None, _: Any) -> str | None:
        if node is None:
            return None
        try:
            model.model_validate(node.get_dict())
        except ValidationError as error:
            return explain(error, name)
        return None

    return validate


def parent_configuration(
    structure: orm.StructureData, oxidation_states: orm.List, spins: orm.List | None
) -> Configuration:
    """Return the structure with its charges.

    Raises:
        InputError: if there is not one charge or spin an atom.
    """
    given = {"oxidation states": oxidation_states, "spins": spins}
    atoms = Configuration.from_ase(structure.get_ase())
    for name, node in given.items():
        if node is not None and len(node.get_list()) != len(atoms):
            raise InputError(f"There are {len(node.get_list())} {name} for {len(atoms)} atoms; give one an atom.")
    return replace(
        atoms,
        oxidation_states=np.array(oxidation_states.get_list(), dtype=np.int64),
        spins=None if spins is None else np.array(spins.get_list(), dtype=np.int64),
    )


def _validate_space(inputs: Any, _: Any) -> str | None:
    """Refuse a space that does not fit the structure or close the charge, before a job waits in a queue for it."""
    if any(name not in inputs for name in ("structure", "oxidation_states", "space")):
        return None  # the ports report what is missing
    try:
        parent = parent_configuration(inputs["structure"], inputs["oxidation_states"], inputs.get("spins"))
        SpaceSettings.model_validate(inputs["space"].get_dict()).space(parent)
    except (InputError, ValidationError) as error:
        return str(error)
    return None


def _validate_inputs(inputs: Any, context: Any) -> str | None:
    return first_refusal((_validate_space,), inputs, context)


class SearchCalculation(ResumableCalculation):
    """Rank the configurations of a space with a committee: at fixed ions, and the lowest of them relaxed."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs and outputs."""
        super().define(spec)
        spec.input("structure", valid_type=orm.StructureData, help="Structure with an atom on every site.")
        spec.input("model", valid_type=ModelData, help="The committee.")
        spec.input(
            "oxidation_states",
            valid_type=orm.List,
            serializer=orm.to_aiida_type,
            help="Oxidation state of every atom; those of the active sites mean nothing.",
        )
        spec.input(
            "spins",
            valid_type=orm.List,
            serializer=orm.to_aiida_type,
            required=False,
            help="Unpaired electrons of every atom, negative where they point down; for potentials that resolve spins.",
        )
        spec.input(
            "lattice",
            valid_type=orm.StructureData,
            required=False,
            help="Undistorted structure in the same setting to take the symmetry from.",
        )
        spec.input(
            "space",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=validate_fields(SpaceSettings, "space"),
            help="Which species may stand where, the fields of `aiida_redoxmlp.search.settings.SpaceSettings`.",
        )
        spec.input(
            "settings",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Dict({}),
            validator=validate_fields(SearchSettings, "settings"),
            help="How it is searched, the fields of `aiida_redoxmlp.search.settings.SearchSettings`.",
        )
        spec.inputs.validator = _validate_inputs
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.search")
        spec.output("report", valid_type=orm.Dict, help="Fields of `aiida_redoxmlp.runners.search_job.SearchOutput`.")
        spec.output_namespace(
            "structures",
            valid_type=orm.StructureData,
            dynamic=True,
            help="Structures of the lowest configurations, `rank_0` the lowest; relaxed if any were.",
        )

    @property
    def retrieve_list(self) -> list[Any]:
        """Nothing besides the typed output."""
        return []

    def write_job(self, folder: Folder) -> SearchJob:
        """Write structure and model and return the typed input."""
        inputs = self.inputs
        job = SearchJob(
            lattice=LATTICE_FILE if "lattice" in inputs else None,
            space=SpaceSettings.model_validate(inputs.space.get_dict()),
            settings=SearchSettings.model_validate(inputs.settings.get_dict()),
        )
        parent = parent_configuration(inputs.structure, inputs.oxidation_states, inputs.get("spins"))
        with folder.open(job.structure, "w") as handle:
            handle.write(structure_text(parent))
        if job.lattice is not None:
            with folder.open(job.lattice, "w") as handle:
                handle.write(structure_text(Configuration.from_ase(inputs.lattice.get_ase())))
        self.write_model(inputs.model, folder)
        return job
