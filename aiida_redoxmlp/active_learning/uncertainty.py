"""How far the members of a committee are apart: in forces, energies and about the electrons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aiida_redoxmlp.active_learning.electrons import PatternBelief
from aiida_redoxmlp.engines.contract import CommitteeEvaluation

__all__ = ("SpreadFactors", "Uncertainty", "collapse_of", "uncertainty_of")

_NO_SPREAD = 1e-10
"""Spread in eV/Å below which members are the same."""


class SpreadFactors(BaseModel):
    """What spreads have to be multiplied by to be as large as errors; 1 where nothing is known yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    forces: float = Field(1.0, gt=0, description="Of force components.")
    energies: float = Field(1.0, gt=0, description="Of energies per atom.")
    electrons: float = Field(1.0, gt=0, description="Of the gap between the lowest pattern and the next.")
    n_labels: int = Field(0, ge=0, description="Fresh labels they were measured with.")


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What a committee does not know of one structure.

    Attributes:
        force_spreads: root of the variance over the members of each atom's force, summed over the components, in
            eV/Å, shape (n_atoms,); Y. Zhang et al., Comput. Phys. Commun. 253, 107206 (2020) call its largest value
            the model deviation.
        energy_spread: standard deviation of the energy over the members in eV per atom.
        belief: what the members say of the patterns, where that was asked.
    """

    force_spreads: NDArray[np.float64]
    energy_spread: float
    belief: PatternBelief | None = None

    @property
    def largest_force_spread(self) -> float:
        """The largest of the atoms' force spreads in eV/Å."""
        return float(self.force_spreads.max())


def uncertainty_of(
    results: Sequence[CommitteeEvaluation], beliefs: Sequence[PatternBelief | None] = ()
) -> list[Uncertainty]:
    """Return the spreads of evaluated structures.

    Args:
        results: predictions of all members, one a structure.
        beliefs: opinions on the patterns, one a structure, or none at all.
    """
    asked = beliefs or [None] * len(results)
    return [
        Uncertainty(
            force_spreads=np.sqrt(result.forces.var(axis=0).sum(axis=1)),
            energy_spread=result.energy_std / result.forces.shape[1],
            belief=belief,
        )
        for result, belief in zip(results, asked, strict=True)
    ]


def collapse_of(uncertainties: Sequence[Uncertainty], n_members: int) -> str | None:
    """Return one sentence if the committee's spread says nothing, as all members are the same; None otherwise."""
    if n_members == 1:
        return (
            "The committee has one member and no spread, so that nothing is uncertain to it; train at least two "
            "members, or select with the strategy 'random'."
        )
    if uncertainties and all(one.largest_force_spread < _NO_SPREAD for one in uncertainties):
        return (
            f"The committee has collapsed: its {n_members} members give the same forces on all {len(uncertainties)} "
            "candidates, so that their spread says nothing; train members with other seeds or with bootstrap: true."
        )
    return None
