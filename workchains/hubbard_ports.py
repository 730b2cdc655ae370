"""The inputs of self-consistent Hubbard parameters."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_pseudo.data.pseudo.upf import UpfData
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.hp import mesh_of, validate_structure, why_not_resolved
from aiida_redoxmlp.calculations.hubbard import interactions_of
from aiida_redoxmlp.calculations.pw import validate_redox
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.workchains.hp import HpWorkChain
from aiida_redoxmlp.workchains.pw_base import RedoxPwBaseWorkChain

__all__ = ("declare_inputs", "declare_outputs")


def _validate_inputs(inputs: Any, _: Any) -> str | None:
    """Check what belongs together before anything is submitted."""
    if any(key not in inputs for key in ("structure", "redox")):
        return None  # the ports report what is missing
    structure = inputs["structure"]
    if sentence := validate_structure(structure, None):
        return sentence
    symbols = structure.get_ase().get_chemical_symbols()
    chemistry = RedoxChemistry.model_validate(inputs["redox"].get_dict())
    if "pattern" in inputs and (sentence := chemistry.why_not(symbols, inputs["pattern"].get_list())):
        return sentence
    if missing := sorted(set(symbols) - set(inputs.get("pseudos", {}))):
        return f"There is no pseudopotential for {', '.join(missing)}; give one an element in `pseudos`."
    if "qpoints" in inputs.get("hp", {}).get("hp", {}).get("hp", {}):
        return why_not_resolved(interactions_of(structure), mesh_of(inputs["hp"]["hp"]["hp"]["qpoints"]))
    return None


def _one_of(*choices: str) -> Any:
    """Return a validator of a string input."""

    def validate(node: orm.Str | None, _: Any) -> str | None:
        if node is None or node.value in choices:
            return None
        return f"{node.value!r} is not known; choose one of {', '.join(choices)}."

    return validate


def _validate_count(node: orm.Int | None, port: Any) -> str | None:
    if node is None or node.value >= 1:
        return None
    return f"{port.name} is {node.value}; give a number from 1."


def declare_inputs(spec: WorkChainSpec) -> None:
    """Declare what the work chain takes."""
    spec.input("structure", valid_type=HubbardStructureData, help="Structure with starting values of U and V.")
    spec.input("redox", valid_type=orm.Dict, validator=validate_redox, help="Fields of `RedoxChemistry`.")
    spec.input(
        "pattern",
        valid_type=orm.List,
        required=False,
        help="Wanted oxidation states of the redox sites, by ascending site; by default the first that closes the "
        "charge.",
    )
    spec.input(
        "seed",
        valid_type=orm.Dict,
        default=lambda: orm.Dict({"magnetic_order": "antiferromagnetic", "pre_distortion": 0.0}),
        help="`magnetic_order` (ferromagnetic, antiferromagnetic or a list of signs) and `pre_distortion`, the "
        "strength of the bond-length seed (0 leaves the structure as it is).",
    )
    spec.input("tolerance_u", valid_type=orm.Float, default=lambda: orm.Float(0.1), help="eV.")
    spec.input("tolerance_v", valid_type=orm.Float, default=lambda: orm.Float(0.02), help="eV.")
    spec.input(
        "max_cycles",
        valid_type=orm.Int,
        default=lambda: orm.Int(5),
        validator=_validate_count,
        help="Cycles at most.",
    )
    spec.input(
        "must_converge",
        valid_type=orm.Bool,
        default=lambda: orm.Bool(True),
        help="Whether to fail when the cycles are used up; the values of the last one are handed over either way.",
    )
    spec.input(
        "insulator",
        valid_type=orm.Str,
        default=lambda: orm.Str("auto"),
        validator=_one_of("auto", "true", "false"),
        help="Whether the second SCF has fixed occupations; `auto` decides by the gap.",
    )
    spec.input(
        "minimum_gap",
        valid_type=orm.Float,
        default=lambda: orm.Float(0.1),
        help="Gap in eV above which a material counts as an insulator.",
    )
    spec.input(
        "relabel",
        valid_type=orm.Bool,
        default=lambda: orm.Bool(True),
        help="Whether sites get kinds by element, oxidation state, moment and U after every cycle.",
    )
    spec.input(
        "kind_tolerance",
        valid_type=orm.Float,
        default=lambda: orm.Float(0.1),
        help="Difference of U in eV up to which sites of one state share a kind and its mean U; sites that shared one "
        "before stay together up to one and a half times that.",
    )
    spec.input(
        "on_pattern_change",
        valid_type=orm.Str,
        default=lambda: orm.Str("report"),
        validator=_one_of("report", "refuse"),
        help="What to do when the redox pattern changes for good.",
    )
    spec.input(
        "max_attempts",
        valid_type=orm.Int,
        default=lambda: orm.Int(2),
        validator=_validate_count,
        help="SCFs a cycle to land on the pattern; all but the first start from stronger seeds.",
    )
    spec.input(
        "tight_conv_thr",
        valid_type=orm.Float,
        default=lambda: orm.Float(1.0e-12),
        help="Convergence threshold of the SCF that hp.x perturbs, in Ry.",
    )
    spec.input(
        "clean_workdir",
        valid_type=orm.Bool,
        default=lambda: orm.Bool(False),
        help="Empty the remote folders of all calculations at the end.",
    )
    spec.input_namespace("pseudos", valid_type=UpfData, dynamic=True, help="One pseudopotential an element.")
    excluded = ("pw.structure", "pw.pseudos", "pw.redox", "pw.parent_folder")
    spec.expose_inputs(RedoxPwBaseWorkChain, namespace="scf", exclude=excluded)
    spec.expose_inputs(
        RedoxPwBaseWorkChain,
        namespace="relax",
        exclude=excluded,
        namespace_options={
            "required": False,
            "populate_defaults": False,
            "help": "Relaxation (`relax` or `vc-relax`) at the start of every cycle.",
        },
    )
    spec.expose_inputs(HpWorkChain, namespace="hp", exclude=("hp.hp.parent_scf", "hp.hp.hubbard_structure"))
    spec.inputs.validator = _validate_inputs


def declare_outputs(spec: WorkChainSpec) -> None:
    """Declare what the work chain gives, and how it can fail."""
    spec.output("hubbard_structure", valid_type=HubbardStructureData, help="In the order of the input's atoms.")
    spec.output("cycles", valid_type=orm.Dict, help="U, V and oxidation states of every cycle.")
    spec.output("oxidation_states", valid_type=OxidationStatesData, help="States of the last cycle, in hp.x's order.")
    spec.exit_code(300, "ERROR_RELAX_FAILED", message="The relaxation of cycle {cycle} failed: {message}")
    spec.exit_code(301, "ERROR_SCF_FAILED", message="The SCF of cycle {cycle} failed: {message}")
    spec.exit_code(302, "ERROR_HP_FAILED", message="hp.x failed in cycle {cycle}: {message}")
    spec.exit_code(310, "ERROR_NO_OCCUPATIONS", message="The SCF of cycle {cycle} has no whole Hubbard occupations.")
    spec.exit_code(
        320,
        "ERROR_METAL",
        message="Fixed occupations were asked for, but in cycle {cycle} {reason}; take `insulator: auto` or `false`, "
        "or start from a larger U.",
    )
    spec.exit_code(330, "ERROR_KIND_OF_MIXED_STATES", message="{sentence}")
    spec.exit_code(331, "ERROR_TOO_MANY_KINDS", message="{sentence}")
    spec.exit_code(410, "ERROR_NOT_CONVERGED", message="U and V did not converge in {cycles} cycles: {reason}")
    spec.exit_code(
        420,
        "ERROR_PATTERN_CHANGED",
        message="Cycle {cycle} landed on the pattern {found} instead of {wanted}; seed it more strongly, relax the "
        "structure with it, or accept it with `on_pattern_change: report`.",
    )
