"""hp.x: Hubbard parameters from density-functional perturbation theory."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from pydantic import ValidationError

from aiida_redoxmlp.calculations.hubbard import interactions_of
from aiida_redoxmlp.errors import explain
from aiida_redoxmlp.hubbard.hp_responses import is_whole_response, response_of
from aiida_redoxmlp.hubbard.inputhp import InputHp
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.ordering import hubbard_first

__all__ = (
    "OUTDIR",
    "PREFIX",
    "HpCalculation",
    "finished_responses",
    "mesh_of",
    "validate_structure",
    "why_not_resolved",
)

PREFIX = "aiida"
OUTDIR = "out"
PARAMETERS_FILE = f"{PREFIX}.Hubbard_parameters.dat"
INPUT_FILE = "aiida.in"
OUTPUT_FILE = "aiida.out"
ERROR_FILE = "aiida.err"
_STOPS_BEFORE_WALLTIME = 0.95


def finished_responses(folder: orm.FolderData) -> dict[str, tuple[str, int, int]]:
    """Return the files of a retrieved folder that hold a whole response, with what they hold.

    The values are as :func:`~aiida_redoxmlp.hubbard.hp_responses.response_of` gives them.
    """
    repository = folder.base.repository
    found = {name: response_of(name) for name in repository.list_object_names()}
    return {
        name: response
        for name, response in found.items()
        if response is not None and is_whole_response(repository.get_object_content(name, mode="r"))
    }


def mesh_of(qpoints: orm.KpointsData) -> list[int]:
    """Return the mesh of wave vectors.

    Raises:
        AttributeError: if the points are not a mesh.
    """
    mesh: list[int] = qpoints.get_kpoints_mesh()[0]
    return mesh


def _validate_parameters(node: orm.Dict, _: Any) -> str | None:
    try:
        InputHp.model_validate(node.get_dict())
    except ValidationError as error:
        return explain(error, "parameters of hp.x")
    return None


def _validate_qpoints(node: orm.KpointsData, _: Any) -> str | None:
    try:
        offset = node.get_kpoints_mesh()[1]
    except AttributeError:
        return "The wave vectors of hp.x are a list of points; give a mesh with `set_kpoints_mesh`."
    return (
        f"The mesh of wave vectors is shifted by {offset}; hp.x needs Γ in it, so leave the offset out."
        if any(offset)
        else None
    )


def validate_structure(node: HubbardStructureData | None, _: Any) -> str | None:
    """Validator of a structure with Hubbard parameters: the sentence that says what is wrong, or None."""
    if node is None:
        return None
    interactions = interactions_of(node)
    if not interactions:
        return (
            f"The structure {node.get_formula()} has no Hubbard manifold; give every manifold to be corrected a "
            "starting U, such as 4 eV."
        )
    for one in interactions:
        if max(map(abs, one.translation)) > 1:
            return (
                f"V between atom {one.site} and atom {one.neighbour} reaches {list(one.translation)} cells away, but "
                "hp.x knows neighbours in the 3×3×3 supercell only; choose nearer pairs or a larger cell."
            )
    return None


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Check what belongs together."""
    if any(key not in inputs for key in ("parent_scf", "code", "qpoints")):
        return None
    parent, computer = inputs["parent_scf"].computer, inputs["code"].computer
    if computer is not None and parent.uuid != computer.uuid:
        return (
            f"The ground state is on {parent.label} and hp.x on {computer.label}, but hp.x links the ground state's "
            "files; choose codes of one computer."
        )
    if "hubbard_structure" not in inputs:
        return None
    structure = inputs["hubbard_structure"]
    interactions = interactions_of(structure)
    kinds = [site.kind_name for site in structure.sites]
    if hubbard_first(interactions, kinds) != list(range(len(kinds))):
        return (
            "hp.x needs the atoms with Hubbard manifolds before all others, but the structure has them as "
            f"{', '.join(kinds)}; order it with `aiida_redoxmlp.calculations.hubbard.order_for_hp`."
        )
    return why_not_resolved(interactions, mesh_of(inputs["qpoints"]))


def why_not_resolved(interactions: list[Interaction], mesh: list[int]) -> str | None:
    """Return the sentence that says that the virtual supercell holds fewer pairs than have a V."""
    images: dict[tuple[int, int, tuple[int, ...]], int] = defaultdict(int)
    for one in interactions:
        cell = tuple(shift % count for shift, count in zip(one.translation, mesh, strict=True))
        images[one.site, one.neighbour, cell] += 1
    for (site, neighbour, _), count in images.items():
        if count > 1:
            return (
                f"The mesh of wave vectors {'×'.join(map(str, mesh))} is a supercell in which {count} pairs of atom "
                f"{site} and images of atom {neighbour} are one; take at least 2 wave vectors along every short axis."
            )
    return None


class HpCalculation(CalcJob):
    """A run of hp.x on a finished ground state, whole or in part.

    Parts are chosen by the parameters (``perturb_only_atom``, ``start_q``, ``last_q``, ``sum_pertq``, ``compute_hp``);
    finished parts come in as ``responses``. The ground state's folder is linked, not copied.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            default=lambda: orm.Dict({}),
            validator=_validate_parameters,
            help="Keys of INPUTHP: the fields of `aiida_redoxmlp.hubbard.inputhp.InputHp`.",
        )
        spec.input("qpoints", valid_type=orm.KpointsData, validator=_validate_qpoints, help="Mesh of wave vectors.")
        spec.input("parent_scf", valid_type=orm.RemoteData, help="Remote folder of the ground state by pw.x.")
        spec.input(
            "hubbard_structure",
            valid_type=HubbardStructureData,
            required=False,
            validator=validate_structure,
            help="Structure of that ground state; by default the input of the calculation that made `parent_scf`.",
        )
        spec.input_namespace(
            "responses",
            valid_type=orm.FolderData,
            dynamic=True,
            required=False,
            help="Retrieved folders of earlier parts, whose finished responses are used.",
        )
        spec.input("settings", valid_type=orm.Dict, required=False, help="`cmdline`: list of options, such as -nk 4.")
        spec.input("metadata.options.parser_name", valid_type=str, default="redoxmlp.hp")
        spec.input("metadata.options.input_filename", valid_type=str, default=INPUT_FILE)
        spec.input("metadata.options.output_filename", valid_type=str, default=OUTPUT_FILE)
        spec.input("metadata.options.withmpi", valid_type=bool, default=True)
        spec.input(
            "metadata.options.resources",
            valid_type=dict,
            default={"num_machines": 1, "num_mpiprocs_per_machine": 1},
        )
        spec.inputs.validator = _validate_inputs
        spec.output("output_parameters", valid_type=orm.Dict, help="What was perturbed and how far it came.")
        spec.output("hubbard", valid_type=orm.ArrayData, required=False, help="Response matrices, U and V.")
        spec.output(
            "hubbard_structure",
            valid_type=HubbardStructureData,
            required=False,
            help="The structure with the U and V found.",
        )
        spec.default_output_node = "output_parameters"
        for status, name, message in _EXIT_CODES:
            spec.exit_code(status, name, message=message, invalidates_cache=True)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input file, link the ground state and bring in finished responses."""
        options = self.inputs.metadata.options
        defaults: dict[str, object] = {}
        if options.get("max_wallclock_seconds"):
            defaults["max_seconds"] = float(round(_STOPS_BEFORE_WALLTIME * options["max_wallclock_seconds"]))
        parameters = InputHp.model_validate(self.inputs.parameters.get_dict())
        with folder.open(options.input_filename, "w") as handle:
            handle.write(parameters.namelist(PREFIX, f"./{OUTDIR}/", mesh_of(self.inputs.qpoints), defaults=defaults))
        folder.get_subfolder(f"{OUTDIR}/HP", create=True)

        settings = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        code_info = CodeInfo()
        code_info.code_uuid = self.inputs.code.uuid
        code_info.cmdline_params = [*settings.get("cmdline", []), "-in", options.input_filename]
        code_info.stdout_name = options.output_filename
        code_info.stderr_name = ERROR_FILE

        parent = self.inputs.parent_scf
        saved = f"{OUTDIR}/{PREFIX}.save"
        calc_info = CalcInfo()
        calc_info.codes_info = [code_info]
        calc_info.local_copy_list = [
            (source.uuid, name, f"{OUTDIR}/HP/{name}")
            for _, source in sorted(self.inputs.get("responses", {}).items())
            for name in finished_responses(source)
        ]
        calc_info.remote_symlink_list = [
            (parent.computer.uuid, str(PurePosixPath(parent.get_remote_path()) / saved), saved)
        ]
        calc_info.retrieve_list = [
            options.output_filename,
            ERROR_FILE,
            PARAMETERS_FILE,
            (f"{OUTDIR}/HP/{PREFIX}.chi.pert_*.dat", ".", 0),
            (f"{OUTDIR}/HP/{PREFIX}.dns.pert_*.dat", ".", 0),
        ]
        return calc_info


_EXIT_CODES = (
    (310, "ERROR_INPUT_REFUSED", "hp.x refused its input: {reason}"),
    (311, "ERROR_HUBBARD_ATOMS_NOT_FIRST", "The structure does not have its Hubbard atoms first: {reason}"),
    (312, "ERROR_NO_HUBBARD_ATOM", "There is no Hubbard manifold to perturb: {reason}"),
    (313, "ERROR_PARENT_UNREADABLE", "The ground state in `parent_scf` cannot be read: {reason}"),
    (314, "ERROR_MISSING_RESPONSES", "Responses of earlier parts are missing from `responses`: {reason}"),
    (315, "ERROR_NOT_WHAT_WAS_ASKED", "hp.x ended well but left out what was asked for: {reason}"),
    (316, "ERROR_PAIR_MISSING", "hp.x gives no V for a pair that has one: {reason}"),
    (320, "ERROR_OUTPUT_INVALID", "What hp.x wrote cannot be trusted: {reason}"),
    (321, "ERROR_ENGINE", "hp.x failed: {reason}"),
    (
        330,
        "ERROR_OUT_OF_MEMORY",
        "hp.x ran out of memory: {reason} Ask for more memory, or for more processes over k points.",
    ),
    (400, "ERROR_OUT_OF_TIME", "hp.x used up its time: {reason}"),
    (401, "ERROR_STOPPED_EARLY", "hp.x was stopped: {reason}"),
    (410, "ERROR_NOT_CONVERGED", "A response did not converge: {reason}"),
    (411, "ERROR_DIVERGED", "A response diverged: {reason}"),
    (412, "ERROR_NOT_A_NUMBER", "A response is not a number: {reason}"),
)
