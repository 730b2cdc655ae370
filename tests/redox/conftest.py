"""Two real cathode materials: β-Li½MnPO4 and olivine LiMnPO4."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase import Atoms
from ase.io import read
from ase.spacegroup import crystal

STRUCTURES = Path(__file__).parents[2] / "examples" / "structures"


@pytest.fixture
def beta() -> Atoms:
    """β-Li½MnPO4, 13 atoms, the two Mn first."""
    return read(STRUCTURES / "beta-Li0.5MnPO4.cif")


@pytest.fixture
def olivine() -> Atoms:
    """LiMnPO4, Pnma, 28 atoms, 4 Mn."""
    return crystal(
        ["Li", "Mn", "P", "O", "O", "O"],
        [
            (0, 0, 0),
            (0.2817, 0.25, 0.9719),
            (0.0923, 0.25, 0.4081),
            (0.0968, 0.25, 0.7339),
            (0.4561, 0.25, 0.2093),
            (0.1609, 0.0495, 0.2780),
        ],
        spacegroup=62,
        cellpar=[10.431, 6.095, 4.737, 90, 90, 90],
    )
