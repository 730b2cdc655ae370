"""Ionic steps in eV and Å, from the numbers that pw.x prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.occupations import IonicStep, SiteOccupations
from aiida_redoxmlp.redox.pw_output.geometry import Geometry
from aiida_redoxmlp.redox.pw_output.header import PwHeader
from aiida_redoxmlp.redox.pw_output.numbers import BOHR, RYDBERG
from aiida_redoxmlp.redox.pw_output.occupations import OccupationBlock
from aiida_redoxmlp.redox.pw_output.step import StepNumbers

__all__ = ("ionic_steps",)


def ionic_steps(
    numbers: StepNumbers, first: int, header: PwHeader, geometries: Sequence[Geometry]
) -> list[IonicStep | None]:
    """Convert consecutive steps; one of which the geometry could not be read becomes None.

    Args:
        numbers: as printed.
        first: number of the first of them in its file, from 0.
        header: set-up of the run.
        geometries: cell and positions of each, printed after the step before.
    """
    kinetic, temperature, conserved = _columns(numbers.thermal, 3)
    total, absolute = _columns(numbers.magnetization, 2)
    # pw.x prints stress positive under compression, ASE has it the other way.
    stress = None if numbers.stress is None else -numbers.stress[:, :, :3] * (RYDBERG / BOHR**3)
    values = zip(
        _rows(None if numbers.forces is None else numbers.forces * (RYDBERG / BOHR)),
        _rows(stress),
        _site_occupations(numbers.occupations, header.kinds, len(geometries)),
        _scf_converged(numbers, header.scf_threshold).tolist(),
        numbers.iterations.astype(int).tolist(),
        _rows(temperature),
        _rows(_time(numbers)),
        _rows(None if kinetic is None else RYDBERG * kinetic),
        _rows(None if conserved is None else RYDBERG * conserved),
        _rows(total),
        _rows(absolute),
        strict=False,
    )
    energies = (RYDBERG * numbers.energy).tolist()
    return [
        None
        if geometry.cell is None or geometry.positions is None
        else IonicStep(index, header.symbols, geometry.positions, geometry.cell, energy, *rest)
        for index, (geometry, energy, rest) in enumerate(zip(geometries, energies, values, strict=False), start=first)
    ]


def _columns(table: NDArray[np.float64] | None, width: int) -> Sequence[NDArray[np.float64] | None]:
    return [None] * width if table is None else list(table.T)


def _rows(array: NDArray[np.float64] | None) -> Iterable[Any]:
    """Yield what belongs to each step: a number, an array, or None for ever."""
    if array is None:
        return repeat(None)
    return array.tolist() if array.ndim == 1 else array


def _scf_converged(numbers: StepNumbers, threshold: float) -> NDArray[np.bool_]:
    """Whether self-consistency was really reached.

    With ``scf_must_converge = .false.`` pw.x says "convergence has been achieved" when it runs out of
    iterations, so the accuracy is compared with the threshold. The margins are those of the printed digits.
    """
    if numbers.gave_up or numbers.accuracy is None:
        return np.zeros(len(numbers.energy), dtype=bool)
    return np.asarray(numbers.accuracy <= 1.05 * threshold + 1e-8)


def _time(numbers: StepNumbers) -> NDArray[np.float64] | None:
    """Return the time of each step in fs; pw.x prints that of the positions after it, to a tenth of a fs."""
    if numbers.counter is None or numbers.time is None:
        return None
    return 1000 * numbers.time * (numbers.counter - 1) / np.maximum(numbers.counter, 1)


def _site_occupations(
    block: OccupationBlock | None, kinds: Sequence[str], steps: int
) -> list[tuple[SiteOccupations, ...]]:
    if block is None:
        return [()] * steps
    sites: dict[int, list[SiteOccupations]] = {}
    for shell in block.shells:
        eigenvalues, matrices = np.sort(shell.eigenvalues, axis=3), shell.matrices
        if eigenvalues.shape[2] == 1:
            eigenvalues, matrices = (np.repeat(array, 2, axis=2) for array in (eigenvalues, matrices))
        for index, number in enumerate(shell.sites.tolist()):
            kind = kinds[number - 1]
            sites[number] = [
                SiteOccupations(number - 1, kind, *pair)
                for pair in zip(eigenvalues[:, index], matrices[:, index], strict=True)
            ]
    return list(zip(*[sites[number] for number in block.order], strict=True))
