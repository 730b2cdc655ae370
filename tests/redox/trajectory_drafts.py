"""Made-up trajectories, for what depends on the states alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory


def drafted(
    states: Sequence[Sequence[int]],
    *,
    ambiguous: Sequence[int] = (),
    unconverged: Sequence[int] = (),
    steps: Sequence[int] | None = None,
    dynamics: bool = True,
) -> StatesAlongTrajectory:
    """A trajectory of Mn sites with these states a step, and rows that are ambiguous or not converged."""
    rows = np.array(states, dtype=np.int64)
    n_steps, n_sites = rows.shape
    numbers = np.arange(n_steps) if steps is None else np.asarray(steps)
    return StatesAlongTrajectory(
        steps=numbers,
        sites=tuple(range(4, 4 + n_sites)),
        symbols=("Mn",) * n_sites,
        states=rows,
        naive_states=rows,
        moment_signs=np.ones_like(rows),
        confidences=np.full(rows.shape, 0.99),
        margins=np.full(n_steps, 12.0),
        closed=np.ones(n_steps, dtype=bool),
        ambiguous=np.isin(np.arange(n_steps), ambiguous),
        scf_converged=~np.isin(np.arange(n_steps), unconverged),
        eigenvalues=np.full((n_steps, n_sites, 2, 5), 0.5),
        energies=np.zeros(n_steps),
        times=2.0 * numbers if dynamics else None,
        temperatures=600.0 + 10.0 * np.arange(n_steps) if dynamics else None,
        conserved=np.zeros(n_steps) if dynamics else None,
    )
