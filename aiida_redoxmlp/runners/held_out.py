"""Predictions of a training's committee for the frames it was validated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError, OutputFormatError

__all__ = ("HeldOutPredictions",)


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """What DFT and every member say of the frames held out.

    Attributes:
        n_atoms: of every frame, shape (n_frames,).
        energies_dft: eV, shape (n_frames,).
        forces_dft: eV/Å, shape (n_atoms_total, 3).
        energies: eV, shape (n_members, n_frames).
        forces: eV/Å, shape (n_members, n_atoms_total, 3).
    """

    n_atoms: NDArray[np.int64]
    energies_dft: NDArray[np.float64]
    forces_dft: NDArray[np.float64]
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]

    @classmethod
    def of(cls, potential: CommitteePotential, frames: Sequence[Frame]) -> HeldOutPredictions:
        """Evaluate a committee on frames."""
        results = potential.evaluate([frame.configuration for frame in frames])
        return cls(
            n_atoms=np.array([len(frame.configuration) for frame in frames]),
            energies_dft=np.array([frame.energy for frame in frames]),
            forces_dft=np.concatenate([frame.forces for frame in frames]),
            energies=np.stack([result.energies for result in results], axis=1),
            forces=np.concatenate([result.forces for result in results], axis=1),
        )

    @classmethod
    def read(cls, stream: BinaryIO) -> HeldOutPredictions:
        """Read what :meth:`write` wrote.

        Raises:
            OutputFormatError: if it is something else.
        """
        try:
            with np.load(stream, allow_pickle=False) as arrays:
                return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise OutputFormatError(
                "The predictions for the frames held out cannot be read; train the member again."
            ) from error

    @classmethod
    def join(cls, parts: Sequence[HeldOutPredictions]) -> HeldOutPredictions:
        """Join the members of several trainings.

        Raises:
            InputError: if they were validated on different frames.
        """
        first = parts[0]
        for other in parts[1:]:
            if not (
                np.array_equal(first.n_atoms, other.n_atoms)
                and np.array_equal(first.energies_dft, other.energies_dft)
                and np.array_equal(first.forces_dft, other.forces_dft)
            ):
                raise InputError(
                    "The members were validated on different frames; join trainings on one dataset with one "
                    "validation_fraction."
                )
        return cls(
            first.n_atoms,
            first.energies_dft,
            first.forces_dft,
            np.concatenate([one.energies for one in parts]),
            np.concatenate([one.forces for one in parts]),
        )

    def write(self, path: Path) -> None:
        """Write an npz file."""
        np.savez_compressed(path, **{name: getattr(self, name) for name in self.__dataclass_fields__})

    @property
    def energy_mae(self) -> float:
        """Mean absolute error of the committee's mean energy, eV per atom."""
        return float(np.mean(np.abs(self.energies.mean(axis=0) - self.energies_dft) / self.n_atoms))

    @property
    def force_mae(self) -> float:
        """Mean absolute error of the committee's mean forces, eV/Å."""
        return float(np.mean(np.abs(self.forces.mean(axis=0) - self.forces_dft)))
