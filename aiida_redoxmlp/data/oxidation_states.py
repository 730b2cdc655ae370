"""Data node for oxidation states along the ionic steps of a calculation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from aiida import orm
from numpy.typing import NDArray

from aiida_redoxmlp.redox.digitise import Assignment
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("OxidationStatesData",)


class OxidationStatesData(orm.ArrayData):
    """Digitised oxidation states, one row an ionic step, one column a redox site.

    Arrays: ``step_indices`` (n_steps,), ``states``, ``naive_states``, ``moment_signs`` and ``confidences``
    (n_steps, n_sites), ``closed``, ``ambiguous`` and ``margins`` (n_steps,).
    """

    @classmethod
    def from_assignments(
        cls, assignments: Sequence[Assignment], step_indices: Sequence[int], symbols: Sequence[str]
    ) -> OxidationStatesData:
        """Return an unstored node.

        Args:
            assignments: one a step, all over the same sites; at least one.
            step_indices: number of each step in its calculation.
            symbols: chemical symbol of every atom of the structure.
        """
        sites = assignments[0].sites
        node = cls()
        node.set_array("step_indices", np.asarray(step_indices, dtype=np.int64))
        for name, values in {
            "states": [one.states for one in assignments],
            "naive_states": [one.naive_states for one in assignments],
            "moment_signs": [one.moment_signs for one in assignments],
        }.items():
            node.set_array(name, np.asarray(values, dtype=np.int64))
        node.set_array("confidences", np.asarray([one.confidences for one in assignments], dtype=np.float64))
        node.set_array("margins", np.asarray([one.margin for one in assignments], dtype=np.float64))
        node.set_array("closed", np.asarray([one.closed for one in assignments], dtype=bool))
        node.set_array("ambiguous", np.asarray([one.ambiguous for one in assignments], dtype=bool))
        node.base.attributes.set_many({"sites": list(sites), "elements": [symbols[site] for site in sites]})
        return node

    @property
    def sites(self) -> tuple[int, ...]:
        """Indices of the redox sites."""
        return tuple(self.base.attributes.get("sites"))

    @property
    def states(self) -> NDArray[np.int64]:
        """Oxidation states, shape (n_steps, n_sites)."""
        return np.asarray(self.get_array("states"), dtype=np.int64)

    def pattern(self, step: int = -1) -> Pattern:
        """The redox pattern at a step, by default the last."""
        return Pattern(self.sites, tuple(int(state) for state in self.states[step]))
