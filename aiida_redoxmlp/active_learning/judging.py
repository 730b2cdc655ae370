"""How right the potential was on labels it had not seen, and what that says of its spreads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from aiida_redoxmlp.active_learning.electrons import PatternBelief
from aiida_redoxmlp.active_learning.records import FreshErrors
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors
from aiida_redoxmlp.active_learning.verdicts import Verdict
from aiida_redoxmlp.dataset.calibration import calibrate
from aiida_redoxmlp.dataset.errors import mean_absolute
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteePotential

__all__ = ("LARGEST_FACTOR", "factors_of", "fresh_errors", "gap_factor", "spread_factors")

LARGEST_FACTOR = 10.0
"""Factors of spreads are kept between the inverse of this and this: few labels say no more."""


def fresh_errors(potential: CommitteePotential, verdicts: Sequence[Verdict]) -> FreshErrors:
    """Judge the potential that asked by the answers.

    Energies and forces are those of the structure with the states DFT found: what the potential would have said of
    the right pattern. The pattern recovery is the share of clear labels that landed.

    Args:
        potential: the committee that asked for these labels, before it is trained on them.
        verdicts: the answers.
    """
    frames = _clear(verdicts)
    if not frames:
        return FreshErrors(n_labels=0)
    results = potential.evaluate([frame.configuration for frame in frames])
    forces = np.concatenate(
        [(one.mean_forces - frame.forces).ravel() for one, frame in zip(results, frames, strict=True)]
    )
    energies = [
        (one.energy - frame.energy) / len(frame.configuration) for one, frame in zip(results, frames, strict=True)
    ]
    return FreshErrors(
        n_labels=len(frames),
        force_mae_ev_per_angstrom=mean_absolute(forces),
        energy_mae_ev_per_atom=mean_absolute(energies),
        pattern_recovery=sum(one.outcome == "landed" for one in verdicts) / len(frames),
    )


def spread_factors(
    potential: CommitteePotential,
    verdicts: Sequence[Verdict],
    beliefs: Sequence[PatternBelief | None] = (),
    before: SpreadFactors | None = None,
) -> SpreadFactors:
    """Measure what the spreads have to be multiplied by, on labels the potential had not seen.

    What too few labels say nothing of keeps its last value.

    Args:
        potential: the committee that asked.
        verdicts: the answers.
        beliefs: what it believed of the patterns of each, or nothing.
        before: the last calibration.
    """
    last = before or SpreadFactors()
    frames = _clear(verdicts)
    if not frames:
        return last
    results = potential.evaluate([frame.configuration for frame in frames])
    pairs = list(zip(results, frames, strict=True))
    forces = _factor(
        np.concatenate([(one.mean_forces - frame.forces).ravel() for one, frame in pairs]),
        np.concatenate([one.forces.std(axis=0).ravel() for one, _ in pairs]),
    )
    energies = _factor(
        [(one.energy - frame.energy) / len(frame.configuration) for one, frame in pairs],
        [one.energy_std / len(frame.configuration) for one, frame in pairs],
    )
    asked = [
        (belief, verdict.outcome == "redox_error")
        for belief, verdict in zip(beliefs, verdicts, strict=bool(beliefs))
        if verdict.found is not None
    ]
    return factors_of(forces, energies, [one for one, _ in asked], [wrong for _, wrong in asked], len(frames), last)


def factors_of(
    forces: float | None,
    energies: float | None,
    beliefs: Sequence[PatternBelief | None],
    wrong: Sequence[bool],
    n_labels: int,
    before: SpreadFactors | None = None,
) -> SpreadFactors:
    """Return the calibration with what was measured; the last value stays where nothing was.

    Args:
        forces: RMS error of fresh labels over RMS spread, of force components.
        energies: the same of energies per atom.
        beliefs: what the committee believed of the patterns of each clear label, None where it was not asked.
        wrong: whether DFT found another pattern.
        n_labels: clear fresh labels.
        before: the last calibration.
    """
    last = before or SpreadFactors()
    asked = [(belief, error) for belief, error in zip(beliefs, wrong, strict=True) if belief is not None]
    electrons = gap_factor([one for one, _ in asked], [error for _, error in asked])
    return SpreadFactors(
        forces=_bounded(forces) or last.forces,
        energies=_bounded(energies) or last.energies,
        electrons=electrons or last.electrons,
        n_labels=n_labels,
    )


def gap_factor(beliefs: Sequence[PatternBelief], wrong: Sequence[bool]) -> float | None:
    """Return the factor of the gaps' spreads that explains how often DFT found another pattern.

    With it the expected number of redox errors, the sum over all labels of the probability that the runner-up
    is lower, is the number that was found; found by bisection, as it grows with the factor.

    Args:
        beliefs: what the committee said before.
        wrong: whether DFT found another pattern.

    Returns:
        The factor, from the inverse of :data:`LARGEST_FACTOR` to it, or None where no gap has a spread.
    """
    known = [
        (one.gap, one.gap_spread, bool(error))
        for one, error in zip(beliefs, wrong, strict=True)
        if one.gap is not None and one.gap_spread
    ]
    if not known:
        return None
    ratios = np.array([gap / spread for gap, spread, _ in known])
    found = sum(error for *_, error in known)
    low, high = 1 / LARGEST_FACTOR, LARGEST_FACTOR
    for _ in range(60):
        middle = float(np.sqrt(low * high))
        if float(ndtr(-ratios / middle).sum()) < found:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))


def _clear(verdicts: Sequence[Verdict]) -> list[Frame]:
    return [one.frame for one in verdicts if one.frame is not None and one.found is not None]


def _factor(errors: ArrayLike, spreads: ArrayLike) -> float | None:
    found = calibrate(errors, spreads)
    return None if found is None else found.factor


def _bounded(factor: float | None) -> float | None:
    return None if factor is None else float(np.clip(factor, 1 / LARGEST_FACTOR, LARGEST_FACTOR))
