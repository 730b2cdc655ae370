"""One labelled structure: what DFT said, and where the electrons were."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.spins import digital_spins

__all__ = ("Frame",)


@dataclass(frozen=True, eq=False)
class Frame:
    """A configuration with its DFT labels and their origin.

    Attributes:
        configuration: structure and digitised oxidation state of every atom; its spins are always those of
            ``eigenvalues``.
        energy: total (free) energy in eV.
        forces: eV/Å, shape (n_atoms, 3).
        stress: eV/Å³, shape (3, 3), ASE sign, or None when DFT did not compute it.
        redox_sites: indices of the redox sites, ascending.
        eigenvalues: occupation eigenvalues of each redox site, one array of shape (2, 2l + 1) a site.
        confidences: probability of each redox site's assigned state, shape (n_redox_sites,).
        margin: log-likelihood by which the assignment beats the next one that closes the charge, in nats.
        naive_closed: whether counting full levels site by site gave the total charge.
        ambiguous: whether the frame stays out of training unless asked for.
        total_charge: charge of the cell in units of e.
        group: name of the trajectory the frame belongs to; splits never separate neighbours of one group.
        step: ionic step within that trajectory, from 0.
        source: uuid of the calculation that produced the labels; empty outside AiiDA.
    """

    configuration: Configuration
    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None
    redox_sites: tuple[int, ...]
    eigenvalues: tuple[NDArray[np.float64], ...]
    confidences: NDArray[np.float64]
    margin: float
    naive_closed: bool
    ambiguous: bool
    total_charge: int = 0
    group: str = ""
    step: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        here = self.configuration
        spins = digital_spins(here.numbers, here.oxidation_states, self.redox_sites, self.eigenvalues)
        object.__setattr__(self, "configuration", replace(here, spins=spins))

    @property
    def pattern(self) -> Pattern:
        """The redox pattern DFT found."""
        return Pattern.read(self.configuration.oxidation_states, self.redox_sites)

    @property
    def content_hash(self) -> str:
        """SHA-256 over structure, states and labels, rounded to the precision outputs print.

        Origin (group, step, source) is left out, so the same physics found twice has the same hash. So are the spins:
        orders of the moments differ in energy and forces, and all moments reversed is the same physics.
        """
        digest = hashlib.sha256()
        configuration = self.configuration
        digest.update(configuration.numbers.astype("<i8").tobytes())
        digest.update(configuration.oxidation_states.astype("<i8").tobytes())
        for array in (configuration.positions, configuration.cell, self.forces, np.array([self.energy])):
            rounded = np.round(np.asarray(array, dtype="<f8"), 6) + 0.0  # + 0.0 folds -0.0 into 0.0
            digest.update(rounded.tobytes())
        return digest.hexdigest()
