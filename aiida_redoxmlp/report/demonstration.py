"""Whether numbers are for demonstration only, and which protocol they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida import orm
from aiida.plugins import GroupFactory

from aiida_redoxmlp.report.process_graph import ProcessGraph, input_of
from aiida_redoxmlp.report.wording import listing
from aiida_redoxmlp.workchains.protocols import read_protocol

__all__ = ("DEMONSTRATION_CUTOFF_RY", "demonstration_note", "protocol_of")

DEMONSTRATION_CUTOFF_RY = 30.0
"""Well below the 40 Ry that even the softest published family, GBRV, was built for."""

_DEMONSTRATION_FAMILY = "redoxmlp-demo/"


def protocol_of(graph: ProcessGraph) -> str | None:
    """Return the protocol the work chain's builder came from, or None for a builder made by hand."""
    return read_protocol(graph.root.description)


def demonstration_note(
    graph: ProcessGraph, *, parameters: str, pseudos: str, demo_reasons: Sequence[str], subject: str
) -> str | None:
    """Return the sentence to print beside the numbers of a demonstration, or None in production.

    Args:
        graph: the work chain.
        parameters: its input with pw.x's parameters; ``__`` separates namespaces.
        pseudos: its input namespace with a pseudopotential an element.
        demo_reasons: what the protocol ``demo`` is too coarse in.
        subject: what ran, such as ``the campaign``.
    """
    reasons = []
    node = input_of(graph.root, parameters)
    settings: dict[str, Any] = {} if node is None else node.get_dict()
    cutoff = settings.get("SYSTEM", {}).get("ecutwfc")
    if cutoff is not None and cutoff < DEMONSTRATION_CUTOFF_RY:
        reasons.append(f"a plane-wave cutoff of {cutoff:g} Ry")
    if any(label.startswith(_DEMONSTRATION_FAMILY) for label in _families(graph, pseudos)):
        reasons.append("generated low-cutoff pseudopotentials")
    if protocol_of(graph) == "demo":
        reasons += demo_reasons
    if not reasons:
        return None
    return f"These numbers are for demonstration only: {subject} ran with {listing(reasons)}."


def _families(graph: ProcessGraph, namespace: str) -> list[str]:
    """Labels of the pseudopotential families that hold one of the pseudopotentials."""
    pseudos = [
        node.pk
        for symbol in sorted(set(graph.symbols))
        if (node := input_of(graph.root, f"{namespace}__{symbol}")) is not None
    ]
    if not pseudos:
        return []
    query = orm.QueryBuilder()
    query.append(orm.Node, filters={"id": {"in": pseudos}}, tag="pseudo")
    query.append(GroupFactory("pseudo.family"), with_node="pseudo", project="label")
    return sorted(set(query.all(flat=True)))
