"""The 4-atom cell of LiCoO2 that Quantum ESPRESSO's own example of U and V has."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.spacegroup import crystal
from ase.units import Bohr


@pytest.fixture
def licoo2() -> Atoms:
    """R-3m, ``celldm(1) = 9.3705`` Bohr, ``celldm(4) = 0.83874``; Co, O, O, Li."""
    angle = np.degrees(np.arccos(0.83874))
    z = 0.2604885
    return Atoms(
        "CoO2Li",
        scaled_positions=[(0, 0, 0), (z, z, z), (1 - z, 1 - z, 1 - z), (0.5, 0.5, 0.5)],
        cell=[9.3705 * Bohr] * 3 + [angle] * 3,
        pbc=True,
    )


@pytest.fixture
def limno2() -> Atoms:
    """Monoclinic LiMnO2 (C2/m): four Mn-O of 1.92 Å and two of 2.30 Å, Jahn-Teller's work."""
    return crystal(
        ["Mn", "Li", "O"],
        [(0, 0, 0), (0, 0.5, 0.5), (0.272, 0, 0.771)],
        spacegroup=12,
        cellpar=[5.439, 2.809, 5.388, 90, 116, 90],
    )


@pytest.fixture
def tenorite() -> Atoms:
    """CuO (C2/c): four Cu-O of 1.96 Å in a square, two more O at 2.78 Å."""
    return crystal(
        ["Cu", "O"], [(0.25, 0.25, 0), (0, 0.418, 0.25)], spacegroup=15, cellpar=[4.684, 3.423, 5.129, 90, 99.5, 90]
    )
