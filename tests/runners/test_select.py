from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.active_learning.candidates import content_key
from aiida_redoxmlp.active_learning.exploration.frames import ExploredFrame, write_explored
from aiida_redoxmlp.active_learning.label_book import LabelBook, LabelRecord
from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.runners import select
from aiida_redoxmlp.runners.jobs import INPUT_FILE, OUTPUT_FILE
from aiida_redoxmlp.runners.select_job import SelectJob, SelectOutput
from aiida_redoxmlp.runners.structure_file import structure_text
from aiida_redoxmlp.testing.toy import toy_frames
from tests.active_learning.bond_committee import BondCommittee, tilted

JOB = {
    "frames": ["frames_explore.npz"],
    "structures": {"half": "structure_half.json"},
    "chemistry": {"total_charge": 1, "allowed_states": {"Mn": [2, 3]}},
    "settings": {"selection": {"n_labels": 3, "band": {"floor": 0.0, "ceiling": None}}},
}


@pytest.fixture
def job_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folder with explored frames, and an engine registry that gives a committee of bonds."""
    frames = [
        ExploredFrame(frame.configuration, (0, 1), -1.0, 0.01, np.full(4, 0.1), "half, walk 1.1", 10 * step)
        for step, frame in enumerate(toy_frames(8, seed=6))
    ]
    write_explored(tmp_path / "frames_explore.npz", frames)
    (tmp_path / "structure_half.json").write_text(structure_text(tilted(tilt=0.3)))
    committee = BondCommittee((2.2, 2.0), (2.21, 2.0), (2.2, 1.99))
    monkeypatch.setattr(select, "load_potential", lambda folder, device: committee)
    return tmp_path


def selected(folder: Path, **changes: object) -> SelectOutput:
    (folder / INPUT_FILE).write_text(SelectJob.model_validate(JOB | changes).model_dump_json())
    select.run(folder)
    return SelectOutput.model_validate_json((folder / OUTPUT_FILE).read_text())


def test_requests_have_their_geometry_their_pattern_and_a_reason(job_folder: Path) -> None:
    output = selected(job_folder)
    assert len(output.requests) == 3
    assert (output.n_explored, output.counts.n_candidates, len(output.doubts)) == (8, 8, 8)
    for one in output.requests:
        assert (one.structure, one.origin.partition(" step ")[0]) == ("half", "half, walk 1.1")
        assert sorted(one.wanted) == [2, 3]
        assert "force spread" in one.reason
        atoms = Configuration(
            np.array(one.numbers), np.array(one.positions), np.array(one.cell), np.array([*one.wanted, -2, -2])
        )
        assert content_key(atoms) == one.key
        assert one.belief is not None
        belief = one.belief.belief(Pattern((0, 1), tuple(one.wanted)))
        assert belief.proven
        assert 0 <= belief.doubt() <= 1


def test_the_lowest_pattern_of_every_state_of_charge_is_told(job_folder: Path) -> None:
    assert selected(job_folder).ground_states == {"half": "Mn2O2 (2,3)"}


def test_what_was_asked_or_labelled_before_is_not_chosen_again(job_folder: Path) -> None:
    first = selected(job_folder).requests
    records = {
        one.key: LabelRecord(name=one.name, key=one.key, iteration=0, outcome="landed", wanted=one.wanted)
        for one in first
    }
    again = selected(job_folder, labels=LabelBook(records=records))
    assert not {one.key for one in again.requests} & set(records)
    write_dataset(job_folder / "dataset.npz", toy_frames(8, seed=6))
    labelled = selected(job_folder, dataset="dataset.npz")
    assert labelled.counts.n_asked_before > 0


def test_of_too_many_frames_some_are_candidates_and_a_sentence_says_so(job_folder: Path) -> None:
    output = selected(job_folder, settings={**JOB["settings"], "max_candidates": 4})
    assert output.counts.n_candidates == 4
    assert "Of 8 explored frames every 2th is a candidate" in output.warnings[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"selection": {"band": {"floor": 0.5, "ceiling": 0.1}}}}, "holds no candidate"),
        ({"frames": ["missing.npz"]}, "missing.npz"),
        ({"chemistry": {"total_charge": 9}}, "the nearest they reach is"),
    ],
)
def test_bad_input_is_said_in_a_sentence(job_folder: Path, change: dict[str, object], message: str) -> None:
    (job_folder / INPUT_FILE).write_text(json.dumps(JOB | change))
    with pytest.raises(InputError, match=message):
        select.run(job_folder)
    assert not (job_folder / OUTPUT_FILE).exists()
