"""What hangs below a work chain that computes self-consistent U and V."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, ClassVar, cast

from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

from aiida_redoxmlp.report.process_graph import ProcessGraph, input_of, output_of

__all__ = ("HubbardGraph",)

_CALL = re.compile(r"^(?P<stage>relax|scf|tight_scf|hp)_(?P<cycle>\d+)(_\d+)?$")


class HubbardGraph(ProcessGraph):
    """Read access to everything such a work chain made."""

    stages: ClassVar[tuple[str, ...]] = ("relax", "scf", "tight_scf", "hp")

    def stage_of(self, link_label: str) -> str:
        """Return the stage of what the work chain called ``link_label``, or an empty string."""
        match = _CALL.match(link_label)
        return match["stage"] if match else ""

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """The output ``cycles``; empty until the last cycle is closed."""
        node = output_of(self.root, "cycles")
        return {} if node is None else cast("dict[str, Any]", node.get_dict())

    @cached_property
    def closed_cycles(self) -> tuple[orm.Dict, ...]:
        """The record of every cycle that was closed, in order."""
        closed = [process.node for process in self.processes if process.node.process_label == "close_cycle"]
        return tuple(record for node in closed if (record := output_of(node, "cycle")) is not None)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """What the cycles found, in order: from the output, else from the cycles closed so far."""
        if self.verdict:
            return list(self.verdict["cycles"])
        return [record.get_dict() for record in self.closed_cycles]

    def tolerance(self, parameter: str) -> float | None:
        """Return the tolerance in eV on ``u`` or ``v``, where it is known."""
        key = f"tolerance_{parameter}"
        if key in self.verdict:
            return float(self.verdict[key])
        node = input_of(self.root, key)
        return None if node is None else float(node.value)

    @property
    def result(self) -> HubbardStructureData | None:
        """The structure with the values found last, once they are handed over."""
        return cast("HubbardStructureData | None", output_of(self.root, "hubbard_structure"))
