"""Bayesian linear regression whose prior widths and noise are those that make the data most likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ("LinearPosterior", "fit_linear")

_NOISE_RATIOS = 10.0 ** np.arange(-10, -0.5, 0.5)
"""Variances of the noise over those of what the model explains, of which the fit chooses; with few data, all could be
noise, but that is not what a model is fitted for."""

_SMALLEST_EIGENVALUE = 1e-13


@dataclass(frozen=True, eq=False)
class LinearPosterior:
    """What is known of the coefficients of a linear model after a fit.

    Attributes:
        mean: most likely coefficients, shape (n_features,), in the unit of the targets over that of the features.
        widths: prior standard deviations of the coefficients but for ``scale``, shape (n_features,).
        scale: factor of the prior standard deviations, in the unit of the targets.
        noise: standard deviation of what the model does not explain, in the unit of the targets.
        log_evidence: logarithm of the likelihood of the targets, for comparison at the same targets and weights.
    """

    mean: NDArray[np.float64]
    widths: NDArray[np.float64]
    scale: float
    noise: float
    log_evidence: float
    _directions: NDArray[np.float64]
    _shrinkage: NDArray[np.float64]

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of the prediction, shape (n_rows,)."""
        predicted: NDArray[np.float64] = features @ self.mean
        return predicted

    def uncertainty(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standard deviation of the prediction without noise, shape (n_rows,)."""
        scaled = features * self.widths
        known = (scaled @ self._directions) ** 2 @ (1 - self._shrinkage)
        deviation: NDArray[np.float64] = self.scale * np.sqrt(np.maximum((scaled**2).sum(axis=1) - known, 0.0))
        return deviation

    def sample(self, number: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Return coefficients drawn from the posterior, shape (number, n_features)."""
        drawn = random.standard_normal((number, len(self.mean)))
        along = drawn @ self._directions
        shrunk = drawn + (along * (np.sqrt(self._shrinkage) - 1)) @ self._directions.T
        coefficients: NDArray[np.float64] = self.mean + self.scale * self.widths * shrunk
        return coefficients


def fit_linear(
    features: NDArray[np.float64],
    targets: NDArray[np.float64],
    priors: Sequence[NDArray[np.float64]],
    noise_factors: NDArray[np.float64],
) -> LinearPosterior:
    """Fit a linear model with Gaussian priors and noise, choosing both by their evidence.

    The evidence is maximised over the given priors, their common scale and the ratio of noise and scale.
    Source: C. M. Bishop, Pattern Recognition and Machine Learning (2006), section 3.5.

    Args:
        features: shape (n_rows, n_features).
        targets: shape (n_rows,).
        priors: prior standard deviations of the coefficients to choose from, each of shape (n_features,).
        noise_factors: standard deviation of each row's noise in units of the common one, shape (n_rows,).
    """
    fits = [_best_ratio(features / noise_factors[:, None], targets / noise_factors, widths) for widths in priors]
    return max(fits, key=lambda fit: fit.log_evidence)


def _best_ratio(
    features: NDArray[np.float64], targets: NDArray[np.float64], widths: NDArray[np.float64]
) -> LinearPosterior:
    """Fit with one prior and rows of equal noise."""
    scaled = features * widths
    directions, eigenvalues = _principal(scaled)
    along = directions.T @ (scaled.T @ targets)
    explained = along**2 / eigenvalues
    unexplained = max(float(targets @ targets - explained.sum()), 0.0)
    number = len(targets)
    noise_ratios = _NOISE_RATIOS * max(float(scaled.var(axis=0).sum()), np.finfo(float).tiny)
    shifted = eigenvalues + noise_ratios[:, None]
    squares = (explained / shifted).sum(axis=1) + unexplained / noise_ratios
    variances = np.maximum(squares / number, np.finfo(float).tiny)
    log_determinants = np.log(shifted).sum(axis=1) + (number - len(eigenvalues)) * np.log(noise_ratios)
    evidences = -0.5 * (number * (np.log(2 * np.pi * variances) + 1) + log_determinants)
    best = int(evidences.argmax())
    ratio, scale = float(noise_ratios[best]), float(np.sqrt(variances[best]))
    return LinearPosterior(
        mean=widths * (directions @ (along / shifted[best])),
        widths=widths,
        scale=scale,
        noise=scale * float(np.sqrt(ratio)),
        log_evidence=float(evidences[best]),
        _directions=directions,
        _shrinkage=ratio / shifted[best],
    )


def _principal(scaled: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the principal directions of the coefficients, as columns, and their eigenvalues."""
    wide = scaled.shape[0] < scaled.shape[1]
    eigenvalues, vectors = np.linalg.eigh(scaled @ scaled.T if wide else scaled.T @ scaled)
    kept = eigenvalues > _SMALLEST_EIGENVALUE * max(float(eigenvalues[-1]), np.finfo(float).tiny)
    eigenvalues, vectors = eigenvalues[kept], vectors[:, kept]
    return (scaled.T @ vectors / np.sqrt(eigenvalues) if wide else vectors), eigenvalues
