from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.split import split_tail
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.testing import toy_frames

FRAMES = {name: toy_frames(9, seed=number, group=name) for number, name in enumerate("abc")}
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)
fractions = st.floats(0.01, 0.99)


def trajectories(lengths: list[int]) -> list[Frame]:
    return [frame for name, length in zip("abc", lengths, strict=False) for frame in FRAMES[name][:length]]


@settings(deadline=None)
@given(sizes, fractions)
def test_every_frame_is_on_one_side(lengths: list[int], fraction: float) -> None:
    frames = trajectories(lengths)
    head, tail = split_tail(frames, fraction)
    assert sorted(map(id, (*head, *tail))) == sorted(map(id, frames))


@settings(deadline=None)
@given(sizes, fractions)
def test_no_trajectory_is_trained_on_after_its_held_out_block(lengths: list[int], fraction: float) -> None:
    head, tail = split_tail(trajectories(lengths), fraction)
    for group, length in zip("abc", lengths, strict=False):
        before = [frame.step for frame in head if frame.group == group]
        after = [frame.step for frame in tail if frame.group == group]
        if length >= 2:
            assert before
            assert after
            assert max(before) < min(after)


@settings(deadline=None)
@given(sizes, fractions)
def test_two_frames_are_enough_for_both_sides(lengths: list[int], fraction: float) -> None:
    head, tail = split_tail(trajectories(lengths), fraction)
    assert head
    assert bool(tail) == (sum(lengths) > 1)


def test_the_share_is_kept_a_trajectory() -> None:
    head, tail = split_tail(trajectories([9, 6, 3]), 1 / 3)
    assert [len([frame for frame in tail if frame.group == group]) for group in "abc"] == [3, 2, 1]
    assert len(head) == 12


def test_order_of_frames_within_a_trajectory_does_not_matter() -> None:
    frames = trajectories([9])
    _, tail = split_tail(frames, 0.3)
    _, shuffled = split_tail(frames[::-1], 0.3)
    assert set(map(id, tail)) == set(map(id, shuffled))


def test_single_points_are_split_among_themselves() -> None:
    singles = [toy_frames(1, seed=seed, group=f"point-{seed}")[0] for seed in range(10)]
    head, tail = split_tail(singles, 0.2)
    assert (head, tail) == (tuple(singles[:8]), tuple(singles[8:]))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5])
def test_fraction_that_empties_a_side_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        split_tail(trajectories([4]), fraction)
