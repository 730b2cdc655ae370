"""Loading the AiiDA profile for commands that need one."""

from __future__ import annotations

from collections.abc import Sequence

from aiida import load_profile, orm
from aiida.common.exceptions import AiidaException, NotExistent
from aiida.manage import get_manager

from aiida_redoxmlp.errors import InputError

__all__ = ("ensure_daemon", "ensure_profile", "load_node", "load_process")


def ensure_profile() -> None:
    """Load the default profile unless one is loaded.

    Raises:
        InputError: if there is no profile.
    """
    if get_manager().get_profile() is not None:
        return
    try:
        load_profile()
    except AiidaException as error:
        raise InputError(f"No AiiDA profile can be loaded ({error}); make one with `verdi presto`.") from error


def ensure_daemon() -> None:
    """Check that the daemon runs.

    Raises:
        InputError: if it does not.
    """
    if not get_manager().get_daemon_client().is_daemon_running:
        raise InputError("The AiiDA daemon is not running; start it with `verdi daemon start`.")


def load_node(identifier: str) -> orm.Node:
    """Load a node by PK, UUID or label.

    Raises:
        InputError: if there is no such node.
    """
    ensure_profile()
    try:
        return orm.load_node(identifier)
    except (NotExistent, ValueError) as error:
        raise InputError(f"There is no node {identifier!r} in this profile; give a PK or a UUID.") from error


def load_process(identifier: str | None, labels: Sequence[str]) -> orm.ProcessNode:
    """Load a process by PK or UUID, by default the latest that the user launched.

    Args:
        identifier: PK or UUID, or None for the latest.
        labels: process labels, such as ``CampaignWorkChain``.

    Raises:
        InputError: if there is none.
    """
    if identifier is None:
        return _latest(labels)
    node = load_node(identifier)
    if not isinstance(node, orm.ProcessNode) or node.process_label not in labels:
        found = node.process_label if isinstance(node, orm.ProcessNode) else node.__class__.__name__
        known = " or ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
        raise InputError(f"<{identifier}> is of the kind {found}; give the PK of one of the kind {known}.")
    return node


def _latest(labels: Sequence[str]) -> orm.ProcessNode:
    """Return the latest process with one of the labels that no other process called."""
    ensure_profile()
    processes = (
        orm.QueryBuilder()
        .append(orm.ProcessNode, filters={"attributes.process_label": {"in": list(labels)}})
        .order_by({orm.ProcessNode: {"id": "desc"}})
    )
    latest: orm.ProcessNode | None = next((node for (node,) in processes.iterall() if node.caller is None), None)
    if latest is None:
        raise InputError(f"This profile has no {' or '.join(labels)} yet; launch one with `aiida-redoxmlp launch`.")
    return latest
