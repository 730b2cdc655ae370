"""What the search benchmarks share: a cell, potentials, and a loop over mace-torch's calculator for ASE."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.spacegroup import crystal
from mace.calculators import MACECalculator
from training_runs import DATASET, closed_frames, settings_for, train

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.deployable import deployable_encoding
from aiida_redoxmlp.engines.mace.description import MaceDescription
from aiida_redoxmlp.engines.mace.export import export_committee
from aiida_redoxmlp.engines.mace.network import build_network
from aiida_redoxmlp.engines.mace.potential import MaceCommittee, load_committee
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species

__all__ = ("AseLoop", "olivine", "trained_potential", "untrained_potential")

STATES = {"Li": 1, "P": 5, "O": -2}
SPECIES = (Species("Li", 1), Species("Mn", 2), Species("Mn", 3), Species("P", 5), Species("O", -2))


def olivine() -> Atoms:
    """Return LiMnPO4 in its conventional cell: 28 atoms, four of them Mn."""
    places = [(0, 0, 0), (0.28, 0.25, 0.97), (0.09, 0.25, 0.41), (0.10, 0.25, 0.74), (0.46, 0.25, 0.21),
              (0.165, 0.045, 0.28)]  # fmt: skip
    return crystal(
        ("Li", "Mn", "P", "O", "O", "O"), places, spacegroup=62, cellpar=(10.44, 6.10, 4.74, 90.0, 90.0, 90.0)
    )


def untrained_potential(dtype: str, n_members: int, **architecture: Any) -> MaceCommittee:
    """Return networks with random weights, which take as long as trained ones."""
    encoding = Encoding.for_species("species", SPECIES)
    description = MaceDescription(
        encoding=encoding.to_dict(),
        architecture=MaceArchitecture.read(architecture),
        reference_energies=tuple(-400.0 - 10.0 * one.state for one in encoding.model_species),
        scale=1.0,
        shift=0.0,
        avg_num_neighbors=50.0,
        dtype=dtype,
    )
    networks = [build_network(description, seed=seed) for seed in range(n_members)]
    networks = [network.requires_grad_(False).eval() for network in networks]
    return MaceCommittee(description, tuple(networks), tuple(range(n_members)))


def trained_potential(
    model: Path | None, *, dataset: Path = DATASET, n_members: int = 2, n_steps: int = 1000
) -> MaceCommittee:
    """Return the potential of a folder, or train a small one on the benchmark dataset."""
    if model is not None:
        return load_committee(model)
    if not dataset.exists():
        raise SystemExit(f"There is no dataset {dataset}; make it with benchmarks/limnpo4_dataset.py or give --model.")
    frames = closed_frames(dataset)
    architecture = {"r_max": 4.5, "num_channels": 8, "max_L": 0, "max_ell": 2, "radial_mlp": (16, 16)}
    settings = settings_for(len(frames), n_steps, seeds=list(range(1, n_members + 1)), architecture=architecture)
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder), frames, settings)
        return load_committee(Path(folder) / "model")


class AseLoop:
    """What one would write without this package: mace-torch's calculator and one structure after another.

    Args:
        potential: the committee, whose members are written to files and read by the calculator.
        parent: positions and cell.
        dtype: floating-point type of the calculator.
    """

    def __init__(self, potential: MaceCommittee, parent: Atoms, *, dtype: str) -> None:
        self._encoding = deployable_encoding(potential)
        members = list(range(potential.n_members))
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            export_committee(potential, Path(folder), format_name="mace", members=members)
            files = sorted(Path(folder).glob("member_*.model"))
            self.calculator = MACECalculator(
                model_paths=[str(file) for file in files], device=potential.device, default_dtype=dtype
            )
        self.atoms = Atoms(positions=parent.positions, cell=parent.cell, pbc=True)
        self.atoms.calc = self.calculator

    def numbers(self, configuration: Configuration) -> np.ndarray:
        """Return the numbers that stand for the species of a configuration in the exported files."""
        return np.asarray(self._encoding.encode(configuration))

    def energy(self, numbers: np.ndarray) -> float:
        """Return the committee's mean energy in eV of one decoration."""
        self.atoms.numbers = numbers
        return float(self.atoms.get_potential_energy())

    def energies(self, many: Sequence[np.ndarray]) -> np.ndarray:
        """Return the energies of many decorations, one after another."""
        return np.array([self.energy(numbers) for numbers in many])
