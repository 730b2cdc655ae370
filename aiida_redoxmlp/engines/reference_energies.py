"""Charges and large numbers of a training set, the same for every engine: closure, reference energies, scale, shift."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError

__all__ = ("composition", "energy_shift", "fit_reference_energies", "force_scale", "require_closed")

_SMALLEST_SCALE = 1e-3


def require_closed(frames: Sequence[Frame]) -> None:
    """Check that the oxidation states of every frame sum to its charge: an energy is that of one number of electrons.

    Raises:
        InputError: for the first frame that does not close.
    """
    for frame in frames:
        found = frame.configuration.total_charge
        if found != frame.total_charge:
            raise InputError(
                f"Step {frame.step} of {frame.group or 'a trajectory'} does not close: its oxidation states sum "
                f"to {found:+d} and the cell's charge is {frame.total_charge:+d}; digitise it again or leave it out."
            )


def composition(numbers: NDArray[np.int64], model_numbers: Sequence[int]) -> NDArray[np.float64]:
    """Count the atoms of each of the model's numbers, shape (n_model_numbers,)."""
    return np.array([np.count_nonzero(numbers == number) for number in model_numbers], dtype=np.float64)


def fit_reference_energies(
    frames: Sequence[Frame],
    encoding: Encoding,
    *,
    shared: bool = False,
    start: NDArray[np.float64] | None = None,
    explained: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Fit one reference energy E0 a species to the total energies by least squares.

    The directions and sizes of a species' moment share their E0, and so do all species behind one model number.

    The solution of smallest norm is taken. Species that always appear together in the same ratio (in a set of one
    composition: all of them) leave the fit degenerate: only the sums that the data contain are then determined, and
    the split between those species carries no meaning. Energies of compositions outside the span of the
    training set are extrapolations of that arbitrary split.

    Args:
        frames: the training set, energies in eV.
        encoding: maps species to model numbers.
        shared: give all species of an element the same reference energy.
        start: eV, shape (n_model_numbers,); the solution nearest to these is taken instead of the smallest.
        explained: eV, shape (n_frames,), what a network already says of each frame, and the fit need not.

    Returns:
        eV, shape (n_model_numbers,), in the order of ``encoding.model_numbers``.
    """
    counts = np.array([composition(encoding.encode(frame.configuration), encoding.model_numbers) for frame in frames])
    energies = np.array([frame.energy for frame in frames]) - (0.0 if explained is None else explained)
    before = np.zeros(counts.shape[1]) if start is None else start
    alike = [one.element if shared else one.label for one in encoding.model_species]
    member = np.array([[float(one == other) for other in sorted(set(alike))] for one in alike])
    changes = np.linalg.lstsq(counts @ member, energies - counts @ before, rcond=None)[0]
    solution: NDArray[np.float64] = before + member @ changes
    return solution


def force_scale(frames: Sequence[Frame]) -> float:
    """Return the root mean square of the force components in eV/Å, the scale of MACE's interaction energy.

    A training set at rest has no such scale; a small positive number keeps the network alive.
    """
    forces = np.concatenate([frame.forces.ravel() for frame in frames])
    return max(float(np.sqrt(np.mean(forces**2))), _SMALLEST_SCALE)


def energy_shift(frames: Sequence[Frame], encoding: Encoding, reference_energies: NDArray[np.float64]) -> float:
    """Return the mean energy an atom that the reference energies leave over, in eV."""
    left = []
    for frame in frames:
        counts = composition(encoding.encode(frame.configuration), encoding.model_numbers)
        left.append((frame.energy - float(counts @ reference_energies)) / len(frame.configuration))
    return float(np.mean(left))
