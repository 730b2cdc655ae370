"""From a search's arrays to its typed output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.runners.search_job import CertaintyOutput, FixedIonsResult, PatternResult, SearchOutput
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.two_energies import SearchResult

__all__ = ("search_output",)


def search_output(result: SearchResult, *, wall_time: float, device: str) -> SearchOutput:
    """Return the output of a search.

    Args:
        result: what was found.
        wall_time: seconds it took.
        device: where the committee ran.
    """
    ranking, space = result.fixed.ranking, result.space
    patterns = _at_fixed_ions(result) if result.relaxed is None else _relaxed(result)
    return SearchOutput(
        formula=space.configuration(ranking.rows[0]).to_ase().get_chemical_formula(),
        sites=list(space.sites),
        patterns=patterns,
        fixed_ions=[
            FixedIonsResult(**_named(space, row), multiplicity=multiplicity, energies_ev=energies)
            for row, multiplicity, energies in zip(
                ranking.rows, result.fixed.multiplicities.tolist(), ranking.energies.tolist(), strict=True
            )
        ],
        n_patterns_total=result.n_configurations,
        n_patterns_distinct=result.n_distinct,
        strategy=result.settings.strategy.name,
        n_evaluated=result.fixed.n_evaluated,
        n_relaxed=0 if result.relaxed is None else len(result.relaxed.rows),
        certainty=_certainty(result, [pattern.orbit for pattern in patterns]),
        warnings=list(result.warnings),
        wall_time_s=wall_time,
        device=device,
    )


def _named(space: ConfigurationSpace, row: NDArray[np.int8]) -> dict[str, list[int] | list[str]]:
    species = [some[choice] for some, choice in zip(space.allowed, row.tolist(), strict=True)]
    return {"states": [one.state for one in species], "species": [one.label for one in species]}


def _energies(energies: NDArray[np.float64], lowest: NDArray[np.float64]) -> dict[str, object]:
    """Return what the members say of a configuration, energies in eV of shape (n_members,)."""
    differences = energies - lowest
    return {
        "energy_ev": float(energies.mean()),
        "energy_std_ev": float(energies.std()),
        "energies_ev": energies.tolist(),
        "difference_ev": float(differences.mean()),
        "difference_std_ev": float(differences.std(ddof=1)) if len(energies) > 1 else None,
    }


def _at_fixed_ions(result: SearchResult) -> list[PatternResult]:
    ranking = result.fixed.ranking
    return [
        PatternResult.model_validate(
            {
                **_named(result.space, row),
                **_energies(energies, ranking.energies[0]),
                "multiplicity": int(multiplicity),
                "orbit": orbit,
                "energy_fixed_ions_ev": float(energies.mean()),
                "positions": result.space.configuration(row).positions.tolist(),
            }
        )
        for orbit, (row, energies, multiplicity) in enumerate(
            zip(ranking.rows, ranking.energies, result.fixed.multiplicities, strict=True)
        )
    ]


def _relaxed(result: SearchResult) -> list[PatternResult]:
    relaxed = result.relaxed
    if relaxed is None:
        return []
    lowest = relaxed.energies[relaxed.order[0]]
    return [
        PatternResult.model_validate(
            {
                **_named(result.space, relaxed.rows[place]),
                **_energies(relaxed.energies[place], lowest),
                "multiplicity": int(result.fixed.multiplicities[relaxed.orbits[place]]),
                "orbit": int(relaxed.orbits[place]),
                "energy_fixed_ions_ev": float(result.fixed.ranking.means[relaxed.orbits[place]]),
                "positions": relaxed.positions[place].tolist(),
                "max_force_ev_per_angstrom": float(relaxed.max_forces[place]),
                "converged": bool(relaxed.converged[place]),
                "steps": int(relaxed.steps[place]),
            }
        )
        for place in relaxed.order.tolist()
    ]


def _certainty(result: SearchResult, orbits: Sequence[int]) -> CertaintyOutput:
    """Return how sure the lowest is, by rank among the patterns of the given orbits."""
    sure = result.certainty
    first_of_orbits = [orbits.index(orbit) for orbit in dict.fromkeys(orbits)]
    return CertaintyOutput(
        sentence=sure.sentence(),
        proven=sure.proven,
        n_runs=sure.n_runs,
        n_agreeing=sure.n_agreeing,
        gap_ev=sure.gap,
        gap_std_ev=sure.gap_spread,
        n_members=sure.n_members,
        n_members_agreeing=sure.n_members_agreeing,
        undecided=[first_of_orbits[place] for place in sure.undecided.tolist()],
    )
