"""Likelihoods of oxidation states, and the most likely assignments that close the charge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

from aiida_redoxmlp.redox.elements import RedoxElement

__all__ = ("ClosedAssignments", "best_closed_assignments", "count_log_likelihoods", "state_log_likelihoods")

ClosedAssignments = tuple[tuple[tuple[int, ...], float], ...]
"""Up to two assignments with their log-likelihoods, the better one first."""


def count_log_likelihoods(eigenvalues: NDArray[np.float64], threshold: float, width: float) -> NDArray[np.float64]:
    """Return the log-probability of every number of full levels.

    An eigenvalue n is full with probability 1 / (1 + exp(-(n - threshold) / width)), independently of the
    others, so the number of full levels follows the Poisson binomial distribution.

    Args:
        eigenvalues: of both spin channels, any shape.
        threshold: eigenvalue that is full with probability one half.
        width: width of the logistic function.

    Returns:
        Natural logarithms, shape (n_levels + 1,), for 0, 1, … n_levels full levels.
    """
    scaled = (np.ravel(eigenvalues) - threshold) / width
    log_full, log_empty = log_expit(scaled), log_expit(-scaled)
    counts = np.full(scaled.size + 1, -np.inf)
    counts[0] = 0.0
    for full, empty in zip(log_full, log_empty, strict=True):
        one_more = np.concatenate(([-np.inf], counts[:-1])) + full
        counts = np.logaddexp(counts + empty, one_more)
    return counts


def state_log_likelihoods(eigenvalues: NDArray[np.float64], element: RedoxElement) -> NDArray[np.float64]:
    """Return the log-likelihood of each allowed state of a site, shape (n_states,), in the element's order.

    Oxidation state = valence electrons - full levels (Malica and Marzari, npj Comput. Mater. 2025, after Sit,
    Car, Cohen and Selloni, Inorg. Chem. 50, 10259 (2011)).

    Args:
        eigenvalues: shape (2, 2l + 1).
        element: its valence electrons, states, threshold and width.
    """
    counts = count_log_likelihoods(eigenvalues, element.threshold, element.width)
    full_levels = element.valence_electrons - np.array(element.states)
    return np.take(counts, full_levels)


def best_closed_assignments(
    states: Sequence[Sequence[int]], log_likelihoods: Sequence[NDArray[np.float64]], charge: int
) -> ClosedAssignments:
    """Find the two most likely assignments whose states add up to a charge, exactly.

    Dynamic programming over the charge reached after each site, keeping the two best ways to reach it.

    Args:
        states: allowed states of every site.
        log_likelihoods: of each of those states.
        charge: sum that the states must have.

    Returns:
        Two assignments, one where only one closes, none where none does.
    """
    offset = sum(min(allowed) for allowed in states)
    size = sum(max(allowed) - min(allowed) for allowed in states) + 1
    target = charge - offset
    if not 0 <= target < size:
        return ()
    best = np.full((2, size), -np.inf)
    best[0, 0] = 0.0
    came_from = []
    for allowed, scores in zip(states, log_likelihoods, strict=True):
        candidates = np.full((len(allowed), 2, size), -np.inf)
        for row, state in enumerate(allowed):
            step = state - min(allowed)
            candidates[row, :, step:] = best[:, : size - step] + scores[row]
        flat = candidates.reshape(-1, size)
        order = np.argsort(-flat, axis=0, kind="stable")[:2]
        best = np.take_along_axis(flat, order, axis=0)
        came_from.append(order)
    return tuple(
        (_traced(states, came_from, target, rank), float(best[rank, target]))
        for rank in range(2)
        if np.isfinite(best[rank, target])
    )


def _traced(
    states: Sequence[Sequence[int]], came_from: Sequence[NDArray[np.intp]], target: int, rank: int
) -> tuple[int, ...]:
    """Follow the choices back from the target charge."""
    assignment = []
    for allowed, order in zip(reversed(states), reversed(came_from), strict=True):
        row, rank = divmod(int(order[rank, target]), 2)
        assignment.append(allowed[row])
        target -= allowed[row] - min(allowed)
    return tuple(reversed(assignment))
