"""Parser of hp.x."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.hp import ERROR_FILE, PARAMETERS_FILE, PREFIX
from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.hubbard.assignment import with_found_values
from aiida_redoxmlp.hubbard.hp_output import read_hp_output
from aiida_redoxmlp.hubbard.hp_parameters import read_hubbard_parameters
from aiida_redoxmlp.hubbard.inputhp import InputHp
from aiida_redoxmlp.hubbard.results import HpFailure, HpOutput, HubbardParameters

__all__ = ("HpParser",)

_EXIT_CODES = {
    HpFailure.INPUT_REFUSED: "ERROR_INPUT_REFUSED",
    HpFailure.HUBBARD_ATOMS_NOT_FIRST: "ERROR_HUBBARD_ATOMS_NOT_FIRST",
    HpFailure.NO_HUBBARD_ATOM: "ERROR_NO_HUBBARD_ATOM",
    HpFailure.PARENT_UNREADABLE: "ERROR_PARENT_UNREADABLE",
    HpFailure.MISSING_RESPONSES: "ERROR_MISSING_RESPONSES",
    HpFailure.ENGINE_ERROR: "ERROR_ENGINE",
    HpFailure.OUT_OF_MEMORY: "ERROR_OUT_OF_MEMORY",
    HpFailure.OUT_OF_TIME: "ERROR_OUT_OF_TIME",
    HpFailure.STOPPED_EARLY: "ERROR_STOPPED_EARLY",
    HpFailure.NOT_CONVERGED: "ERROR_NOT_CONVERGED",
    HpFailure.DIVERGED: "ERROR_DIVERGED",
    HpFailure.NOT_A_NUMBER: "ERROR_NOT_A_NUMBER",
}
_SCHEDULER_OUT_OF_MEMORY = 110
_SCHEDULER_OUT_OF_WALLTIME = 120


class HpParser(Parser):
    """What was perturbed, and, at the end, the response matrices, U and V."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        with self.retrieved.base.repository.as_path() as folder:
            return self._parse(folder)

    def _parse(self, folder: Path) -> ExitCode | None:
        stdout = folder / str(self.node.get_option("output_filename"))
        if not stdout.is_file():
            return self._failed(self._by_scheduler(HpFailure.STOPPED_EARLY), "there is no output.")
        errors = folder / ERROR_FILE
        output = read_hp_output(stdout, errors.read_text(errors="replace") if errors.is_file() else "")
        self.out("output_parameters", orm.Dict(_as_dict(output)))
        for warning in output.warnings:
            self.logger.warning(warning)
        if output.failure is not None:
            return self._failed(self._by_scheduler(output.failure), output.reason)
        asked = InputHp.model_validate(self.node.inputs.parameters.get_dict())
        left_out = _left_out(asked, output, {path.name for path in folder.iterdir()})
        if left_out is not None:
            return cast("ExitCode", self.exit_codes.ERROR_NOT_WHAT_WAS_ASKED.format(reason=left_out))
        # A part of a run leaves no parameters, or a file with nothing but their heading.
        return None if asked.is_part else self._parse_parameters(folder / PARAMETERS_FILE)

    def _parse_parameters(self, path: Path) -> ExitCode | None:
        """Attach matrices and structure."""
        structure = self._structure()
        if structure is None:
            return cast(
                "ExitCode", self.exit_codes.ERROR_PARENT_UNREADABLE.format(reason="it was not made by a pw.x with U.")
            )
        try:
            found = read_hubbard_parameters(path, len(structure.sites))
        except OutputFormatError as error:
            return cast("ExitCode", self.exit_codes.ERROR_OUTPUT_INVALID.format(reason=str(error)))
        self.out("hubbard", _as_arrays(found))
        try:
            interactions = with_found_values(interactions_of(structure), found)
        except InputError as error:
            return cast("ExitCode", self.exit_codes.ERROR_PAIR_MISSING.format(reason=str(error)))
        self.out(
            "hubbard_structure",
            with_interactions(structure, interactions, projectors=structure.hubbard.projectors),
        )
        return None

    def _structure(self) -> HubbardStructureData | None:
        """The structure of the ground state."""
        inputs = self.node.inputs
        if "hubbard_structure" in inputs:
            return cast("HubbardStructureData", inputs.hubbard_structure)
        creator = inputs.parent_scf.creator
        structure = creator.inputs.structure if creator is not None and "structure" in creator.inputs else None
        return structure if isinstance(structure, HubbardStructureData) else None

    def _by_scheduler(self, failure: HpFailure) -> HpFailure:
        """Let the scheduler say why a job was stopped."""
        known = {
            _SCHEDULER_OUT_OF_MEMORY: HpFailure.OUT_OF_MEMORY,
            _SCHEDULER_OUT_OF_WALLTIME: HpFailure.OUT_OF_TIME,
        }
        return known.get(self.node.exit_status or 0, failure) if failure is HpFailure.STOPPED_EARLY else failure

    def _failed(self, failure: HpFailure, reason: str) -> ExitCode:
        return cast("ExitCode", self.exit_codes[_EXIT_CODES[failure]].format(reason=reason))


def _as_dict(output: HpOutput) -> dict[str, Any]:
    """Return the output as plain data; atoms count from 0, wave vectors from 1."""
    return {
        "version": output.version,
        "perturbed": list(output.perturbed),
        "n_q_points": {str(atom): count for atom, count in output.n_q_points.items()},
        "responses": [asdict(response) for response in output.responses],
        "failure": output.failure.value if output.failure else None,
        "reason": output.reason,
        "wall_time_seconds": output.wall_time,
        "warnings": list(output.warnings),
    }


def _as_arrays(found: HubbardParameters) -> orm.ArrayData:
    """Return matrices (1/eV and eV) and tables as arrays."""
    node = orm.ArrayData()
    for name in ("chi0", "chi", "hubbard"):
        node.set_array(name, getattr(found, name))
    node.set_array("sites", np.array([one.site for one in found.sites], dtype=np.int64))
    node.set_array("spins", np.array([one.spin for one in found.sites], dtype=np.int64))
    node.set_array("u", np.array([one.u for one in found.sites], dtype=np.float64))
    if found.pairs:
        node.set_array("pairs", np.array([(one.site, one.neighbour) for one in found.pairs], dtype=np.int64))
        node.set_array("translations", np.array([one.translation for one in found.pairs], dtype=np.int64))
        node.set_array("distances", np.array([one.distance for one in found.pairs], dtype=np.float64))
        node.set_array("v", np.array([one.v for one in found.pairs], dtype=np.float64))
    return node


def _left_out(asked: InputHp, output: HpOutput, files: set[str]) -> str | None:
    """Say what was asked for and is not there: hp.x passes over atoms and wave vectors that do not exist."""
    if not output.perturbed:
        return "it lists no atom to perturb."
    if not asked.is_part:
        return None if PARAMETERS_FILE in files else "it wrote no parameters."
    if asked.determine_num_pert_only:
        return None
    return _left_out_of_atom(asked, output, files)


def _left_out_of_atom(asked: InputHp, output: HpOutput, files: set[str]) -> str | None:
    """The same for a run on one atom."""
    number = asked.perturb_only_atom[0]
    if list(output.perturbed) != [number - 1]:
        return f"atom {number} was to be perturbed, but it took {[atom + 1 for atom in output.perturbed]}."
    if asked.determine_q_mesh_only:
        return None if output.n_q_points else "it lists no wave vectors."
    if asked.start_q is None and asked.last_q is None:
        return None if f"{PREFIX}.chi.pert_{number}.dat" in files else f"no response of atom {number}."
    count = output.n_q_points.get(number - 1, 0)
    wanted = range(asked.start_q or 1, min(asked.last_q or count, count) + 1)
    missing = [one for one in wanted if f"{PREFIX}.dns.pert_{number}.q_{one}.dat" not in files]
    if wanted and not missing:
        return None
    return f"of {count} wave vectors it left out {missing or f'all from {asked.start_q}'}."
