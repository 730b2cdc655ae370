from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal


def test_demo_structure_is_half_delithiated_cmcm(beta: Atoms) -> None:
    """Around each Mn it is the conventional cell built from the Wyckoff positions."""
    full = crystal(
        ["Mn", "Li", "P", "O", "O"],
        [(0, 0, 0), (0, 0.667, 0.25), (0, 0.3544, 0.25), (0, 0.2513, 0.0430), (0.2733, 0.4642, 0.25)],
        spacegroup=63,
        cellpar=[5.65, 8.35, 6.20, 90, 90, 90],
    )
    assert beta.get_chemical_symbols()[:2] == ["Mn", "Mn"]
    assert beta.get_chemical_formula() == "LiMn2O8P2"
    assert beta.get_volume() == pytest.approx(full.get_volume() / 2, rel=1e-6)
    assert len(full) == 28
    for site in (0, 1):
        assert _framework_distances(beta, site) == pytest.approx(_framework_distances(full, 0), abs=1e-4)


def _framework_distances(atoms: Atoms, site: int) -> np.ndarray:
    """Distances in Å up to 5 Å from an atom to all but Li, which one of the two cells has less of."""
    centres, others, lengths = neighbor_list("ijd", atoms, 5.0)
    return np.sort(lengths[(centres == site) & (atoms.numbers[others] != atomic_numbers["Li"])])
