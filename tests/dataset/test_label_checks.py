from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.dataset.label_checks import check_labels, warn_of_labels
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


@pytest.mark.parametrize(("ratio", "unit"), [(RYDBERG, "Ry"), (2 * RYDBERG, "Hartree"), (1 / 23.06, "kcal/mol")])
def test_energies_near_zero_in_two_units_are_told_apart_by_their_ratio(ratio, unit):
    first, second = (replace(frame, energy=-1.6) for frame in toy_frames(2))
    check_labels([first, replace(second, energy=-1.7)])
    with pytest.raises(InputError, match=f"as if some were in eV and some in {unit}; give all in eV"):
        check_labels([first, replace(second, energy=-1.62 / ratio)])


def test_frames_of_one_pattern_are_warned_of():
    frames = toy_frames(4)
    assert warn_of_labels(frames) == warn_of_labels([]) == []
    (warning,) = warn_of_labels(frames[::2])
    assert warning.startswith(
        "The 2 frames have one redox pattern, (2,3), so which pattern is lowest cannot be learned"
    )
