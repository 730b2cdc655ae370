from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.testing import toy_frames


def test_the_same_physics_found_twice_counts_once() -> None:
    frames = toy_frames(3)
    again = [replace(frame, group="retry", source="another", step=frame.step + 7) for frame in frames]
    assert Dataset([*frames, *again]).deduplicated().frames == frames


def test_a_relabelled_frame_is_another_frame() -> None:
    (frame,) = toy_frames(1)
    swapped = replace(frame, configuration=replace(frame.configuration, oxidation_states=np.array([3, 2, -2, -2])))
    assert len(Dataset([frame, swapped]).deduplicated()) == 2


def test_ambiguous_frames_are_left_out_unless_asked_for() -> None:
    sure, doubtful = toy_frames(2)
    dataset = Dataset([sure, replace(doubtful, ambiguous=True)])
    assert dataset.trusted().frames == (sure,)
    assert len(dataset.trusted(include_ambiguous=True)) == 2


def test_species_and_patterns_are_listed_once_and_sorted() -> None:
    dataset = Dataset(toy_frames(6))
    assert [species.label for species in dataset.species] == ["Mn2+", "Mn3+", "O2-"]
    assert [pattern.label for pattern in dataset.patterns] == ["(2,3)", "(3,2)"]


def test_groups_follow_time_whatever_the_order_of_frames() -> None:
    frames = toy_frames(4, group="a")
    other = toy_frames(1, group="b")
    groups = Dataset([frames[2], other[0], frames[0], frames[3], frames[1]]).groups
    assert list(groups) == ["a", "b"]
    assert groups["a"] == frames


def test_merge_keeps_the_first_of_equal_frames() -> None:
    frames = toy_frames(3)
    merged = Dataset(frames[:2]).merge(Dataset(frames[1:]), Dataset(frames))
    assert merged.frames == frames


def test_summary_is_json_and_counts_what_is_there() -> None:
    frames = [replace(frame, source=f"uuid-{frame.step % 2}") for frame in toy_frames(5)]
    frames[4] = replace(frames[4], ambiguous=True)
    summary = json.loads(json.dumps(Dataset(frames).summary()))
    assert (summary["n_frames"], summary["n_ambiguous"], summary["n_groups"]) == (5, 1, 1)
    assert summary["patterns"] == {"(2,3)": 3, "(3,2)": 2}
    assert summary["total_charges"] == [1]
    assert summary["sources"] == ["uuid-0", "uuid-1"]
    low, high = summary["energy_range_ev_per_atom"]
    assert low <= frames[0].energy / 4 <= high


def test_empty_dataset_has_a_summary() -> None:
    assert Dataset([]).summary()["n_frames"] == 0
