"""A model of points and pairs fitted to committee energies, and its lowest configurations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.bayesian_regression import LinearPosterior, fit_linear
from aiida_redoxmlp.search.moves import Moves
from aiida_redoxmlp.search.pair_basis import PairBasis

__all__ = ("PairModel", "anneal", "fit_pairs")

_DECAY_LENGTHS = (np.inf, 3.0, 1.5, 0.75)
"""Lengths in Å over which pair interactions may fall off, of which the fit chooses."""

_DEVIATIONS = (1.0, 0.3, 0.1)
"""By how much interactions of pairs of the same kind and length may differ, of which the fit chooses."""

_LENGTH_BIN = 0.5
_POINT_WIDTH = 10.0
_CONSTANT_WIDTH = 1000.0
_FINAL = 0.02
_MOST_FOR_CHOICE = 300


@dataclass(frozen=True, eq=False)
class PairModel:
    """Energies as sums over points and pairs, with what is known of their coefficients.

    Attributes:
        basis: correlations.
        posterior: coefficients in eV, of the correlations first and then of sums over those that are alike.
        offset: energy in eV that the coefficients are relative to.
    """

    basis: PairBasis
    posterior: LinearPosterior
    offset: float
    _features: NDArray[np.float64]

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Most likely coefficients of the correlations in eV, shape (n_correlations,)."""
        coefficients: NDArray[np.float64] = self._features @ self.posterior.mean
        return coefficients

    def sample(self, number: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Return coefficients that the energies leave possible in eV, shape (number, n_correlations)."""
        sampled: NDArray[np.float64] = self.posterior.sample(number, random) @ self._features.T
        return sampled

    def predict(self, rows: NDArray[np.int8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return energies and their standard deviations in eV, each of shape (n_configurations,)."""
        features = self.basis.correlations(rows) @ self._features
        return self.offset + self.posterior.predict(features), self.posterior.uncertainty(features)


def fit_pairs(
    basis: PairBasis, rows: NDArray[np.int8], energies: NDArray[np.float64], *, low_energy_width: float
) -> PairModel:
    """Fit points and pairs to energies; low ones count more, as the model need not be right about high ones.

    Pairs of the same species and length have an interaction in common and each a deviation from it, so that a lattice
    whose symmetry displacements have broken is learnt almost as fast as one with symmetry.

    Args:
        basis: correlations.
        rows: shape (n_configurations, n_sites).
        energies: eV, shape (n_configurations,).
        low_energy_width: height in eV above the lowest energy from which on the noise is taken to grow.
    """
    noise_factors = np.sqrt(1 + ((energies - energies.min()) / low_energy_width) ** 2)
    offset = float(energies.mean())
    groups = basis.groups(_LENGTH_BIN)
    features = np.hstack([np.eye(basis.n_correlations), groups])
    values, targets = basis.correlations(rows) @ features, energies - offset
    chosen = np.argsort(energies, kind="stable")[:_MOST_FOR_CHOICE]
    prior = fit_linear(values[chosen], targets[chosen], _priors(basis, groups), noise_factors[chosen]).widths
    return PairModel(basis, fit_linear(values, targets, [prior], noise_factors), offset, features)


def _priors(basis: PairBasis, groups: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return widths of the coefficients of correlations and groups that a fit may choose from."""
    shortest = basis.distances.min(initial=np.inf)
    priors = []
    for length in _DECAY_LENGTHS:
        each = np.full(basis.n_correlations, _POINT_WIDTH)
        each[0] = _CONSTANT_WIDTH
        each[1 + basis.n_points :] = np.exp((shortest - basis.distances) / length)
        common = (groups * each[:, None]).max(axis=0, initial=0.0)
        for deviation in _DEVIATIONS:
            own = np.append(each[0], deviation * each[1:])
            priors.append(np.concatenate([own, common]))
    return priors


def anneal(
    basis: PairBasis,
    coefficients: NDArray[np.float64],
    rows: NDArray[np.int8],
    moves: Moves,
    steps: int,
    random: np.random.Generator,
) -> NDArray[np.int8]:
    """Return the lowest configurations that chains of simulated annealing meet in models of points and pairs.

    Args:
        basis: correlations.
        coefficients: eV, one set a model, shape (n_models, n_correlations).
        rows: starts, shape (n_models * n_chains, n_sites), those of the first model first.
        moves: steps between configurations.
        steps: moves that each chain tries.
        random: source of random numbers.

    Returns:
        The lowest and the last configurations of the chains, shape (2 * n_models * n_chains, n_sites).
    """
    fields, interactions = map(np.array, zip(*map(basis.interactions, coefficients), strict=True))

    def energies_of(some: NDArray[np.int8]) -> NDArray[np.float64]:
        functions = basis.functions(some).reshape(len(coefficients), -1, basis.n_columns)
        values: NDArray[np.float64] = (functions * (fields[:, None] + 0.5 * functions @ interactions)).sum(axis=2)
        return values.ravel()

    energies = energies_of(rows)
    lowest, lowest_energies = rows.copy(), energies.copy()
    changes = np.abs(energies_of(moves.change(rows, random)) - energies)
    highest = np.maximum(changes.reshape(len(coefficients), -1).mean(axis=1), np.finfo(float).tiny)
    highest = np.repeat(highest, len(rows) // len(coefficients))
    for factor in np.geomspace(1.0, _FINAL, steps):
        proposed = moves.propose(rows, random)
        new = energies_of(proposed)
        # A draw below exp(-ΔE / kT) is a positive ΔE below kT times an exponentially distributed number.
        chosen = new - energies < factor * highest * random.standard_exponential(len(rows))
        rows = np.where(chosen[:, None], proposed, rows)
        energies = np.where(chosen, new, energies)
        better = energies < lowest_energies
        lowest = np.where(better[:, None], rows, lowest)
        lowest_energies = np.where(better, energies, lowest_energies)
    return np.concatenate([lowest, rows])
