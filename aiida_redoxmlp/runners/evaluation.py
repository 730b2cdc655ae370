"""Predictions of a committee beside the labels, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.errors import stress_components
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners.pattern_recovery import Ranking

__all__ = ("AtomTable", "Evaluation")


@dataclass(frozen=True, eq=False)
class AtomTable:
    """Forces of all atoms of all frames, one after the other.

    Attributes:
        dft: eV/Å, shape (n_atoms_total, 3).
        mlp: committee mean, eV/Å, shape (n_atoms_total, 3).
        mlp_std: the committee's standard deviation a component, eV/Å, shape (n_atoms_total, 3).
        species: label of each atom's species, shape (n_atoms_total,).
        frame: index of each atom's frame, shape (n_atoms_total,).
        ambiguous: whether that frame is ambiguous, shape (n_atoms_total,).
    """

    dft: NDArray[np.float64]
    mlp: NDArray[np.float64]
    mlp_std: NDArray[np.float64]
    species: NDArray[np.str_]
    frame: NDArray[np.int64]
    ambiguous: NDArray[np.bool_]

    @classmethod
    def of(cls, frames: Sequence[Frame], results: Sequence[CommitteeEvaluation]) -> AtomTable:
        """Collect the forces of frames and of the committee on them."""
        sizes = [len(frame.configuration) for frame in frames]
        labels = [
            Species(chemical_symbols[number], int(state)).label
            for frame in frames
            for number, state in zip(frame.configuration.numbers, frame.configuration.oxidation_states, strict=True)
        ]
        return cls(
            dft=np.concatenate([frame.forces for frame in frames]),
            mlp=np.concatenate([result.mean_forces for result in results]),
            mlp_std=np.concatenate([result.forces.std(axis=0) for result in results]),
            species=np.array(labels),
            frame=np.repeat(np.arange(len(frames)), sizes),
            ambiguous=np.repeat([frame.ambiguous for frame in frames], sizes),
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a committee says of labelled frames; errors are prediction minus label.

    Attributes:
        frames: the frames.
        results: predictions, one a frame.
        rankings: what it says of the patterns, one a frame; None where it was not asked.
    """

    frames: Sequence[Frame]
    results: Sequence[CommitteeEvaluation]
    rankings: Sequence[Ranking | None]

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Frames that errors are taken over: those that are not ambiguous, or all if all are; shape (n_frames,)."""
        ambiguous = np.array([frame.ambiguous for frame in self.frames], dtype=bool)
        return ambiguous | ~ambiguous if ambiguous.all() else ~ambiguous

    @property
    def energy_errors(self) -> NDArray[np.float64]:
        """Errors of the energies in eV per atom, shape (n_frames,)."""
        pairs = zip(self.results, self.frames, strict=True)
        return np.array([result.energy - frame.energy for result, frame in pairs]) / self._sizes

    @property
    def energy_spreads(self) -> NDArray[np.float64]:
        """Standard deviations of the energies over the committee in eV per atom, shape (n_frames,)."""
        return np.array([result.energy_std for result in self.results]) / self._sizes

    @property
    def stress_errors(self) -> NDArray[np.float64]:
        """Errors of the six components in eV/Å³, shape (n_frames, 6); no number where either has no stress."""
        errors = np.full((len(self.frames), 6), np.nan)
        for row, frame, result in zip(errors, self.frames, self.results, strict=True):
            if frame.stress is not None and result.stresses is not None:
                row[:] = stress_components(result.stresses.mean(axis=0) - frame.stress)
        return errors

    @property
    def recovered(self) -> NDArray[np.float64]:
        """1 where the lowest pattern is DFT's, 0 where not, no number where there was no choice; shape (n_frames,)."""
        return np.array(
            [
                np.nan if one is None or one.n_patterns < 2 else float(one.lowest == frame.pattern)
                for frame, one in zip(self.frames, self.rankings, strict=True)
            ]
        )

    @property
    def _sizes(self) -> NDArray[np.int64]:
        return np.array([len(frame.configuration) for frame in self.frames])
