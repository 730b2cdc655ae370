"""Exploration with a committee as a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from pydantic import ValidationError

from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.active_learning.exploration.starting_points import GivenStructure, starting_points
from aiida_redoxmlp.calculations.resumable import ResumableCalculation, first_refusal
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
from aiida_redoxmlp.runners.explore_job import FRAMES_FILE, SELECTION_FILE, ExploreJob, ExploreStructure
from aiida_redoxmlp.runners.select_job import SelectJob
from aiida_redoxmlp.runners.structure_file import structure_text

__all__ = ("ExploreCalculation", "background_states")


def _given_structures(inputs: Any, chemistry: RedoxChemistry) -> Iterator[tuple[str, GivenStructure]]:
    """Yield the structures by name, with their charges where they were given.

    Raises:
        InputError: if charges do not fit their structure, or belong to none.
    """
    structures, states, spins = (inputs.get(name, {}) for name in ("structures", "oxidation_states", "spins"))
    for name in (*states, *spins):
        if name not in structures:
            raise InputError(
                f"Charges or spins are given for {name!r}, but the structures are {', '.join(sorted(structures))}; use "
                "the names of structures."
            )
    for name in sorted(structures):
        known = name in states
        yield (
            name,
            GivenStructure(
                parent_configuration(
                    structures[name],
                    states[name] if known else orm.List(background_states(structures[name], chemistry)),
                    spins.get(name),
                ),
                states_known=known,
            ),
        )


def background_states(structure: orm.StructureData, chemistry: RedoxChemistry) -> list[int]:
    """Return the oxidation states of atoms that are no redox sites, and 0 on those."""
    symbols = structure.get_ase().get_chemical_symbols()
    table = chemistry.table()
    if table.redox_sites(symbols):
        return chemistry.sites_and_background(symbols)[1]
    return [table.fixed_state(symbol) for symbol in symbols]


def _validate_start(inputs: Any, _: Any) -> str | None:
    """Refuse structures that cannot be explored from, before a job waits in a queue for it."""
    if any(name not in inputs for name in ("structures", "chemistry", "settings")):
        return None  # the ports report what is missing
    try:
        chemistry = RedoxChemistry.model_validate(inputs["chemistry"].get_dict())
        settings = ExplorationSettings.model_validate(inputs["settings"].get_dict())
        structures = dict(_given_structures(inputs, chemistry))
        starting_points(structures, chemistry, settings)
        for name, given in structures.items():
            refused = chemistry.why_never(given.configuration.to_ase().get_chemical_symbols())
            if refused is not None and not given.states_known:
                return f"The structure {name!r}: {refused}"
    except (InputError, ValidationError) as error:
        return str(error)
    return None


def _validate_selection(inputs: Any, _: Any) -> str | None:
    """Refuse a strategy that the committee cannot follow."""
    if "selection" not in inputs or "model" not in inputs:
        return None
    return why_not_selected(inputs["model"], inputs["selection"]["settings"])


def _validate_inputs(inputs: Any, context: Any) -> str | None:
    return first_refusal((_validate_start, _validate_selection), inputs, context)


class ExploreCalculation(ResumableCalculation):
    """Let walkers of a committee look for structures that it does not know, until they leave what it knows.

    With the inputs ``selection`` the job also selects what is labelled from what it found.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs and outputs."""
        super().define(spec)
        spec.input_namespace(
            "structures", valid_type=orm.StructureData, dynamic=True, help="What to explore from, by name."
        )
        spec.input("model", valid_type=ModelData, help="The committee.")
        spec.input_namespace(
            "oxidation_states",
            valid_type=orm.List,
            dynamic=True,
            required=False,
            help="Oxidation state of every atom, by name of the structure; walkers of one without start with the "
            "committee's lowest pattern.",
        )
        spec.input_namespace(
            "spins",
            valid_type=orm.List,
            dynamic=True,
            required=False,
            help="Unpaired electrons of every atom, negative where they point down, by name of the structure; for "
            "potentials that resolve spins.",
        )
        spec.input(
            "chemistry",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=validate_fields(RedoxChemistry, "chemistry"),
            help="Charges of the material, the fields of `aiida_redoxmlp.redox.chemistry.RedoxChemistry`.",
        )
        spec.input(
            "settings",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=validate_fields(ExplorationSettings, "settings"),
            help="How it is explored, the fields of "
            "`aiida_redoxmlp.active_learning.exploration.settings.ExplorationSettings`.",
        )
        spec.input_namespace(
            "selection",
            required=False,
            populate_defaults=False,
            help="If given, what is labelled is selected at the end of the job, without loading the committee again.",
        )
        declare_selection(spec, "selection.")
        spec.inputs.validator = _validate_inputs
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.explore")
        spec.output("report", valid_type=orm.Dict, help="Fields of `aiida_redoxmlp.runners.explore_job.ExploreOutput`.")
        spec.output(
            "frames",
            valid_type=orm.SinglefileData,
            help="The frames that were kept; `aiida_redoxmlp.active_learning.exploration.frames.read_explored` reads "
            "the file.",
        )
        spec.output(
            "selection",
            valid_type=orm.Dict,
            required=False,
            help="Fields of `aiida_redoxmlp.runners.select_job.SelectOutput`, without the geometries; not there where "
            "the exploration went nowhere.",
        )
        spec.output_namespace(
            "selected",
            valid_type=orm.StructureData,
            dynamic=True,
            required=False,
            help="The structures of the requests, `request_0` the first in `selection`.",
        )

    @property
    def retrieve_list(self) -> list[Any]:
        """The frames, and what was selected."""
        return [FRAMES_FILE, SELECTION_FILE] if "selection" in self.inputs else [FRAMES_FILE]

    def write_job(self, folder: Folder) -> ExploreJob:
        """Write structures and model and return the typed input."""
        chemistry = RedoxChemistry.model_validate(self.inputs.chemistry.get_dict())
        structures = {}
        for name, given in _given_structures(self.inputs, chemistry):
            structures[name] = ExploreStructure(file=f"structure_{name}.json", states_known=given.states_known)
            with folder.open(structures[name].file, "w") as handle:
                handle.write(structure_text(given.configuration))
        self.write_model(self.inputs.model, folder)
        return ExploreJob(
            structures=structures,
            chemistry=chemistry,
            settings=ExplorationSettings.model_validate(self.inputs.settings.get_dict()),
            selection=self._write_selection(folder, structures, chemistry) if "selection" in self.inputs else None,
        )

    def _write_selection(
        self, folder: Folder, structures: dict[str, ExploreStructure], chemistry: RedoxChemistry
    ) -> SelectJob:
        """Write the dataset and return what is selected at the end."""
        inputs = self.inputs.selection
        if "dataset" in inputs:
            self.write_dataset(inputs.dataset, folder, DATASET_FILE)
        return SelectJob(
            frames=[FRAMES_FILE],
            dataset=DATASET_FILE if "dataset" in inputs else None,
            structures={name: one.file for name, one in structures.items()},
            chemistry=chemistry,
            **written_memory(inputs),
        )
