"""The inputs and outputs of a DFT+U+V molecular dynamics trajectory."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from aiida import orm
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_pseudo.data.pseudo.upf import UpfData
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from pydantic import ValidationError

from aiida_redoxmlp.calculations.pw import RedoxPwCalculation, validate_redox
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.errors import explain
from aiida_redoxmlp.redox.chemistry import RedoxChemistry

__all__ = ("declare_inputs", "declare_outputs", "why_not_followed")


def _validate_dynamics(node: orm.Dict | None, _: Any) -> str | None:
    if node is None:
        return None
    try:
        DynamicsSettings.model_validate(node.get_dict())
    except ValidationError as error:
        return explain(error, "dynamics")
    return None


def why_not_followed(
    symbols: list[str],
    chemistry: RedoxChemistry,
    dynamics: DynamicsSettings,
    pattern: list[int],
    pseudos: Container[str],
) -> str | None:
    """Follow the atoms through the segments; return the sentence that says where that is not possible, or None.

    Args:
        symbols: chemical symbol of every atom to begin with.
        chemistry: charges of the elements.
        dynamics: what is asked for.
        pattern: states to begin with.
        pseudos: elements that have a pseudopotential.
    """
    for number, segment in enumerate(dynamics.segments):
        if beyond := [site for site in segment.remove if site >= len(symbols)]:
            return f"Segment {number} removes atom {beyond[0]}, but there are atoms 0 to {len(symbols) - 1} by then."
        if redox := [site for site in segment.remove if chemistry.table().is_redox(symbols[site])]:
            return (
                f"Segment {number} removes atom {redox[0]}, a redox site ({symbols[redox[0]]}); remove atoms with a "
                "fixed charge only."
            )
        symbols = [symbol for site, symbol in enumerate(symbols) if site not in segment.remove]
        symbols += [one.symbol for one in segment.insert]
        wanted = pattern if number == 0 else None
        if segment.pattern is not None:
            wanted = list(segment.pattern)
        if missing := sorted({symbol for symbol in symbols if symbol not in pseudos}):
            return f"There is no pseudopotential for {', '.join(missing)}; give one an element in `pseudos`."
        sentence = chemistry.why_not(symbols, wanted) if wanted is not None else chemistry.why_never(symbols)
        if sentence is not None:
            return f"Segment {number}: {sentence}"
    return None


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Follow the atoms through the segments before anything is submitted."""
    if any(key not in inputs for key in ("structure", "redox", "dynamics", "pattern")):
        return None  # the ports report what is missing
    return why_not_followed(
        inputs["structure"].get_ase().get_chemical_symbols(),
        RedoxChemistry.model_validate(inputs["redox"].get_dict()),
        DynamicsSettings.model_validate(inputs["dynamics"].get_dict()),
        inputs["pattern"].get_list(),
        inputs.get("pseudos", {}),
    )


def declare_inputs(spec: WorkChainSpec) -> None:
    """Declare what the work chain takes."""
    spec.input("structure", valid_type=HubbardStructureData, help="Structure with its Hubbard parameters.")
    spec.input("redox", valid_type=orm.Dict, validator=validate_redox, help="Fields of `RedoxChemistry`.")
    spec.input(
        "pattern", valid_type=orm.List, help="Oxidation states of the redox sites to start from, by ascending site."
    )
    spec.input("dynamics", valid_type=orm.Dict, validator=_validate_dynamics, help="Fields of `DynamicsSettings`.")
    spec.input(
        "seed",
        valid_type=orm.Dict,
        default=lambda: orm.Dict({"magnetic_order": "antiferromagnetic", "pre_distortion": 0.0}),
        help="`magnetic_order` (ferromagnetic, antiferromagnetic or a list of signs) and `pre_distortion`, the "
        "strength of the bond-length seed (0 starts from the structure exactly as it is).",
    )
    spec.input(
        "clean_workdir",
        valid_type=orm.Bool,
        default=lambda: orm.Bool(False),
        help="Empty the remote folder of a chunk as soon as the next one has gone on from it, and the last at the end.",
    )
    spec.input_namespace("pseudos", valid_type=UpfData, dynamic=True, help="One pseudopotential an element.")
    spec.expose_inputs(
        RedoxPwCalculation, namespace="pw", exclude=("structure", "pseudos", "redox", "parent_folder", "monitors")
    )
    spec.inputs.validator = _validate_inputs


def declare_outputs(spec: WorkChainSpec) -> None:
    """Declare what the work chain gives, and how it can fail."""
    spec.output_namespace(
        "trajectories",
        valid_type=orm.TrajectoryData,
        dynamic=True,
        help="`part_0`, …: every ionic step; a new part begins where the composition changes.",
    )
    spec.output_namespace(
        "oxidation_states",
        valid_type=OxidationStatesData,
        dynamic=True,
        help="States of the same parts: steps × sites, with confidences.",
    )
    spec.output_namespace("events", valid_type=orm.Dict, dynamic=True, help="What happened along the same parts.")
    spec.output("frames", valid_type=DatasetData, required=False, help="Every labelled ionic step.")
    spec.exit_code(
        310,
        "ERROR_NO_OCCUPATIONS",
        message="pw.x ran, but no ionic step has whole Hubbard occupations.",
    )
    spec.exit_code(
        400,
        "ERROR_NO_PROGRESS",
        message="After {steps} of {wanted} steps pw.x makes no more progress ({message}); what was reached is handed "
        "over.",
    )
    spec.exit_code(
        410,
        "ERROR_KILLED",
        message="{message} was killed by hand after {steps} of {wanted} steps; what was reached is handed over.",
    )
    spec.exit_code(
        420,
        "ERROR_GONE_WRONG",
        message="The run was stopped after {steps} of {wanted} steps: {message}; what was reached is handed over.",
    )
