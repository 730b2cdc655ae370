"""What an active-learning loop takes over from a campaign, and whether both are about the same energy surface."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.structures import at_positions
from aiida_redoxmlp.cli.profile import load_node, load_process
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.report.graph import CampaignGraph, Label
from aiida_redoxmlp.report.process_graph import input_of, output_of

__all__ = ("CampaignStart", "check_same_surface", "find_campaign")

_SUMMARY = "summary.json"
_U_TOLERANCE = 0.01  # eV; U and V that the campaign computed are seldom written down with all their digits


@dataclass(frozen=True)
class CampaignStart:
    """What a campaign leaves to a loop.

    Attributes:
        campaign: its node.
        structures: its relaxed structures by name, with the Hubbard parameters of its labels.
        dataset: every frame of its labels.
        model: its redox-aware committee.
    """

    campaign: orm.ProcessNode
    structures: Mapping[str, HubbardStructureData]
    dataset: DatasetData
    model: ModelData


def find_campaign(named: int | str) -> CampaignStart:
    """Find a campaign and what it leaves.

    Args:
        named: PK, UUID, or the folder that ``launch campaign --output`` wrote.

    Raises:
        InputError: if there is none, or it has no committee, dataset or relaxed structure yet.
    """
    try:
        load_node(identifier := _identifier(named))
    except InputError as error:
        raise InputError(
            f"campaign is {named!r}, which is neither a node of this profile nor a folder with the {_SUMMARY} of a "
            "campaign; give a PK, or the folder that `launch campaign --output` wrote."
        ) from error
    node = load_process(identifier, ("CampaignWorkChain",))
    found = {name: output_of(node, name) for name in ("dataset", "model")}
    structures = {f"relaxed_{label.number}": _relaxed(label) for label in _clear_relaxations(node)}
    lacking = [name for name, one in found.items() if one is None]
    lacking += [] if structures else ["relaxed structure whose pattern is clear"]
    if lacking:
        raise InputError(
            f"The campaign <{node.pk}> has no {' and no '.join(lacking)}, which the loop would begin with; wait for "
            "its end, or give `dataset` and `model` instead."
        )
    return CampaignStart(node, structures, **found)


def check_same_surface(start: CampaignStart, builder: Any) -> None:
    """Check that the labels of a loop are made as those of the campaign: a potential learns one energy surface.

    Args:
        start: what the campaign leaves.
        builder: of the loop.

    Raises:
        InputError: for the first thing that differs: charges, elements' pseudopotentials, pw.x's system, k-points, U.
    """
    campaign = start.campaign
    charges = [RedoxChemistry.model_validate(node.get_dict()) for node in (builder.redox, input_of(campaign, "redox"))]
    if charges[0] != charges[1]:
        raise _different("charges", "in `redox`", charges[0], charges[1])
    system = builder.label.pw.pw.parameters.get_dict()["SYSTEM"]
    former = input_of(campaign, "relax__pw__pw__parameters").get_dict()["SYSTEM"]
    for key in sorted(system.keys() | former.keys()):
        if system.get(key) != former.get(key):
            where = f"in overrides.label.pw.SYSTEM.{key}"
            raise _different(f"{key} of pw.x", where, system.get(key), former.get(key))
    for element, pseudo in sorted(dict(builder.label.pseudos).items()):
        used = input_of(campaign, f"relax__pseudos__{element}")
        if used is not None and used.md5 != pseudo.md5:
            raise _different(f"pseudopotential of {element}", "by `pseudo_family`", pseudo.filename, used.filename)
    meshes = [_mesh(node) for node in (builder.label.pw.kpoints, input_of(campaign, "relax__pw__kpoints"))]
    if meshes[0] != meshes[1]:
        raise _different("k-points", "in overrides.label.kpoints_distance", *meshes)
    values = _hubbard_values(next(iter(start.structures.values())))
    for structure in dict(builder.structures).values():
        for name, value in _hubbard_values(structure).items():
            if abs(value - values.get(name, np.inf)) > _U_TOLERANCE:
                raise _different(f"{name} in eV", "in `hubbard`", f"{value:.3f}", f"{values.get(name, 0):.3f}")


def _identifier(named: int | str) -> str:
    """Return PK or UUID of a campaign, read from its summary where a folder or file is named."""
    path = Path(str(named))
    if path.is_dir():
        path /= _SUMMARY
    elif path.suffix != ".json" and "/" not in str(named):
        return str(named)
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["uuids"]["campaign"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"There is no {_SUMMARY} of a campaign in {named}.") from error


def _clear_relaxations(campaign: orm.ProcessNode) -> Iterator[Label]:
    for label in CampaignGraph(campaign).labels:
        clear = label.verdict is not None and not label.verdict["ambiguous"]
        if label.stage == "relax" and clear and output_of(label.node, "structure") is not None:
            yield label


def _relaxed(label: Label) -> HubbardStructureData:
    """Return what a relaxation ended at: the structure that molecular dynamics began with, if it did."""
    parent, geometry = input_of(label.node, "structure"), output_of(label.node, "structure")
    for step in geometry.base.links.get_outgoing(link_label_filter="geometry").all_nodes():
        if (made := output_of(step, "result")) is not None:
            return cast("HubbardStructureData", made)
    atoms = geometry.get_ase()
    return at_positions(parent, atoms.cell.tolist(), atoms.positions)


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
        f"The {what} of the loop would be {ours}, those of its campaign were {theirs}, and a potential learns one "
        f"energy surface only; give the same {where}."
    )
