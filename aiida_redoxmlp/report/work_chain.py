"""What every report says of its work chain: when it ran, how it ended, with which settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiida_redoxmlp.report.demonstration import protocol_of
from aiida_redoxmlp.report.process_graph import ProcessGraph, exit_message_of, phase_of
from aiida_redoxmlp.report.schema_parts import WorkChainSummary

__all__ = ("about_the_end", "work_chain_facts")


def work_chain_facts(graph: ProcessGraph, *, note: str | None, otherwise: str) -> dict[str, Any]:
    """Return the fields of :class:`~aiida_redoxmlp.report.schema_parts.WorkChainSummary` but versions and warnings.

    Args:
        graph: the work chain.
        note: sentence to print beside the numbers of a demonstration, or None.
        otherwise: what to call it where there is neither a name nor a formula.
    """
    node = graph.root
    return {
        "material": node.label or graph.formula or f"{otherwise} {node.uuid}",
        "formula": graph.formula,
        "total_charge": graph.redox.get("total_charge", 0),
        "protocol": protocol_of(graph),
        "is_demonstration": note is not None,
        "demonstration_note": note,
        "phase": phase_of(node),
        "exit_status": node.exit_status,
        "exit_message": exit_message_of(node),
        "started": node.ctime.isoformat(),
        "last_change": node.mtime.isoformat(),
        "wall_time_s": (node.mtime - node.ctime).total_seconds(),
    }


def about_the_end(summary: WorkChainSummary, *, running: str, subject: str) -> Iterator[str]:
    """Yield a sentence on a work chain that runs or failed, and none on one that is done.

    Args:
        summary: of the work chain.
        running: the sentence while it runs.
        subject: what failed, such as ``The campaign``.
    """
    if summary.phase == "running":
        yield running
    elif summary.phase == "failed":
        status = "" if summary.exit_status is None else f" with exit status {summary.exit_status}"
        reason = f": {summary.exit_message.strip().rstrip('.')}" if summary.exit_message else ""
        yield f"{subject} failed{status}{reason}."
