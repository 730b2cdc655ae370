"""What an occupation block must obey, to the rounding of its printed digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError
from aiida_redoxmlp.redox.pw_output.occupations import OccupationBlock, Shell

__all__ = ("check_occupations",)

_PRINTED = 5e-4
"""Largest rounding error of a number printed with three decimals."""
_PRINTED_TRACE = 5e-6
_TINY = 1e-6


def check_occupations(block: OccupationBlock) -> None:
    """Compare eigenvalues, eigenvectors, matrices, traces, moments and the total number of levels with each other.

    Raises:
        GarbledBlockError: if two of them contradict each other by more than their rounding, in any of the steps.
    """
    total: NDArray[np.float64] | float = 0.0
    for shell in block.shells:
        traces = _channel_traces(shell, generalised=block.generalised)
        _check_traces(shell, traces)
        _check_symmetry(shell, generalised=block.generalised)
        if block.squared:
            _check_squares(shell)
        else:
            _check_vectors(shell, generalised=block.generalised)
        total = total + traces.sum(axis=(1, 2)) * (3 - traces.shape[2])
    if block.total is not None:
        wrong = np.abs(total - block.total) > 1e-4 + 1e-5 * len(block.order)
        if wrong.any():
            found, printed = np.broadcast_to(total, wrong.shape)[wrong][0], block.total[wrong][0]
            raise GarbledBlockError(
                f"the traces of the sites add up to {found:.4f}, but the printed total is {printed:.4f}"
            )


def _channel_traces(shell: Shell, *, generalised: bool) -> NDArray[np.float64]:
    """Return the printed trace of each channel, shape (steps, n, spins), after comparing what is printed about it."""
    sums = shell.sums
    if sums.shape[2] == 1:
        return sums / 2
    if generalised:
        return np.stack([sums[..., 0] + sums[..., 1], sums[..., 0] - sums[..., 1]], axis=2) / 2
    up, down, both, moment = np.moveaxis(sums, 2, 0)
    wrong = (np.abs(up + down - both) > 3.1 * _PRINTED_TRACE) | (np.abs(up - down - moment) > 3.1 * _PRINTED_TRACE)
    if wrong.any():
        raise GarbledBlockError(f"traces and moment of atom {_first(shell, wrong)} do not fit together")
    return sums[..., :2]


def _check_traces(shell: Shell, traces: NDArray[np.float64]) -> None:
    tolerance = _PRINTED * shell.eigenvalues.shape[3] + 2 * _PRINTED_TRACE
    sums = (shell.eigenvalues.sum(axis=3), np.trace(shell.matrices, axis1=3, axis2=4))
    for name, found in zip(("eigenvalues", "matrix"), sums, strict=True):
        wrong = np.abs(found - traces) > tolerance
        if wrong.any():
            raise GarbledBlockError(
                f"the {name} of atom {_first(shell, wrong)} add up to {found[wrong][0]:.3f}, "
                f"but its printed trace is {traces[wrong][0]:.3f}"
            )


def _check_symmetry(shell: Shell, *, generalised: bool) -> None:
    """A matrix of DFT+U is symmetric to all digits; the one of DFT+U+V in 6.x is not averaged."""
    tolerance = 2.1 * _PRINTED if generalised else _TINY
    wrong = np.abs(shell.matrices - shell.matrices.swapaxes(3, 4)) > tolerance
    if wrong.any():
        raise GarbledBlockError(f"the occupation matrix of atom {_first(shell, wrong)} is not symmetric")


def _centred(shell: Shell) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Take a number c amid the eigenvalues from them and from the diagonal of the matrix.

    Because Σ_k v_k v_kᵀ = 1 that leaves n = Σ_k λ_k v_k v_kᵀ true, and the rounding of v matters less.
    """
    values = shell.eigenvalues
    size = values.shape[3]
    middle = np.sort(values, axis=3)[..., size // 2, None]
    return values - middle, shell.matrices - middle[..., None] * np.eye(size), middle


def _check_vectors(shell: Shell, *, generalised: bool) -> None:
    """Compare the matrix n with its printed eigenvalues λ and eigenvectors v: n = Σ_k λ_k v_k v_kᵀ."""
    values, matrices, _ = _centred(shell)
    vectors = shell.vectors
    scaled = vectors * values[..., None, :]
    difference = np.abs(scaled @ vectors.swapaxes(3, 4) - matrices)
    # A wrong λ_k by ε changes n_ij by ε v_ik v_jk, and a wrong v_ik by ε changes it by ε λ_k v_jk.
    magnitudes = np.abs(vectors)
    of_vectors = np.abs(scaled).sum(axis=4)
    bound = of_vectors[..., :, None] + of_vectors[..., None, :] + magnitudes @ magnitudes.swapaxes(3, 4) + 1
    wrong = difference > _PRINTED * bound + _TINY * (1 + np.abs(values).sum(axis=3)[..., None, None])
    if generalised:
        # The real part is printed of vectors that may be complex.
        norms = (vectors**2).sum(axis=3)
        wrong &= (np.abs(norms - 1).max(axis=3) < 0.01)[..., None, None]
    _refuse(shell, wrong)


def _check_squares(shell: Shell) -> None:
    """Compare where only squares of the components of v are printed: the diagonal, and the matrix's own eigenvalues."""
    values, matrices, middle = _centred(shell)
    size = values.shape[3]
    found = (shell.vectors @ values[..., None])[..., 0]
    difference = np.abs(found - np.diagonal(matrices, axis1=3, axis2=4))
    spread = np.abs(values).sum(axis=3)[..., None]
    _refuse(shell, difference > _PRINTED * (spread + 2) + _TINY)
    levels = np.linalg.eigvalsh(matrices) + middle
    _refuse(shell, np.abs(levels - np.sort(shell.eigenvalues, axis=3)) > (size + 1) * _PRINTED)


def _refuse(shell: Shell, wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        raise GarbledBlockError(
            f"the occupation matrix of atom {_first(shell, wrong)} does not have its printed eigenvalues and -vectors"
        )


def _first(shell: Shell, wrong: NDArray[np.bool_]) -> int:
    return int(shell.sites[np.argwhere(wrong)[0][1]])
