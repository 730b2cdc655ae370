"""Whether a campaign's numbers are for demonstration only, and which protocol it followed."""

from __future__ import annotations

from typing import Any, get_args

from aiida import orm
from aiida.plugins import GroupFactory

from aiida_redoxmlp.report.graph import CampaignGraph, input_of
from aiida_redoxmlp.report.wording import listing
from aiida_redoxmlp.workchains.protocols import ProtocolName, load_protocol

__all__ = ("DEMONSTRATION_CUTOFF_RY", "demonstration_note", "protocol_of")

DEMONSTRATION_CUTOFF_RY = 30.0
"""Well below the 40 Ry that even the softest published family, GBRV, was built for."""

_DEMONSTRATION_FAMILY = "redoxmlp-demo/"


def protocol_of(graph: CampaignGraph) -> str | None:
    """Return the protocol whose pw.x settings the campaign's inputs have, or None where none fits.

    The node does not say which protocol its builder came from, and overrides may have changed it since.
    """
    parameters = _pw_parameters(graph)
    if not parameters or not graph.symbols:
        return None
    for name in get_args(ProtocolName):
        settings = load_protocol("label", name)
        expected = {section: dict(values) for section, values in settings["pw"].items()}
        expected["ELECTRONS"]["conv_thr"] = settings["conv_thr_per_atom"] * len(graph.symbols)
        if _contains(parameters, expected):
            return str(name)
    return None


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


def _contains(given: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether ``given`` has every value of ``expected``, sections compared key by key."""
    for key, value in expected.items():
        if isinstance(value, dict):
            if not _contains(given.get(key, {}), value):
                return False
        elif isinstance(value, float):
            if not isinstance(given.get(key), int | float) or abs(given[key] - value) > 1e-9 * abs(value):
                return False
        elif given.get(key) != value:
            return False
    return True
