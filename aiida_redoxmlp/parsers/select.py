"""Parser of selections."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from ase import Atoms

from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.runners.select_job import SelectOutput

__all__ = ("SelectParser", "requested_structures", "selection_report")

_GEOMETRY = {"numbers", "positions", "cell"}


class SelectParser(RunnerParser):
    """Attaches the requests, their structures and where all candidates lie."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        output = self.read_output(SelectOutput)
        if isinstance(output, ExitCode):
            return output
        self.out("report", selection_report(output))
        for name, structure in requested_structures(output).items():
            self.out(f"structures.{name}", structure)
        return ExitCode(0)  # whatever the scheduler says of a job that was cut off after its last word


def selection_report(output: SelectOutput) -> orm.Dict:
    """Return a selection without the geometries."""
    return orm.Dict(output.model_dump(mode="json", exclude={"requests": {"__all__": _GEOMETRY}}))


def requested_structures(output: SelectOutput) -> dict[str, orm.StructureData]:
    """Return the geometries of a selection, ``request_0`` the first."""
    return {
        f"request_{number}": orm.StructureData(
            ase=Atoms(numbers=one.numbers, positions=one.positions, cell=one.cell, pbc=True)
        )
        for number, one in enumerate(output.requests)
    }
