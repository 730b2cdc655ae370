from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.redox.spins import digital_spin, digital_spins


@pytest.mark.parametrize(
    ("moment", "electrons", "expected"),
    [
        (4.60, 5, 5),  # Mn2+, high spin
        (-3.84, 4, -4),  # Mn3+, high spin, down
        (4.49, 5, 5),  # half-way to a d4 moment; the parity of five electrons decides
        (0.02, 6, 0),  # Co3+, low spin
        (2.9, 7, 3),  # Co2+, high spin
        (0.9, 7, 1),  # Ni3+, low spin
        (1.7, 8, 2),  # Ni2+
        (0.3, 5, 0),  # no sign, no spin
        (3.2, None, 3),
    ],
)
def test_moment_of_a_state_becomes_whole_unpaired_electrons(moment: float, electrons: int, expected: int) -> None:
    assert digital_spin(moment, electrons, 2) == expected


@given(st.floats(-7, 7), st.integers(0, 14), st.sampled_from([2, 3]))
def test_unpaired_electrons_fit_the_shell_and_turn_with_the_moment(moment: float, electrons: int, shell: int) -> None:
    electrons = min(electrons, 2 * (2 * shell + 1))
    spin = digital_spin(moment, electrons, shell)
    assert digital_spin(-moment, electrons, shell) == -spin
    assert abs(spin) <= min(electrons, 2 * (2 * shell + 1) - electrons)
    assert spin == 0 or ((spin - electrons) % 2 == 0 and spin * moment > 0)


def test_only_sites_with_eigenvalues_have_spins() -> None:
    up, down = np.full(5, 0.98), np.full(5, 0.05)
    spins = digital_spins(
        np.array([25, 8, 25]), np.array([2, -2, 2]), (0, 2), [np.stack([up, down]), np.stack([down, up])]
    )
    assert spins.tolist() == [5, 0, -5]
