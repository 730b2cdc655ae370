"""How sure the lowest configuration of a search is, and what DFT has to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.ground_state import GroundState
from aiida_redoxmlp.search.relaxed_ranking import Relaxations

__all__ = ("Certainty", "certainty_of")

_SAME_ENERGY = 1e-6
"""Energies in eV closer than this are the same."""

_DEVIATIONS_OF_GAIN = 2.0
"""How many standard deviations more than the mean a relaxation may lower an energy, for all that is known."""


@dataclass(frozen=True, eq=False)
class Certainty:
    """What speaks for the lowest configuration of a search.

    Attributes:
        proven: whether every configuration was evaluated, and relaxed where the energies are relaxed ones, so that none
            is lower for the committee.
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
        n_relaxed: configurations whose energies are compared after relaxation, one a class of equivalent ones; None
            where ions are fixed.
        exhaustive: whether every configuration was evaluated at fixed ions.
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
    n_relaxed: int | None = None
    exhaustive: bool = False

    @property
    def for_dft(self) -> NDArray[np.int64]:
        """Places in the ranking of what DFT should compare: the lowest and what is undecided; empty if nothing is."""
        return np.concatenate([[0], self.undecided]) if len(self.undecided) else self.undecided

    def sentence(self) -> str:
        """Return the verdict in words."""
        found = self._evidence()
        if self.gap is None:
            return f"The lowest configuration has no other to compare with; {found}."
        spread = "" if self.gap_spread is None else f" ± {1000 * self.gap_spread:.1f}"
        decided = (
            f"DFT should decide between it and {len(self.undecided)} more"
            if len(self.undecided)
            else "the committee decides"
        )
        return f"The next is {1000 * self.gap:.1f}{spread} meV above the lowest; {found}; {decided}."

    def _evidence(self) -> str:
        """Return in words what was compared with the lowest."""
        if self.proven:
            return f"all configurations were {'evaluated' if self.n_relaxed is None else 'relaxed'}"
        compared = f"{self.n_agreeing} of {self.n_runs} independent runs ended at the lowest energy"
        if self.n_relaxed is None:
            return compared
        at_fixed_ions = "all configurations were evaluated" if self.exhaustive else compared
        return f"{at_fixed_ions} at fixed ions and the lowest {self.n_relaxed} were relaxed"

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
    found: GroundState,
    *,
    relaxed: Relaxations | None = None,
    n_deviations: float = 2.0,
    resolution: float = 0.001,
    spread_factor: float = 1.0,
) -> Certainty:
    """Say how sure a search's lowest configuration is.

    What members disagree on is the difference of two energies, not each energy: what is wrong alike in both cancels.

    Args:
        found: what the search at fixed ions returned.
        relaxed: relaxations of its lowest configurations, whose energies then decide.
        n_deviations: a configuration is undecided if it is less than so many standard deviations above the lowest.
        resolution: or less than this in eV, as the potential is no better.
        spread_factor: what the committee's spread has to be multiplied by to be its error, from calibration.
    """
    energies = found.ranking.energies if relaxed is None else relaxed.energies[relaxed.lowest_of_orbits]
    n_ranked, n_members = energies.shape
    relative = energies - energies[0]
    differences = relative.mean(axis=1)
    spreads = spread_factor * relative.std(axis=1, ddof=1) if n_members > 1 else np.full(n_ranked, np.nan)
    needed = np.maximum(n_deviations * np.nan_to_num(spreads), resolution)
    undecided = 1 + np.flatnonzero(differences[1:] < needed[1:])
    lowest = float(found.ranking.means[0])
    agreeing = sum(abs(run.energy - lowest) <= _SAME_ENERGY for run in found.runs)
    proven = found.proven and (relaxed is None or n_ranked == found.n_evaluated)
    return Certainty(
        proven=proven,
        n_runs=len(found.runs),
        n_agreeing=agreeing,
        gap=float(differences[1]) if n_ranked > 1 else None,
        gap_spread=float(spreads[1]) if n_ranked > 1 and n_members > 1 else None,
        n_members=n_members,
        n_members_agreeing=int((energies.argmin(axis=0) == 0).sum()),
        differences=differences,
        spreads=spreads,
        undecided=undecided.astype(np.int64),
        warnings=(
            *_warnings(found, agreeing),
            *(_warnings_of_relaxation(found, relaxed) if relaxed is not None else ()),
            *_warnings_of_ranking(
                n_ranked, n_members, 0 if proven and n_ranked == found.n_evaluated else len(undecided)
            ),
        ),
        exhaustive=found.proven,
        n_relaxed=None if relaxed is None else n_ranked,
    )


def _warnings(found: GroundState, n_agreeing: int) -> list[str]:
    """Return a sentence on each reason to doubt the search at fixed ions."""
    warnings = []
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
    return warnings


def _warnings_of_relaxation(found: GroundState, relaxed: Relaxations) -> list[str]:
    """Return a sentence on each reason to doubt the order of the relaxed configurations."""
    warnings = []
    unfinished = int((~relaxed.converged).sum())
    if unfinished:
        warnings.append(
            f"{unfinished} of {len(relaxed.rows)} relaxations ended above the force tolerance (the worst at "
            f"{relaxed.max_forces.max():.3f} eV/Å); raise max_steps."
        )
    ends, starts = relaxed.energies.mean(axis=1), found.ranking.means
    lowest = relaxed.lowest_of_orbits
    if len(lowest) == len(starts):
        return warnings
    gains = starts[relaxed.orbits[lowest]] - ends[lowest]
    expected = starts[len(lowest)] - gains.mean() - _DEVIATIONS_OF_GAIN * gains.std()
    if expected < ends[lowest[0]]:
        warnings.append(
            f"The first configuration that was not relaxed is {1000 * (starts[len(lowest)] - starts[0]):.0f} meV above "
            f"the lowest at fixed ions, and relaxing lowers energies by {1000 * gains.mean():.0f} ± "
            f"{1000 * gains.std():.0f} meV, so that it may end lower; raise n_relaxed above {len(lowest)}."
        )
    return warnings


def _warnings_of_ranking(n_ranked: int, n_members: int, n_undecided: int) -> list[str]:
    """Return a sentence on what the committee and the length of the ranking leave open."""
    warnings = []
    if n_members == 1:
        warnings.append(
            "The committee has one member, so that nothing is known of its error; train at least two to compare the "
            "gap with their spread."
        )
    if 1 < n_ranked == n_undecided + 1:
        warnings.append(
            f"All {n_ranked} configurations that were kept may be the lowest; keep more of them to see where that ends."
        )
    return warnings
