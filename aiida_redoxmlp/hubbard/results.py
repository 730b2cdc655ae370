"""What a linear-response calculation of Hubbard parameters says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

__all__ = ("HpFailure", "HpOutput", "HubbardPair", "HubbardParameters", "HubbardSite", "Response")


class HpFailure(Enum):
    """Why hp.x did not do what it was asked to."""

    OUT_OF_TIME = "out of time"
    NOT_CONVERGED = "not converged"
    MISSING_RESPONSES = "missing responses"
    HUBBARD_ATOMS_NOT_FIRST = "Hubbard atoms not first"
    NO_HUBBARD_ATOM = "no Hubbard atom"
    NOT_A_NUMBER = "not a number"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out of memory"
    INPUT_REFUSED = "input refused"
    PARENT_UNREADABLE = "parent unreadable"
    ENGINE_ERROR = "engine error"
    STOPPED_EARLY = "stopped early"


@dataclass(frozen=True)
class HubbardSite:
    """One line of the table of on-site parameters.

    Attributes:
        site: index of the atom, from 0.
        kind: the engine's name of the atom's species, such as ``Mn1``.
        spin: sign of the moment as hp.x prints it, +1 or -1.
        manifold: such as ``3d``; empty in the files of version 6.
        u: eV.
    """

    site: int
    kind: str
    spin: int
    manifold: str
    u: float


@dataclass(frozen=True)
class HubbardPair:
    """One line of the table of intersite parameters.

    Attributes:
        site: index of the first atom, from 0.
        neighbour: index of the second atom in the unit cell, from 0.
        translation: lattice vectors from the unit cell to the second atom's image, each -1, 0 or 1.
        distance: Å.
        v: eV; the on-site U where both atoms are the same.
    """

    site: int
    neighbour: int
    translation: tuple[int, int, int]
    distance: float
    v: float


@dataclass(frozen=True, eq=False)
class HubbardParameters:
    """The file ``PREFIX.Hubbard_parameters.dat``.

    Attributes:
        sites: the on-site table.
        pairs: the intersite table; empty without V.
        chi0: bare response in 1/eV, shape (n, n), n the Hubbard atoms of the virtual supercell nq1 × nq2 × nq3.
        chi: self-consistent response in 1/eV, shape (n, n).
        hubbard: chi0⁻¹ - chi⁻¹ in eV, shape (n, n).
    """

    sites: tuple[HubbardSite, ...]
    pairs: tuple[HubbardPair, ...]
    chi0: NDArray[np.float64]
    chi: NDArray[np.float64]
    hubbard: NDArray[np.float64]


@dataclass(frozen=True)
class Response:
    """The response to a perturbation of one atom at one wave vector.

    Attributes:
        atom: the perturbed atom, from 0.
        q_point: number of the wave vector, from 1 as in hp.x.
        iterations: iterations that were finished.
        residue: largest change of chi in the last iteration, in 1/eV; None in the first.
        converged: whether hp.x says so.
    """

    atom: int
    q_point: int
    iterations: int
    residue: float | None
    converged: bool


@dataclass(frozen=True)
class HpOutput:
    """The standard output of hp.x.

    Attributes:
        version: such as ``7.2``; None when the header is cut off.
        perturbed: atoms this run perturbs, or would, from 0; in hp.x's order.
        n_q_points: number of wave vectors of each perturbed atom that got as far, by atom from 0.
        responses: every response that was begun, in order.
        failure: why the run failed, or None.
        reason: one sentence on the failure, with what hp.x printed; empty without one.
        wall_time: seconds, or None when the end is cut off.
        warnings: what is odd but no failure.
    """

    version: str | None
    perturbed: tuple[int, ...]
    n_q_points: dict[int, int]
    responses: tuple[Response, ...]
    failure: HpFailure | None
    reason: str
    wall_time: float | None
    warnings: tuple[str, ...]
