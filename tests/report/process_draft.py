"""Processes as provenance graphs, made by hand."""

from __future__ import annotations

import uuid
from typing import Any

from aiida import orm
from aiida.common import LinkType
from aiida.engine import ProcessState


class ProcessDraft:
    """A computer, and what it takes to put processes, inputs and outputs into the database."""

    def __init__(self) -> None:
        self.computer = orm.Computer(
            label=f"made-up-{uuid.uuid4().hex[:8]}",
            hostname="localhost",
            transport_type="core.local",
            scheduler_type="core.direct",
            workdir="/nowhere",
        ).store()

    def process(
        self,
        node_class: type[orm.ProcessNode],
        name: str,
        caller: orm.ProcessNode | None,
        link_label: str,
        inputs: dict[str, orm.Data],
        entry_point: str = "",
    ) -> Any:
        is_job = issubclass(node_class, orm.CalcJobNode)
        node = node_class(computer=self.computer) if is_job else node_class()
        if is_job:
            node.process_type = f"aiida.calculations:{entry_point}"
        node.set_process_label(name)
        node.set_process_state(ProcessState.RUNNING)
        node.base.attributes.set("version", {"core": "2.9.4", "plugin": "0.1.0"})
        is_calculation = issubclass(node_class, orm.CalculationNode)
        for label, data in inputs.items():
            kind = LinkType.INPUT_CALC if is_calculation else LinkType.INPUT_WORK
            node.base.links.add_incoming(data.store(), link_type=kind, link_label=label)
        if caller is not None:
            kind = LinkType.CALL_CALC if is_calculation else LinkType.CALL_WORK
            node.base.links.add_incoming(caller, link_type=kind, link_label=link_label)
        return node.store()

    @staticmethod
    def create(job: orm.ProcessNode, **outputs: orm.Data) -> None:
        for name, data in outputs.items():
            data.base.links.add_incoming(job, link_type=LinkType.CREATE, link_label=name)
            data.store()

    @staticmethod
    def hand_over(chain: orm.ProcessNode, **outputs: orm.Data) -> None:
        for name, data in outputs.items():
            data.base.links.add_incoming(chain, link_type=LinkType.RETURN, link_label=name)


def end(node: orm.ProcessNode, status: int = 0, message: str | None = None) -> None:
    """Let a process end."""
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(status)
    if message is not None:
        node.set_exit_message(message)
