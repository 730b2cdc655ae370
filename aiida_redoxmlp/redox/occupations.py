"""Site-diagonal Hubbard occupations of one electronic state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ("IonicStep", "SiteOccupations")


@dataclass(frozen=True, eq=False)
class SiteOccupations:
    """Occupation matrix eigenvalues of one Hubbard site.

    Attributes:
        site: index of the atom, from 0.
        kind: the engine's name of the atom's species, such as ``Mn1``; empty where the output does not tell.
        eigenvalues: spin up and spin down eigenvalues, ascending, shape (2, 2l + 1). A spin-unpolarised
            calculation gives both channels the same.
        matrices: the occupation matrices, shape (2, 2l + 1, 2l + 1), or None where the output has none.
    """

    site: int
    kind: str
    eigenvalues: NDArray[np.float64]
    matrices: NDArray[np.float64] | None = None

    @property
    def orbital_l(self) -> int:
        """Angular momentum of the manifold: 2 for d, 3 for f."""
        return (int(self.eigenvalues.shape[1]) - 1) // 2

    @property
    def moment(self) -> float:
        """Spin moment in the manifold: trace of spin up minus trace of spin down, in μB."""
        return float(self.eigenvalues[0].sum() - self.eigenvalues[1].sum())


@dataclass(frozen=True, eq=False)
class IonicStep:
    """What a plane-wave code printed for one ionic step.

    Attributes:
        index: number of the step in its file, from 0.
        symbols: chemical symbol of every atom.
        positions: Å, shape (n_atoms, 3).
        cell: rows in Å, shape (3, 3).
        energy: total energy (the free energy E - TS when smearing is used) in eV.
        forces: eV/Å, shape (n_atoms, 3), or None when not printed.
        stress: eV/Å³, shape (3, 3), positive under tension as in ASE, or None when not printed.
        occupations: the Hubbard sites, from the last SCF iteration of this step.
        scf_converged: whether self-consistency was reached.
        scf_iterations: number of SCF iterations of the step.
        temperature: instantaneous temperature in K (molecular dynamics), or None.
        time: time since the start of the run in fs (molecular dynamics), or None.
        kinetic_energy: of the ions in eV (molecular dynamics), or None.
        conserved_quantity: kinetic plus potential energy in eV, as printed (molecular dynamics), or None.
        total_magnetization: in μB per cell, or None when not printed.
        absolute_magnetization: in μB per cell, or None when not printed.
    """

    index: int
    symbols: tuple[str, ...]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    energy: float
    forces: NDArray[np.float64] | None
    stress: NDArray[np.float64] | None
    occupations: tuple[SiteOccupations, ...]
    scf_converged: bool
    scf_iterations: int
    temperature: float | None = None
    time: float | None = None
    kinetic_energy: float | None = None
    conserved_quantity: float | None = None
    total_magnetization: float | None = None
    absolute_magnetization: float | None = None
