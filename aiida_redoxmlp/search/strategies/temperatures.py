"""Metropolis' rule, and temperatures that fit the energies of a space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.strategies.contract import Problem

__all__ = ("accepted", "typical_change")


def accepted(
    changes: NDArray[np.float64], temperatures: NDArray[np.float64] | float, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which changes of the energy Metropolis' rule accepts, shape (n_configurations,).

    Source: N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).

    Args:
        changes: new minus old energy in eV.
        temperatures: k_B T in eV.
        random: source of random numbers.
    """
    with np.errstate(over="ignore", under="ignore"):
        chosen: NDArray[np.bool_] = random.random(len(changes)) < np.exp(-np.maximum(changes, 0.0) / temperatures)
    return chosen


def typical_change(problem: Problem, rows: NDArray[np.int8], random: np.random.Generator) -> float:
    """Return how much a move changes the energy in eV: the mean magnitude over one move of every row."""
    energies = problem.evaluations.mean(np.concatenate([rows, problem.moves.change(rows, random)]))
    changes = np.abs(np.diff(energies.reshape(2, -1), axis=0))
    changes = changes[np.isfinite(changes)]
    return max(float(changes.mean()) if len(changes) else 0.0, 1e-6)
