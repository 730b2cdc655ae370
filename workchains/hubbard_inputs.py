"""pw.x's inputs along the cycles of self-consistent Hubbard parameters."""

from __future__ import annotations

from typing import Any

from aiida_redoxmlp.workchains.protocols import merged

__all__ = ("continued", "tightened")

_OF_SMEARING = ("occupations", "smearing", "degauss", "starting_magnetization")


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
