from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.split import Split, split_by_trajectory
from aiida_redoxmlp.dataset.twins import TWIN_DISTANCE, twins_of
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.testing import toy_frames

POOL = toy_frames(240)  # (2,3) at even, (3,2) at odd steps; no two of them are twins
PATTERNS = ("(2,3)", "(3,2)")


def trajectories(specification: Sequence[tuple[int, int]]) -> list[Frame]:
    """Trajectories given by number of frames, and the step at which the pattern changes from (2,3) to (3,2)."""
    supply = {pattern: iter(POOL[index::2]) for index, pattern in enumerate(PATTERNS)}
    return [
        replace(next(supply[PATTERNS[step >= change]]), group=f"run{number}", step=step)
        for number, (length, change) in enumerate(specification)
        for step in range(length)
    ]


runs = st.lists(st.tuples(st.integers(1, 20), st.sampled_from([0, 3, 10, 99])), min_size=1, max_size=6)
fractions = st.floats(0.05, 0.6)


@given(runs, fractions, st.integers(0, 3))
def test_every_frame_is_in_one_place(specification, fraction, seed):
    frames = trajectories(specification)
    split = split_by_trajectory(frames, fraction, seed)
    assert sorted(map(id, (*split.training, *split.test, *split.dropped))) == sorted(map(id, frames))
    assert (split.summary["n_training"], split.summary["n_test"]) == (len(split.training), len(split.test))


@given(runs, fractions, st.integers(0, 3))
def test_trajectories_are_on_one_side_or_a_gap_lies_between(specification, fraction, seed):
    split = split_by_trajectory(trajectories(specification), fraction, seed)
    tested = {frame.group for frame in split.test}
    trained = {frame.group for frame in split.training}
    assert tested & trained <= set(split.summary["tails"])
    assert not trained & set(split.summary["held_out"])
    for group in tested & trained:
        gap = split.summary["tails"][group]["gap"]
        steps = [[frame.step for frame in side if frame.group == group] for side in (split.training, split.test)]
        assert gap >= 1
        assert np.abs(np.subtract.outer(*steps)).min() > gap


@given(runs, fractions)
def test_no_pattern_is_tested_that_is_not_trained_on(specification, fraction):
    split = split_by_trajectory(trajectories(specification), fraction)
    assert {frame.pattern for frame in split.test} <= {frame.pattern for frame in split.training}
    warned = " ".join(split.summary["warnings"])
    assert all(counts["test"] or name in warned for name, counts in split.summary["patterns"].items())


@given(runs, fractions, st.integers(0, 3), st.randoms(use_true_random=False))
def test_order_of_the_input_does_not_matter(specification, fraction, seed, random):
    frames = trajectories(specification)
    shuffled = list(frames)
    random.shuffle(shuffled)
    one, other = split_by_trajectory(frames, fraction, seed), split_by_trajectory(shuffled, fraction, seed)
    assert set(map(id, one.test)) == set(map(id, other.test))
    assert set(map(id, one.dropped)) == set(map(id, other.dropped))
    assert one.summary == other.summary


@given(st.integers(4, 12), st.floats(0.2, 0.5), st.integers(0, 5))
def test_share_is_met_to_within_half_a_trajectory(n_runs, fraction, seed):
    frames = trajectories([(5, change) for change in (0, 99) for _ in range(n_runs)])
    split = split_by_trajectory(frames, fraction, seed)
    assert not split.summary["tails"]
    assert not split.dropped
    for counts in split.summary["patterns"].values():
        assert abs(counts["test"] / (5 * n_runs) - fraction) <= 0.5 / n_runs + 1e-9


def test_seed_decides_between_equal_trajectories():
    frames = trajectories([(4, 99)] * 8)
    choices = {tuple(split_by_trajectory(frames, 0.25, seed).summary["held_out"]) for seed in range(8)}
    assert len(choices) > 3
    assert all(len(choice) == 2 for choice in choices)


def patterns_of(side: Sequence[Frame]) -> set[str]:
    return {frame.pattern.label for frame in side}


def test_campaign_of_relaxations_and_short_dynamics_tests_both_patterns():
    split = split_by_trajectory(trajectories([(5, 99), (6, 0), (16, 99), (16, 0)]), 0.2)
    assert patterns_of(split.test) == patterns_of(split.training) == set(PATTERNS)
    assert split.summary["held_out"] == ["run0", "run1"]
    assert split.summary["warnings"] == []


def test_one_trajectory_a_pattern_gives_tails_and_says_so():
    split = split_by_trajectory(trajectories([(20, 99), (20, 0)]), 0.2, gap=3)
    for group in ("run0", "run1"):
        assert [frame.step for frame in split.test if frame.group == group] == [16, 17, 18, 19]
        assert [frame.step for frame in split.dropped if frame.group == group] == [13, 14, 15]
    (warning,) = split.summary["warnings"]
    assert "too few trajectories of (2,3) and (3,2)" in warning
    assert "within 3 ionic steps" in warning


def test_gap_counts_ionic_steps_and_not_frames():
    frames = [replace(frame, step=40 * frame.step) for frame in trajectories([(20, 99)])]
    split = split_by_trajectory(frames, 0.2, gap=30)
    assert (len(split.test), len(split.dropped)) == (4, 0)


def test_pattern_met_in_passing_is_tested_where_it_was():
    split = split_by_trajectory(trajectories([(20, 10)]), 0.2, gap=1)
    assert [frame.step for frame in split.test] == [8, 9, 18, 19]
    assert [frame.step for frame in split.dropped] == [7, 10, 17]


def test_short_trajectories_are_held_out_as_a_whole_though_half_of_the_pattern_goes():
    split = split_by_trajectory(trajectories([(2, 99), (2, 99)]), 0.2)
    assert (len(split.training), len(split.test), len(split.dropped)) == (2, 2, 0)
    assert not split.summary["tails"]


def test_patterns_without_enough_frames_are_named_as_untested():
    split = split_by_trajectory(trajectories([(20, 99), (1, 0)]), 0.2)
    assert patterns_of(split.training) == set(PATTERNS)
    assert any("The pattern (3,2) is in no test frame" in warning for warning in split.summary["warnings"])


def test_one_pattern_only_is_warned_of():
    split = split_by_trajectory(trajectories([(4, 99)] * 4), 0.25)
    (warning,) = split.summary["warnings"]
    assert warning.startswith("All frames have the pattern (2,3): pattern recovery cannot be learned")


def test_dynamics_that_began_where_a_relaxation_ended_do_not_give_the_answer_away():
    frames = trajectories([(5, 99), (20, 99)])
    relaxed = frames[4].configuration
    started = replace(frames[5].configuration, positions=relaxed.positions + 0.9 * TWIN_DISTANCE, cell=relaxed.cell)
    frames[5] = replace(frames[5], configuration=started)
    split = split_by_trajectory(frames, 0.2)
    assert split.dropped == (frames[4],)
    assert [frame.step for frame in split.test] == [0, 1, 2, 3]
    assert split.summary["n_twins"] == 1


def test_twins_have_the_same_states_and_other_trajectories():
    (frame,) = toy_frames(1)
    other = replace(frame, group="other")
    swapped = replace(other, configuration=replace(frame.configuration, oxidation_states=np.array([3, 2, -2, -2])))
    moved = replace(other, configuration=replace(frame.configuration, positions=frame.configuration.positions + 0.03))
    assert twins_of([frame], [other]) == [0]
    assert twins_of([frame], [frame, swapped, moved]) == []


def test_ambiguous_frames_follow_their_trajectory_and_count_for_no_pattern():
    frames = trajectories([(20, 99), (20, 0), (20, 99), (20, 0)])
    frames[5] = replace(
        frames[5],
        ambiguous=True,
        configuration=replace(frames[5].configuration, oxidation_states=np.array([4, 1, -2, -2])),
    )
    frames[18] = replace(frames[18], ambiguous=True)
    split = split_by_trajectory(frames, 0.2, gap=2)
    assert set(split.summary["patterns"]) == set(PATTERNS)
    tails = split_by_trajectory(frames[:40], 0.2, gap=2)
    assert frames[18] in tails.test
    assert frames[5] in tails.training


def test_frames_that_are_all_ambiguous_are_split_all_the_same():
    split = split_by_trajectory([replace(frame, ambiguous=True) for frame in trajectories([(5, 99)] * 5)], 0.2)
    assert len(split.test) == 5


def test_compositions_are_kept_apart():
    frames = trajectories([(5, 99)] * 4)
    lithiated = [
        replace(frame, configuration=replace(frame.configuration, numbers=np.array([25, 25, 8, 16])))
        if frame.group in ("run2", "run3")
        else frame
        for frame in frames
    ]
    split = split_by_trajectory(lithiated, 0.3)
    assert set(split.summary["patterns"]) == {"Mn2O2 (2,3)", "Mn2OS (2,3)"}
    assert all(counts["test"] for counts in split.summary["patterns"].values())


def test_steps_that_occur_twice_are_counted_as_they_come():
    frames = [replace(frame, step=0) for frame in trajectories([(20, 99)])]
    split: Split = split_by_trajectory(frames, 0.2, gap=2)
    assert (len(split.test), len(split.dropped)) == (4, 2)


def test_summary_is_json_and_an_empty_set_has_one_too():
    split = split_by_trajectory([], 0.2)
    assert (split.training, split.test) == ((), ())
    json.dumps(split.summary, allow_nan=False)


@pytest.mark.parametrize(("fraction", "gap"), [(0.0, None), (1.0, None), (0.2, -1)])
def test_numbers_that_mean_nothing_are_refused(fraction, gap):
    with pytest.raises(InputError, match=r"split fraction|gap of -1"):
        split_by_trajectory(trajectories([(4, 99)]), fraction, gap=gap)
