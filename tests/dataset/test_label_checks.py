from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.dataset.label_checks import check_labels
from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.testing import toy_frames

RYDBERG = 13.605693


def test_frames_with_and_without_stress_may_be_mixed():
    plain, strained = toy_frames(2)
    check_labels([plain, replace(strained, stress=np.eye(3))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forces": np.full((4, 3), np.nan)}, "1 of 3 frames without usable forces, such as step 2 of toy"),
        ({"forces": np.zeros((3, 3))}, "1 of 3 frames without usable forces"),
        ({"forces": np.zeros((0, 3))}, "1 of 3 frames without usable forces"),
        ({"energy": float("nan")}, "1 of 3 frames whose energy is no number"),
        ({"stress": np.full((3, 3), np.inf)}, "1 of 3 frames whose stress is no number"),
        ({"energy": -1000.0 / RYDBERG}, r"energies of Mn2O2 from -250\.\d eV/atom .* to -18\.4 eV/atom"),
    ],
)
def test_labels_that_teach_nonsense_are_refused_in_one_sentence(change, message):
    *good, last = toy_frames(3)
    with pytest.raises(InputError, match=message) as caught:
        check_labels([*good, replace(last, **change)], "mine.npz")
    assert str(caught.value).startswith("mine.npz has ")
    assert "\n" not in str(caught.value)


def test_frame_that_does_not_close_is_refused_unless_it_is_known_to_be_in_doubt():
    (frame,) = toy_frames(1)
    wrong = replace(frame, total_charge=0)
    with pytest.raises(ClosureError, match=r"states add up to \+1 in a cell of charge \+0"):
        check_labels([wrong])
    check_labels([replace(wrong, ambiguous=True)])
    check_labels([])
