from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.dataset.subsets import nested_subsets, trajectory_folds
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.testing import toy_frames

FRAMES = toy_frames(60)  # half of either pattern


def of_pattern(number, index, group):
    return [replace(frame, group=group) for frame in FRAMES[index::2][:number]]


@given(st.integers(3, 30), st.integers(3, 30), st.integers(0, 3), st.data())
def test_subsets_are_nested_and_keep_every_pattern_in_proportion(n_first, n_second, seed, data):
    frames = of_pattern(n_first, 0, "a") + of_pattern(n_second, 1, "b")
    sizes = data.draw(st.lists(st.integers(2, len(frames)), min_size=1, max_size=4))
    subsets = nested_subsets(frames, sizes, seed)
    assert list(subsets) == sorted(set(sizes))
    smaller = set()
    for size, subset in subsets.items():
        assert len(subset) == size
        assert smaller <= set(map(id, subset))
        smaller = set(map(id, subset))
        first = sum(frame.group == "a" for frame in subset)
        assert 1 <= first < size
        assert abs(first - size * n_first / len(frames)) <= 1


@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_order_of_the_input_does_not_change_a_subset(seed, random):
    shuffled = list(FRAMES)
    random.shuffle(shuffled)
    one, other = (nested_subsets(frames, [7], seed)[7] for frames in (FRAMES, shuffled))
    assert set(map(id, one)) == set(map(id, other))


def test_seed_decides_which_frames_come_first():
    assert len({frozenset(map(id, nested_subsets(FRAMES, [6], seed)[6])) for seed in range(5)}) == 5


def test_rare_pattern_is_in_the_smallest_subset():
    frames = of_pattern(30, 0, "common") + of_pattern(1, 1, "rare")
    assert {frame.group for frame in nested_subsets(frames, [2])[2]} == {"common", "rare"}


@pytest.mark.parametrize("sizes", [[], [0], [61], [5, -1]])
def test_sizes_that_cannot_be_are_refused(sizes):
    with pytest.raises(InputError, match="cannot be taken from 60"):
        nested_subsets(FRAMES, sizes)


def test_folds_share_out_whole_trajectories_of_every_pattern():
    frames = [frame for number in range(6) for frame in of_pattern(4 + number, number % 2, f"run{number}")]
    folds = trajectory_folds(frames, 3)
    assert sorted(map(id, (frame for fold in folds for frame in fold))) == sorted(map(id, frames))
    groups = [{frame.group for frame in fold} for fold in folds]
    assert sum(len(one) for one in groups) == 6
    assert [len({frame.pattern for frame in fold}) for fold in folds] == [2, 2, 2]


@given(st.lists(st.integers(1, 8), min_size=2, max_size=6), st.integers(2, 6), st.integers(0, 3))
def test_no_fold_is_empty(lengths, n_folds, seed):
    frames = [frame for number, length in enumerate(lengths) for frame in of_pattern(length, 0, f"run{number}")]
    if n_folds > len(lengths):
        with pytest.raises(InputError, match=f"cannot make {n_folds} folds"):
            trajectory_folds(frames, n_folds, seed)
        return
    folds = trajectory_folds(frames, n_folds, seed)
    assert all(folds)
    assert max(Counter(group for fold in folds for group in {frame.group for frame in fold}).values()) == 1


def test_one_fold_is_none():
    with pytest.raises(InputError, match="cannot make 1 folds"):
        trajectory_folds(FRAMES, 1)
