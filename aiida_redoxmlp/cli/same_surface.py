"""Whether the labels of a loop are of the energy surface that its dataset and committee are of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.report.process_graph import input_of

__all__ = ("check_same_surface",)

_U_TOLERANCE = 0.01  # eV; U and V that were computed are seldom written down with all their digits
_CELL_TOLERANCE = 0.1  # share of a vector; relaxed cells differ by less, and supercells by more


def check_same_surface(
    earlier: orm.ProcessNode, labels: str, structures: Iterable[HubbardStructureData], builder: Any
) -> None:
    """Check that the labels of a loop are made as those it goes on from: a potential learns one energy surface.

    Args:
        earlier: the campaign or loop it goes on from.
        labels: namespace of the inputs of its labels.
        structures: what it labelled, with the U and V of its labels.
        builder: of the loop.

    Raises:
        InputError: for the first thing that differs: charges, elements' pseudopotentials, pw.x's system, k-points, U.
    """
    charges = [RedoxChemistry.model_validate(node.get_dict()) for node in (builder.redox, input_of(earlier, "redox"))]
    if charges[0] != charges[1]:
        raise _different("charges", "in `redox`", charges[0], charges[1])
    system = builder.label.pw.pw.parameters.get_dict()["SYSTEM"]
    former = input_of(earlier, f"{labels}__pw__pw__parameters").get_dict()["SYSTEM"]
    for key in sorted(system.keys() | former.keys()):
        if system.get(key) != former.get(key):
            where = f"in overrides.label.pw.SYSTEM.{key}"
            raise _different(f"{key} of pw.x", where, system.get(key), former.get(key))
    for element, pseudo in sorted(dict(builder.label.pseudos).items()):
        used = input_of(earlier, f"{labels}__pseudos__{element}")
        if used is not None and used.md5 != pseudo.md5:
            raise _different(f"pseudopotential of {element}", "by `pseudo_family`", pseudo.filename, used.filename)
    ours, theirs = builder.label.pw.kpoints, input_of(earlier, f"{labels}__pw__kpoints")
    if _mesh(ours) != _mesh(theirs) and _have_one_cell(ours, theirs):
        raise _different("k-points", "in overrides.label.kpoints_distance", _mesh(ours), _mesh(theirs))
    _check_hubbard(list(structures), dict(builder.structures).values())


def _check_hubbard(before: Sequence[HubbardStructureData], now: Iterable[HubbardStructureData]) -> None:
    """Check U and V; those of an element that was not there before can be any."""
    elements = {symbol for one in before for symbol in one.get_symbols_set()}
    values = {name: value for one in before for name, value in _hubbard_values(one).items()}
    for structure in now:
        for name, value in _hubbard_values(structure).items():
            is_new = not elements.issuperset(re.findall(r"([A-Z][a-z]?)-", name))
            if not is_new and abs(value - values.get(name, np.inf)) > _U_TOLERANCE:
                raise _different(f"{name} in eV", "in `hubbard`", f"{value:.3f}", f"{values.get(name, 0):.3f}")


def _have_one_cell(ours: orm.KpointsData, theirs: orm.KpointsData) -> bool:
    """Whether two meshes are of about the same cell; those of other cells cannot be compared."""
    cells = [np.array(one.base.attributes.get("cell")) for one in (ours, theirs)]
    return bool(np.abs(cells[0] - cells[1]).max() < _CELL_TOLERANCE * np.linalg.norm(cells[0], axis=1).min())


def _mesh(kpoints: orm.KpointsData) -> list[Any]:
    return [list(one) for one in kpoints.get_kpoints_mesh()]


def _hubbard_values(structure: HubbardStructureData) -> dict[str, float]:
    """Return the mean U or V in eV by the manifolds it is between, such as ``U of Mn-3d``."""
    found: dict[str, list[float]] = {}
    symbols = structure.get_ase().get_chemical_symbols()
    for one in structure.hubbard.parameters:
        ends = sorted(
            f"{symbols[index]}-{manifold}"
            for index, manifold in ((one.atom_index, one.atom_manifold), (one.neighbour_index, one.neighbour_manifold))
        )
        kind = f"U of {ends[0]}" if one.atom_index == one.neighbour_index else f"V of {ends[0]} and {ends[1]}"
        found.setdefault(kind, []).append(one.value)
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def _different(what: str, where: str, ours: object, theirs: object) -> InputError:
    return InputError(
        f"The {what} of the loop would be {ours}, those of what it goes on from were {theirs}, and a potential learns "
        f"one energy surface only; give the same {where}."
    )
