from __future__ import annotations

import numpy as np
import pytest

from aiida_redoxmlp.hubbard.band_gap import band_gap, why_not_insulator


def test_gap_is_taken_over_spins_and_k_points():
    energies = np.array([[[0.0, 1.0, 4.0], [0.2, 1.5, 3.5]], [[0.1, 1.2, 3.9], [0.0, 1.1, 3.8]]])
    occupations = np.broadcast_to([1.0, 1.0, 0.0], energies.shape)
    assert band_gap(energies, occupations) == pytest.approx(2.0)


def test_overlapping_bands_give_a_negative_gap():
    energies = np.array([[0.0, 2.0], [1.0, 1.5]])
    occupations = np.array([[2.0, 2.0], [2.0, 0.0]])
    assert band_gap(energies, occupations) == pytest.approx(-0.5)


def test_without_an_empty_band_there_is_no_gap_to_tell():
    with pytest.raises(ValueError, match="every level is occupied"):
        band_gap(np.zeros((1, 2)), np.ones((1, 2)))


@pytest.mark.parametrize(
    ("gap", "magnetization", "says"),
    [(0.02, 0.0, "the gap is 0.02 eV"), (2.0, 0.4, "0.40 μB, is not a whole number"), (2.0, 1.003, None)],
)
def test_occupations_are_fixed_only_with_a_gap_and_a_whole_magnetisation(gap, magnetization, says):
    sentence = why_not_insulator(gap, magnetization, 0.1)
    assert (sentence is None) == (says is None)
    assert says is None or says in sentence
