from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.subsampling import decorrelated
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration

A, B = (2, 3), (3, 2)


def _trajectory(states, *, group="md", ambiguous=(), phi=0.8, first_step=0, seed=0, jump=0.0):
    """Frames of Mn2 whose energies and forces remember each other as an AR(1) process; ``jump`` eV for pattern B."""
    random = np.random.default_rng(seed)
    memory = lfilter([1.0], [1.0, -phi], random.normal(size=(len(states), 7)), axis=0)
    return [
        Frame(
            configuration=Configuration(
                np.array([25, 25]), random.normal(size=(2, 3)), 4.0 * np.eye(3), np.array(pattern)
            ),
            energy=float(memory[step, 0]) + (jump if pattern == B else 0.0),
            forces=memory[step, 1:].reshape(2, 3),
            stress=None,
            redox_sites=(0, 1),
            eigenvalues=(np.full((2, 5), 0.98),) * 2,
            confidences=np.array([0.99, 0.99]),
            margin=12.0,
            naive_closed=True,
            ambiguous=step in ambiguous,
            group=group,
            step=first_step + step,
        )
        for step, pattern in enumerate(states)
    ]


@st.composite
def datasets(draw):
    """Up to three trajectories of up to 40 frames with switches, ambiguous frames and repeated content."""
    frames = []
    for seed, group in enumerate("abc"[: draw(st.integers(1, 3))]):
        states = draw(st.lists(st.sampled_from([A, A, A, B]), min_size=1, max_size=40))
        doubt = draw(st.lists(st.sampled_from(range(len(states))), max_size=6))
        made = _trajectory(states, group=group, ambiguous=doubt, seed=seed)
        frames += made + [replace(made[0], step=len(made))] * draw(st.booleans())
    return Dataset(frames)


def _kept_steps(dataset, **options):
    return [frame.step for frame in decorrelated(dataset, **options)[0]]


def test_frames_are_one_inefficiency_apart():
    dataset = Dataset(_trajectory([A] * 2000, phi=0.9))
    kept, summary = decorrelated(dataset)
    group = summary["groups"]["md"]
    assert group["inefficiency"] == pytest.approx(19, rel=0.4)
    assert group["stride"] == int(np.ceil(group["inefficiency"]))
    assert {after.step - before.step for before, after in pairwise(kept)} == {group["stride"]}
    assert len(kept) == summary["n_kept"] == -(-2000 // group["stride"])
    assert group["note"] == ""


def test_the_slower_of_energy_and_force_decides():
    fast, slow = _trajectory([A] * 1500, phi=0.0), _trajectory([A] * 1500, phi=0.95, seed=3)
    for one, other in ((fast, slow), (slow, fast)):
        mixed = Dataset(replace(frame, forces=second.forces) for frame, second in zip(one, other, strict=True))
        assert decorrelated(mixed)[1]["groups"]["md"]["inefficiency"] > 10
    assert decorrelated(Dataset(fast))[1]["groups"]["md"]["inefficiency"] < 2


def test_the_energy_of_a_switch_is_not_taken_for_memory():
    states = [*[A] * 500, *[B] * 500]
    flat, jumping = (decorrelated(Dataset(_trajectory(states, jump=jump)))[1]["groups"]["md"] for jump in (0.0, 50.0))
    assert jumping["inefficiency"] == pytest.approx(flat["inefficiency"], rel=1e-6)


def test_steps_are_counted_not_frames():
    frames = _trajectory([A] * 900, phi=0.8)
    every_third = [replace(frame, step=3 * frame.step) for frame in frames]
    one, three = (decorrelated(Dataset(some))[1]["groups"]["md"]["inefficiency"] for some in (frames, every_third))
    assert three == pytest.approx(3 * one)


def test_the_first_frame_after_each_switch_is_kept():
    states = [*[A] * 40, *[B] * 30, *[A] * 50]
    assert {0, 40, 70} <= set(_kept_steps(Dataset(_trajectory(states))))


def test_a_rare_pattern_keeps_its_frames():
    states = [*[A] * 300, *[B] * 4, *[A] * 300]
    kept, summary = decorrelated(Dataset(_trajectory(states, phi=0.95)), minimum_per_pattern=3)
    assert summary["groups"]["md"]["kept"]["(3,2)"] == 3
    assert sorted(frame.step for frame in kept if frame.pattern.states == B) == [300, 301, 303]
    assert decorrelated(Dataset(_trajectory(states)), minimum_per_pattern=9)[1]["groups"]["md"]["kept"]["(3,2)"] == 4


def test_ambiguous_frames_are_kept_only_when_asked_for():
    dataset = Dataset(_trajectory([A] * 60, ambiguous=range(0, 60, 2)))
    assert all(step % 2 for step in _kept_steps(dataset))
    assert any(frame.ambiguous for frame in decorrelated(dataset, include_ambiguous=True)[0])


def test_a_short_trajectory_says_so_and_takes_the_stride_given():
    dataset = Dataset(_trajectory([A] * 9))
    kept, summary = decorrelated(dataset, fallback_stride=4, minimum_per_pattern=0)
    assert [frame.step for frame in kept] == [0, 4, 8]
    assert summary["groups"]["md"]["inefficiency"] is None
    assert "9 frames are too few" in summary["groups"]["md"]["note"]


def test_a_trajectory_that_is_short_for_its_memory_says_so():
    frames = _trajectory([A] * 40, phi=0.97)
    assert "likely underestimated" in decorrelated(Dataset(frames))[1]["groups"]["md"]["note"]


def test_a_relaxation_keeps_its_end():
    frames = _trajectory([A] * 23)
    falling = [replace(frame, energy=-float(1 - 0.8**frame.step)) for frame in frames]
    kept, summary = decorrelated(Dataset(falling), relaxations=["md"], fallback_stride=6)
    assert [frame.step for frame in kept] == [4, 10, 16, 22]
    assert "relaxation" in summary["groups"]["md"]["note"]


def test_a_relaxation_that_switches_keeps_the_first_frame_after_it():
    steps = _kept_steps(Dataset(_trajectory([*[A] * 6, *[B] * 6])), relaxations=["md"], minimum_per_pattern=0)
    assert steps == [0, 5, 6, 11]


def test_trajectories_do_not_disturb_each_other():
    one, other = _trajectory([A] * 80, group="one"), _trajectory([A] * 80, group="other", seed=1, phi=0.2)
    mixed = Dataset(frame for pair in zip(one, other, strict=True) for frame in pair)
    together = decorrelated(mixed)[0].groups
    for name, frames in (("one", one), ("other", other)):
        assert [frame.step for frame in together[name]] == _kept_steps(Dataset(frames))


def test_labels_that_never_change_are_worth_one_frame():
    frames = [replace(frame, energy=-1.0, forces=np.zeros((2, 3))) for frame in _trajectory([A] * 20)]
    assert _kept_steps(Dataset(frames), minimum_per_pattern=1) == [0]


def test_forces_that_vanish_by_symmetry_do_not_count():
    frames = _trajectory([A] * 400, phi=0.5)
    without = [replace(frame, forces=np.zeros((2, 3))) for frame in frames]
    assert decorrelated(Dataset(without))[1]["groups"]["md"]["inefficiency"] < 5


def test_an_empty_dataset_stays_empty():
    kept, summary = decorrelated(Dataset(()))
    assert len(kept) == summary["n_kept"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum_per_pattern": -1}, "minimum_per_pattern is -1"),
        ({"fallback_stride": 0}, "fallback_stride is 0"),
        ({"relaxations": ["relax"]}, "'relax' of relaxations is no group"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        decorrelated(Dataset(_trajectory([A])), **options)


@settings(max_examples=60)
@given(datasets(), st.integers(0, 6), st.booleans())
def test_every_pattern_of_a_trajectory_is_kept(dataset, minimum, include_ambiguous):
    kept, _ = decorrelated(dataset, minimum_per_pattern=minimum, include_ambiguous=include_ambiguous)
    unique = dataset.deduplicated().trusted(include_ambiguous=include_ambiguous)
    for name, frames in unique.groups.items():
        for pattern in {frame.pattern for frame in frames}:
            have = sum(frame.pattern == pattern for frame in frames)
            left = sum(frame.pattern == pattern for frame in kept if frame.group == name)
            assert max(1, min(minimum, have)) <= left <= have


@settings(max_examples=60)
@given(datasets(), st.booleans())
def test_without_a_minimum_all_frames_of_a_stretch_are_a_stride_apart(dataset, include_ambiguous):
    kept, summary = decorrelated(dataset, minimum_per_pattern=0, include_ambiguous=include_ambiguous)
    ids = {id(frame) for frame in kept}
    for name, frames in dataset.deduplicated().trusted(include_ambiguous=include_ambiguous).groups.items():
        for _, stretch in groupby(frames, key=lambda frame: frame.pattern):
            ordered = list(stretch)
            steps = [frame.step for frame in ordered if id(frame) in ids]
            assert steps[0] == ordered[0].step
            assert all(after - before >= summary["groups"][name]["stride"] for before, after in pairwise(steps))


@settings(max_examples=60)
@given(datasets())
def test_content_occurs_once_in_the_order_given_and_again_the_same(dataset):
    kept, summary = decorrelated(dataset)
    places = [next(place for place, frame in enumerate(dataset) if frame is one) for one in kept]
    assert places == sorted(places)
    assert len({frame.content_hash for frame in kept}) == len(kept)
    assert not any(frame.ambiguous for frame in kept)
    again, same = decorrelated(dataset)
    assert again.frames == kept.frames
    assert same == summary == json.loads(json.dumps(summary))
    assert summary["n_kept"] == sum(sum(group["kept"].values()) for group in summary["groups"].values())
