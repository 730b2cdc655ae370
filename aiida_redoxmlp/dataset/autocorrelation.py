"""After how many frames a trajectory has forgotten what a quantity was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_redoxmlp.errors import InputError

__all__ = ("autocorrelation_time", "pooled_autocorrelation_time", "statistical_inefficiency")

_WINDOW = 6.0
"""Sokal's c: the sum ends at the first lag of at least c autocorrelation times."""


def autocorrelation_time(series: ArrayLike) -> float:
    """Estimate the integrated autocorrelation time of a series, in frames.

    τ = 1/2 + Σ ρ(t) over the lags t ≥ 1, with ρ the normalised autocorrelation. The sum is cut at the smallest lag
    M ≥ 6 τ(M), as in A. D. Sokal, "Monte Carlo Methods in Statistical Mechanics: Foundations and New Algorithms", in
    Functional Integration (1997), section 3; and before ρ first becomes negative, as in J. D. Chodera et al.,
    J. Chem. Theory Comput. 3, 26 (2007), since an oscillation that cancels itself in the sum does not make successive
    frames independent. So τ is at least 1/2, that of independent frames.

    Args:
        series: one value a frame, equally spaced, shape (n_frames,).

    Returns:
        τ in frames; half the length for a constant series, which never becomes another.

    Raises:
        InputError: if the series is empty, not one-dimensional or has a value that is no number.
    """
    return pooled_autocorrelation_time([series])


def statistical_inefficiency(series: ArrayLike) -> float:
    """Return g = 2τ ≥ 1, the number of frames that say as much as one independent frame.

    Args:
        series: one value a frame, equally spaced, shape (n_frames,).

    Raises:
        InputError: as of :func:`autocorrelation_time`.
    """
    return 2.0 * autocorrelation_time(series)


def pooled_autocorrelation_time(segments: Sequence[ArrayLike]) -> float:
    """Estimate one autocorrelation time from several pieces, each with a mean of its own.

    The autocovariances of all pieces are added up, so that a jump from piece to piece, such as of the energy where
    an electron moved, is not taken for slow memory.

    Args:
        segments: the pieces, each one value a frame, equally spaced.

    Raises:
        InputError: as of :func:`autocorrelation_time`.
    """
    pieces = [_checked(segment) for segment in segments]
    longest = max((len(piece) for piece in pieces), default=0)
    if not longest:
        raise InputError("An autocorrelation time needs at least one value; give a series of numbers.")
    covariance = np.zeros(longest)
    for piece in pieces:
        covariance[: len(piece)] += _autocovariance_sums(piece)
    scale = max(float(np.abs(piece).max()) for piece in pieces if len(piece))
    if covariance[0] <= (1e-12 * scale) ** 2 * sum(len(piece) for piece in pieces):
        return 0.5 * longest
    return _windowed_sum(covariance / covariance[0])


def _checked(series: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"A series of shape {values.shape} has no autocorrelation time; give one value a frame.")
    if not np.isfinite(values).all():
        raise InputError(f"The value {values[~np.isfinite(values)][0]} of a series is no number; leave that frame out.")
    return values


def _autocovariance_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Σ x(i) x(i + t) of the deviations from the mean for every lag, by Fourier transform.

    Not divided by the number of pairs, which shrinks with the lag: so late lags, that few pairs know, count less.
    """
    if not len(values):
        return values
    deviations = values - values.mean()
    size = 1 << (2 * len(values) - 1).bit_length()  # with zeros behind, so that the end does not meet the start
    transformed = np.fft.rfft(deviations, size)
    return np.asarray(np.fft.irfft(transformed * transformed.conj(), size)[: len(values)], dtype=np.float64)


def _windowed_sum(correlation: NDArray[np.float64]) -> float:
    negative = np.flatnonzero(correlation < 0)
    end = int(negative[0]) if negative.size else len(correlation)
    times = 0.5 + np.cumsum(correlation[1:end])
    enough = np.flatnonzero(np.arange(1, len(times) + 1) >= _WINDOW * times)
    if enough.size:
        return float(times[enough[0]])
    return float(times[-1]) if len(times) else 0.5
