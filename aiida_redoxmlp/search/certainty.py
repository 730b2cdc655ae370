"""How sure the lowest configuration of a search is, and what DFT has to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.ground_state import GroundState

__all__ = ("Certainty", "certainty_of")

_SAME_ENERGY = 1e-6
"""Energies in eV closer than this are the same."""


@dataclass(frozen=True, eq=False)
class Certainty:
    """What speaks for the lowest configuration of a search.

    Attributes:
        proven: whether every configuration was evaluated, so that none is lower for the committee.
        n_runs: independent runs that came to an end.
        n_agreeing: those of them that ended at the lowest energy.
        gap: energy of the runner-up, which symmetry does not make equivalent, above the lowest in eV; None where there
            is no other.
        gap_spread: standard deviation of that difference over the committee in eV; None for a committee of one.
        n_members: size of the committee.
        n_members_agreeing: members for which the lowest of those ranked is the committee's.
        differences: energies of the ranked configurations above the lowest in eV, shape (n_ranked,).
        spreads: their standard deviations over the committee in eV, NaN for a committee of one, shape (n_ranked,).
        undecided: places in the ranking of configurations that may be lower than the lowest, ascending, without it.
        warnings: sentences on what is missing.
    """

    proven: bool
    n_runs: int
    n_agreeing: int
    gap: float | None
    gap_spread: float | None
    n_members: int
    n_members_agreeing: int
    differences: NDArray[np.float64]
    spreads: NDArray[np.float64]
    undecided: NDArray[np.int64]
    warnings: tuple[str, ...]

    @property
    def for_dft(self) -> NDArray[np.int64]:
        """Places in the ranking of what DFT should compare: the lowest and what is undecided; empty if nothing is."""
        return np.concatenate([[0], self.undecided]) if len(self.undecided) else self.undecided

    def sentence(self) -> str:
        """Return the verdict in words."""
        found = (
            "all configurations were evaluated"
            if self.proven
            else (f"{self.n_agreeing} of {self.n_runs} independent runs ended at the lowest energy")
        )
        if self.gap is None:
            return f"The lowest configuration has no other to compare with; {found}."
        spread = "" if self.gap_spread is None else f" ± {1000 * self.gap_spread:.1f}"
        decided = (
            f"DFT should decide between it and {len(self.undecided)} more"
            if len(self.undecided)
            else "the committee decides"
        )
        return f"The next is {1000 * self.gap:.1f}{spread} meV above the lowest; {found}; {decided}."

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers and strings, energies in eV."""
        return {
            "proven": self.proven,
            "n_runs": self.n_runs,
            "n_agreeing": self.n_agreeing,
            "gap_ev": self.gap,
            "gap_spread_ev": self.gap_spread,
            "n_members": self.n_members,
            "n_members_agreeing": self.n_members_agreeing,
            "differences_ev": self.differences.tolist(),
            "spreads_ev": None if self.n_members == 1 else self.spreads.tolist(),
            "undecided": self.undecided.tolist(),
            "warnings": list(self.warnings),
            "sentence": self.sentence(),
        }


def certainty_of(
    found: GroundState, *, n_deviations: float = 2.0, resolution: float = 0.001, spread_factor: float = 1.0
) -> Certainty:
    """Say how sure a search's lowest configuration is.

    What members disagree on is the difference of two energies, not each energy: what is wrong alike in both cancels.

    Args:
        found: what the search returned.
        n_deviations: a configuration is undecided if it is less than so many standard deviations above the lowest.
        resolution: or less than this in eV, as the potential is no better.
        spread_factor: what the committee's spread has to be multiplied by to be its error, from calibration.
    """
    energies = found.ranking.energies
    n_ranked, n_members = energies.shape
    relative = energies - energies[0]
    differences = relative.mean(axis=1)
    spreads = spread_factor * relative.std(axis=1, ddof=1) if n_members > 1 else np.full(n_ranked, np.nan)
    needed = np.maximum(n_deviations * np.nan_to_num(spreads), resolution)
    undecided = 1 + np.flatnonzero(differences[1:] < needed[1:])
    lowest = float(found.ranking.means[0])
    agreeing = sum(abs(run.energy - lowest) <= _SAME_ENERGY for run in found.runs)
    return Certainty(
        proven=found.proven,
        n_runs=len(found.runs),
        n_agreeing=agreeing,
        gap=float(differences[1]) if n_ranked > 1 else None,
        gap_spread=float(spreads[1]) if n_ranked > 1 and n_members > 1 else None,
        n_members=n_members,
        n_members_agreeing=int((energies.argmin(axis=0) == 0).sum()),
        differences=differences,
        spreads=spreads,
        undecided=undecided.astype(np.int64),
        warnings=tuple(_warnings(found, agreeing, len(undecided))),
    )


def _warnings(found: GroundState, n_agreeing: int, n_undecided: int) -> list[str]:
    """Return a sentence on each reason for doubt."""
    n_ranked, n_members = found.ranking.energies.shape
    warnings = []
    if n_members == 1:
        warnings.append(
            "The committee has one member, so that nothing is known of its error; train at least two to compare the "
            "gap with their spread."
        )
    if not found.complete:
        warnings.append("The search was stopped before its end; resume it from its checkpoint.")
    spent = sum(run.ended == "budget" for run in found.runs)
    if spent:
        warnings.append(
            f"The budget ended {spent} of {len(found.runs)} runs after {found.n_evaluated} evaluations; raise it to "
            "see whether there are lower configurations."
        )
    if not found.proven and len(found.runs) == 1:
        warnings.append("One run agrees with itself; make at least two independent runs.")
    if len(found.runs) > n_agreeing:
        warnings.append(
            f"{len(found.runs) - n_agreeing} of {len(found.runs)} independent runs ended above the lowest energy, so "
            "that there may be lower ones that none found; raise the budget or make more runs."
        )
    if 1 < n_ranked == n_undecided + 1:
        warnings.append(
            f"All {n_ranked} configurations that were kept may be the lowest; keep more of them to see where that ends."
        )
    return warnings
