"""Whether a campaign's numbers are for demonstration only, and which protocol it followed."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.plugins import GroupFactory

from aiida_redoxmlp.report.graph import CampaignGraph, input_of
from aiida_redoxmlp.report.wording import listing
from aiida_redoxmlp.workchains.protocols import read_protocol

__all__ = ("DEMONSTRATION_CUTOFF_RY", "demonstration_note", "protocol_of")

DEMONSTRATION_CUTOFF_RY = 30.0
"""Well below the 40 Ry that even the softest published family, GBRV, was built for."""

_DEMONSTRATION_FAMILY = "redoxmlp-demo/"


def protocol_of(graph: CampaignGraph) -> str | None:
    """Return the protocol the campaign's builder came from, or None for a builder made by hand."""
    return read_protocol(graph.campaign.description)


def demonstration_note(graph: CampaignGraph) -> str | None:
    """Return the sentence to print beside the numbers of a demonstration, or None in production."""
    reasons = []
    cutoff = _pw_parameters(graph).get("SYSTEM", {}).get("ecutwfc")
    if cutoff is not None and cutoff < DEMONSTRATION_CUTOFF_RY:
        reasons.append(f"a plane-wave cutoff of {cutoff:g} Ry")
    if any(label.startswith(_DEMONSTRATION_FAMILY) for label in _families(graph)):
        reasons.append("generated low-cutoff pseudopotentials")
    if protocol_of(graph) == "demo":
        reasons += ["a single k-point", "few ionic steps"]
    if not reasons:
        return None
    return f"These numbers are for demonstration only: the campaign ran with {listing(reasons)}."


def _pw_parameters(graph: CampaignGraph) -> dict[str, Any]:
    node = input_of(graph.campaign, "relax__pw__pw__parameters")
    return {} if node is None else node.get_dict()


def _families(graph: CampaignGraph) -> list[str]:
    """Labels of the pseudopotential families that hold one of the campaign's pseudopotentials."""
    pseudos = [
        node.pk
        for symbol in sorted(set(graph.symbols))
        if (node := input_of(graph.campaign, f"relax__pseudos__{symbol}")) is not None
    ]
    if not pseudos:
        return []
    query = orm.QueryBuilder()
    query.append(orm.Node, filters={"id": {"in": pseudos}}, tag="pseudo")
    query.append(GroupFactory("pseudo.family"), with_node="pseudo", project="label")
    return sorted(set(query.all(flat=True)))
