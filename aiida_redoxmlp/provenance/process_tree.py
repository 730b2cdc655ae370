"""The tree of processes below a work chain."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import cast

from aiida import orm
from aiida.common.links import LinkType

__all__ = ("walk",)


def walk(
    process: orm.ProcessNode, depth: int = 0, *, without: Collection[str] = ()
) -> Iterator[tuple[int, str, orm.ProcessNode]]:
    """Yield depth, link label and node of everything a process called, depth first, in order of creation.

    Args:
        process: where the tree begins.
        depth: that of what it called itself.
        without: uuids of processes that are left out, and everything below them.
    """
    links = process.base.links.get_outgoing(link_type=(LinkType.CALL_CALC, LinkType.CALL_WORK)).all()
    for link in sorted(links, key=lambda one: int(one.node.pk or 0)):
        called = cast("orm.ProcessNode", link.node)
        if called.uuid not in without:
            yield depth, link.link_label, called
            yield from walk(called, depth + 1, without=without)
