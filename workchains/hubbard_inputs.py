"""The inputs of the parts of self-consistent Hubbard parameters: from a protocol, and along the cycles."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.workchains.hp import HpWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain, Task
from aiida_redoxmlp.workchains.protocols import merged

__all__ = ("continued", "fill_builder", "tightened")

_OF_SMEARING = ("occupations", "smearing", "degauss", "starting_magnetization")


_PLAIN_SETTINGS: dict[str, Any] = {
    "tolerance_u": orm.Float,
    "tolerance_v": orm.Float,
    "max_cycles": orm.Int,
    "must_converge": orm.Bool,
    "insulator": orm.Str,
    "minimum_gap": orm.Float,
    "relabel": orm.Bool,
    "kind_tolerance": orm.Float,
    "on_pattern_change": orm.Str,
    "max_attempts": orm.Int,
}


def fill_builder(
    builder: Any,
    settings: dict[str, Any],
    *,
    pw_code: orm.AbstractCode,
    hp_code: orm.AbstractCode,
    structure: HubbardStructureData,
    redox: dict[str, Any],
    pattern: list[int] | None,
    magnetic_order: str | list[int],
    hp_options: dict[str, Any] | None,
    dft_options: dict[str, Any] | None,
    **protocol: Any,
) -> None:
    """Set the inputs of a :class:`~aiida_redoxmlp.workchains.hubbard.HubbardWorkChain` from the settings of a protocol.

    Args:
        builder: to be filled.
        settings: of ``protocols/hubbard.yaml``.
        pw_code: a pw.x code.
        hp_code: an hp.x code.
        structure: structure with starting values.
        redox: fields of :class:`~aiida_redoxmlp.redox.chemistry.RedoxChemistry`.
        pattern: wanted oxidation states.
        magnetic_order: order of the moments.
        hp_options: scheduler options of hp.x.
        dft_options: scheduler options of pw.x.
        protocol: ``protocol`` and ``pseudo_family``, handed on.
    """
    relaxing = settings["relax"] is not None
    changes = {"scf": settings["scf"]}
    if relaxing:
        changes["relax"] = merged(settings["scf"], settings["relax"])
    relaxation: Task = "relax"
    if relaxing and settings["relax"].get("pw", {}).get("CONTROL", {}).get("calculation") == "vc-relax":
        relaxation = "vc-relax"
    tasks: dict[str, Task] = {"scf": "scf", "relax": relaxation}
    for namespace, overrides in changes.items():
        label: Any = LabelWorkChain.get_builder_from_protocol(
            pw_code,
            structure,
            redox=redox,
            task=tasks[namespace],
            overrides=overrides,
            options=dft_options,
            **protocol,
        )
        builder[namespace] = label.pw._inputs(prune=True)  # noqa: SLF001 - there is no public way
        builder.pseudos = label.pseudos
    hp_builder: Any = HpWorkChain.get_builder_from_protocol(
        hp_code, structure, protocol=protocol["protocol"], overrides=settings["hp"], options=hp_options
    )
    builder.hp = hp_builder._inputs(prune=True)  # noqa: SLF001
    builder.structure = structure
    builder.redox = orm.Dict(redox)
    if pattern is not None:
        builder.pattern = orm.List(pattern)
    strength = settings["pre_distortion"]
    if strength is None:
        strength = 1.0 if relaxing else 0.0
    builder.seed = orm.Dict({"magnetic_order": magnetic_order, "pre_distortion": strength})
    for name, node in _PLAIN_SETTINGS.items():
        value = settings[name]
        builder[name] = node(str(value).lower() if node is orm.Str else value)  # YAML reads `insulator: true` as a bool
    builder.tight_conv_thr = orm.Float(settings["tight_conv_thr_per_atom"] * len(structure.sites))


def continued(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters that go on from the density and the occupations of an earlier calculation.

    The starting magnetisation stays: pw.x asks for one although it reads the density from a file.
    """
    start = {"startingpot": "file", "startingwfc": "file"}
    electrons = {key: value for key, value in parameters["ELECTRONS"].items() if key != "mixing_fixed_ns"}
    return _without(merged({**parameters, "ELECTRONS": electrons}, {"ELECTRONS": start}), ("starting_ns_eigenvalue",))


def tightened(
    parameters: dict[str, Any], electrons: dict[str, Any], *, insulator: bool, conv_thr: float
) -> dict[str, Any]:
    """Return the parameters of the second SCF, the ground state that hp.x perturbs.

    An insulator gets fixed occupations and the magnetisation it has: smearing would add the response of a metal
    (HP code, Comput. Phys. Commun. 279, 108455 (2022)).

    Args:
        parameters: of the first SCF.
        electrons: what :func:`~aiida_redoxmlp.calculations.electrons.describe_electrons` says of it.
        insulator: whether to fix the occupations.
        conv_thr: convergence threshold in Ry.
    """
    result = merged(continued(parameters), {"ELECTRONS": {"conv_thr": conv_thr}})
    if not insulator:
        return result
    fixed: dict[str, Any] = {"occupations": "fixed", "nbnd": electrons["number_of_bands"]}
    if result["SYSTEM"].get("nspin", 1) == 2:
        fixed["tot_magnetization"] = round(electrons["total_magnetization"])
    return merged(_without(result, _OF_SMEARING), {"SYSTEM": fixed})


def _without(parameters: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    system = {key: value for key, value in parameters["SYSTEM"].items() if key not in keys}
    return {**parameters, "SYSTEM": system}
