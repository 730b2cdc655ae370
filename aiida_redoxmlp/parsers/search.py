"""Parser of pattern searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.runners.jobs import SearchOutput

__all__ = ("SearchParser",)

MAX_STRUCTURES = 10
"""Structures become nodes only for the best patterns; all are in the report."""


class SearchParser(RunnerParser):
    """Attaches the ranking and the structures of the lowest patterns."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        output = self.read_output(SearchOutput)
        if isinstance(output, ExitCode):
            return output
        self.out("report", orm.Dict(output.model_dump(mode="json")))
        parent = self.node.inputs.structure.get_ase()
        for rank, pattern in enumerate(output.patterns[:MAX_STRUCTURES]):
            atoms = parent.copy()
            atoms.positions = np.asarray(pattern.positions)
            self.out(f"structures.rank_{rank}", orm.StructureData(ase=atoms))
        return None
