from __future__ import annotations

import numpy as np
import pytest
from ase.stress import full_3x3_to_voigt_6_stress

from aiida_redoxmlp.dataset.errors import by_label, mean_absolute, root_mean_square, stress_components


def test_means_are_over_all_elements():
    errors = np.array([[1.0, -1.0], [3.0, -3.0]])
    assert mean_absolute(errors) == 2.0
    assert root_mean_square(errors) == pytest.approx(np.sqrt(5))


def test_rows_go_to_their_label_in_alphabetical_order():
    table = by_label(["O2-", "Mn3+", "O2-"], np.array([[1.0], [2.0], [3.0]]))
    assert {label: rows.ravel().tolist() for label, rows in table.items()} == {"Mn3+": [2.0], "O2-": [1.0, 3.0]}
    assert list(table) == ["Mn3+", "O2-"]


def test_stress_has_six_components_in_voigts_order():
    stress = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    assert stress_components(stress).tolist() == full_3x3_to_voigt_6_stress(stress).tolist()
    assert stress_components(np.stack([stress] * 4)).shape == (4, 6)
