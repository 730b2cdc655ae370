"""Work chains that submit nothing twice, whenever their daemon is killed."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import Process, WorkChain

__all__ = ("SubmittingOnceWorkChain",)


class SubmittingOnceWorkChain(WorkChain):
    """Submit a child once, also where the step that submits it is repeated.

    AiiDA stores what a work chain remembers between its steps. A step that a killed daemon did not finish is run again
    from its beginning, and would submit again what it had submitted: jobs of hours twice. The children are in the
    database, though. One that this work chain does not remember, of the same kind and call link label, is the one that
    the step submitted before it was cut off.
    """

    def submit(self, process: type[Process], inputs: dict[str, Any] | None = None, **kwargs: Any) -> orm.ProcessNode:
        """Submit a process, or return the one that the step had submitted when it was cut off."""
        label = {**(inputs or {}), **kwargs}.get("metadata", {}).get("call_link_label", "CALL")
        node = self._left_over(process, label)
        if node is None:
            node = super().submit(process, inputs, **kwargs)
        else:
            self.report(f"{node.process_label}<{node.pk}> was submitted before the daemon stopped and is not again")
        self.ctx.child_pks = [*self.ctx.get("child_pks", ()), node.pk]
        return node

    def _left_over(self, process: type[Process], label: str) -> orm.ProcessNode | None:
        """Return the first child of this kind and label that is not remembered, or None.

        One that was cut off before its own inputs were stored cannot begin, and does not count.
        """
        calls = (LinkType.CALL_CALC, LinkType.CALL_WORK)
        known, kind = self.ctx.get("child_pks", ()), process.build_process_type()
        found = {
            int(link.node.pk or 0): link.node
            for link in self.node.base.links.get_outgoing(orm.ProcessNode, calls, label).all()
            if isinstance(link.node, orm.ProcessNode) and link.link_label == label and link.node.process_type == kind
        }
        whole = (
            node
            for pk, node in sorted(found.items())
            if pk not in known and (node.is_terminated or node.checkpoint is not None)
        )
        return next(whole, None)
