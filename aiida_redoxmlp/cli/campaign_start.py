"""What an active-learning loop takes over from a campaign."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.calculations.structures import at_positions
from aiida_redoxmlp.cli.profile import load_node, load_process
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.report.graph import CampaignGraph, Label
from aiida_redoxmlp.report.process_graph import input_of, output_of

__all__ = ("CampaignStart", "find_campaign")

_SUMMARY = "summary.json"


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
