"""Parser of searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from ase import Atoms

from aiida_redoxmlp.parsers.runner import RunnerParser
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners.jobs import PROGRESS_FILE
from aiida_redoxmlp.runners.search_job import PatternResult, SearchOutput
from aiida_redoxmlp.runners.search_progress import SearchProgress
from aiida_redoxmlp.search.space import VACANCY

__all__ = ("SearchParser",)

MAX_STRUCTURES = 10
"""Structures become nodes only for the lowest configurations; all are in the report."""


class SearchParser(RunnerParser):
    """Attaches the ranking and the structures of the lowest configurations; says of a stopped job how far it came."""

    @property
    def reached(self) -> str:
        """The evaluations and relaxations so far."""
        return SearchProgress(self.read_text(PROGRESS_FILE)).reached

    def parse(self, **_: Any) -> ExitCode | None:
        """Parse the retrieved files."""
        output = self.read_output(SearchOutput)
        if isinstance(output, ExitCode):
            return output
        self.out("report", orm.Dict(output.model_dump(mode="json")))
        parent = self.node.inputs.structure.get_ase()
        for rank, pattern in enumerate(output.patterns[:MAX_STRUCTURES]):
            self.out(f"structures.rank_{rank}", orm.StructureData(ase=_atoms_of(pattern, output.sites, parent)))
        return ExitCode(0)  # whatever the scheduler says of a job that was cut off after its last word


def _atoms_of(pattern: PatternResult, sites: list[int], parent: Atoms) -> Atoms:
    """Return the atoms of a configuration in the order of the parent, without those of vacant sites."""
    symbols = np.array(parent.get_chemical_symbols(), dtype=object)
    symbols[sites] = [Species.parse(label).element for label in pattern.species]
    there = symbols != VACANCY.element
    return Atoms(symbols[there].tolist(), positions=pattern.positions, cell=parent.cell, pbc=True)
