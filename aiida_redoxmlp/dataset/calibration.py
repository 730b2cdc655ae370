"""Whether a committee's spread says how wrong it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf
from scipy.stats import rankdata

from aiida_redoxmlp.errors import InputError

__all__ = ("FEWEST_PAIRS", "Calibration", "ReliabilityBin", "calibrate", "miscalibration_area", "rank_correlation")

FEWEST_PAIRS = 5
"""Pairs of error and spread below which nothing is said, and fewest in a bin."""

_NO_SPREAD = 1e-10


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of similar spread.

    Attributes:
        n: their number.
        spread: root mean square of their spreads.
        rmse: root mean square of their errors; equal to the spread where the committee is calibrated.
        mae: mean of their absolute errors.
    """

    n: int
    spread: float
    rmse: float
    mae: float


@dataclass(frozen=True)
class Calibration:
    """Errors of a committee's mean against the standard deviation of its members.

    Attributes:
        n: pairs of error and spread.
        n_without_spread: pairs left out as all members agree exactly, such as forces that symmetry forbids.
        factor: root mean square of the errors over that of the spreads: spreads times this number are of the
            right size on average. Above 1 the committee is too sure of itself.
        rank_correlation: Spearman's ρ of absolute errors and spreads: 1 if the spread tells which predictions are
            worst; None where all are equal.
        miscalibration_area: area between observed and expected coverage, from 0 to 0.5; see
            :func:`miscalibration_area`.
        scaled_miscalibration_area: the same after all spreads were multiplied by ``factor``.
        within_one: share of errors within one spread; 0.683 for normal errors.
        within_two: share of errors within two spreads; 0.954 for normal errors.
        bins: the reliability curve, by ascending spread.
    """

    n: int
    n_without_spread: int
    factor: float
    rank_correlation: float | None
    miscalibration_area: float
    scaled_miscalibration_area: float
    within_one: float
    within_two: float
    bins: tuple[ReliabilityBin, ...]


def calibrate(errors: ArrayLike, spreads: ArrayLike, n_bins: int = 10) -> Calibration | None:
    """Compare errors with spreads.

    The factor is a ratio of means, as in V. Fortin et al., J. Hydrometeorol. 15, 1708 (2014), and no mean of
    ratios: with the spread of few members the latter has no finite expectation. If the truth were one more member, the
    factor of M members would be √((M + 1)/(M - 1)), with standard deviations that divide by M.

    Args:
        errors: prediction minus label, any shape.
        spreads: standard deviation over the committee, same shape and unit.
        n_bins: largest number of bins of the reliability curve, each with the same number of pairs.

    Returns:
        The calibration, or None for fewer than :data:`FEWEST_PAIRS` pairs that have a spread, as of one member.

    Raises:
        InputError: if the shapes differ, or a value is negative or no number.
    """
    error, spread = np.asarray(errors, dtype=np.float64).ravel(), np.asarray(spreads, dtype=np.float64).ravel()
    _check(error, spread, np.shape(errors), np.shape(spreads), n_bins)
    known = spread > _NO_SPREAD
    size, spread = np.abs(error[known]), spread[known]
    if len(size) < FEWEST_PAIRS:
        return None
    factor = float(np.sqrt((size**2).mean() / (spread**2).mean()))
    return Calibration(
        n=len(size),
        n_without_spread=int((~known).sum()),
        factor=factor,
        rank_correlation=rank_correlation(size, spread),
        miscalibration_area=miscalibration_area(size, spread),
        scaled_miscalibration_area=miscalibration_area(size, factor * spread),
        within_one=float((size <= spread).mean()),
        within_two=float((size <= 2 * spread).mean()),
        bins=_bins(size, spread, n_bins),
    )


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Spearman's ρ of two series; None if all values of one are equal.

    Values that differ by less than 1e-9 of the largest are equal, and equal values share their mean rank.
    """
    ranks = [rankdata(_rounded(series)) for series in (first, second)]
    deviations = [one - one.mean() for one in ranks]
    norms = [float(np.sqrt((one**2).sum())) for one in deviations]
    if min(norms) == 0:
        return None
    return float(np.clip((deviations[0] * deviations[1]).sum() / (norms[0] * norms[1]), -1.0, 1.0))


def _rounded(series: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(series, dtype=np.float64)
    scale = max(float(np.abs(values).max(initial=0.0)), float(np.finfo(np.float64).tiny))
    rounded: NDArray[np.float64] = np.round(values / scale, 9)
    return rounded


def miscalibration_area(sizes: ArrayLike, spreads: ArrayLike) -> float:
    """Return the area between the observed and the expected coverage of normal errors.

    For every p the interval that holds an error with probability p is compared with the share of errors that it
    holds, ∫|observed(p) - p| dp: 0 if calibrated, 0.5 if the spread is nothing or endless; K. Tran et al.,
    Mach. Learn.: Sci. Technol. 1, 025006 (2020). The integral is exact, as the observed share is a step function.

    Args:
        sizes: absolute errors, shape (n,).
        spreads: standard deviations, shape (n,), zero or more; an error of zero with a spread of zero is within any.
    """
    size, spread = np.asarray(sizes, dtype=np.float64), np.asarray(spreads, dtype=np.float64)
    ratio = np.where(size > 0, np.inf, 0.0)
    np.divide(size, spread, out=ratio, where=spread > 0)
    edges = np.concatenate([[0.0], np.sort(erf(ratio / np.sqrt(2.0))), [1.0]])
    observed = np.arange(len(edges) - 1) / len(ratio)
    low, high = edges[:-1], edges[1:]
    # Where the share lies between two edges the area is two triangles, else a trapezium and nothing.
    middle = np.clip(observed, low, high)
    below = (middle - low) * np.abs(2 * observed - low - middle)
    above = (high - middle) * np.abs(middle + high - 2 * observed)
    return float((below + above).sum() / 2)


def _bins(size: NDArray[np.float64], spread: NDArray[np.float64], n_bins: int) -> tuple[ReliabilityBin, ...]:
    order = np.argsort(spread, kind="stable")
    parts = np.array_split(order, max(1, min(n_bins, len(order) // FEWEST_PAIRS)))
    return tuple(
        ReliabilityBin(
            n=len(part),
            spread=float(np.sqrt((spread[part] ** 2).mean())),
            rmse=float(np.sqrt((size[part] ** 2).mean())),
            mae=float(size[part].mean()),
        )
        for part in parts
    )


def _check(
    error: NDArray[np.float64],
    spread: NDArray[np.float64],
    error_shape: tuple[int, ...],
    spread_shape: tuple[int, ...],
    n_bins: int,
) -> None:
    if error_shape != spread_shape:
        raise InputError(
            f"Errors of shape {error_shape} have spreads of shape {spread_shape}; give one spread an error."
        )
    if not np.isfinite(error).all() or not np.isfinite(spread).all() or (spread < 0).any():
        raise InputError("Errors and spreads have to be finite numbers, spreads zero or more; leave the others out.")
    if n_bins < 1:
        raise InputError(f"n_bins is {n_bins}; give 1 or more.")
