from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.redox.pw_output.ewald import ewald_energy

FCC = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
ROCKSALT = np.vstack([FCC, np.add(FCC, (1, 0, 0))]).astype(float)


def test_rocksalt_has_its_madelung_constant():
    energy = ewald_energy(2 * np.eye(3), ROCKSALT, [1] * 4 + [-1] * 4)
    # Four pairs at the distance 1 bohr, e² = 2 in Rydberg units.
    assert energy / 8 == pytest.approx(-1.747565, abs=2e-6)


def test_a_simple_cubic_electron_lattice_has_its_wigner_energy():
    assert ewald_energy(np.eye(3), np.zeros((1, 3)), [1]) == pytest.approx(-2.837297, abs=2e-6)


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
@settings(max_examples=20, deadline=None)
def test_the_origin_does_not_matter(shift):
    charges = [2.0] * 4 + [-1.0] * 4
    moved = ewald_energy(2 * np.eye(3), ROCKSALT + shift, charges)
    assert moved == pytest.approx(ewald_energy(2 * np.eye(3), ROCKSALT, charges), abs=1e-6)
