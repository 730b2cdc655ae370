from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.active_learning.exploration.frames import read_explored
from aiida_redoxmlp.active_learning.records import BandCounts
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors
from aiida_redoxmlp.errors import ExplorationInterruptedError, InputError
from aiida_redoxmlp.runners import explore
from aiida_redoxmlp.runners.explore_job import FRAMES_FILE, SELECTION_FILE, ExploreJob, ExploreOutput
from aiida_redoxmlp.runners.explore_progress import ExploreProgress
from aiida_redoxmlp.runners.jobs import CHECKPOINT_FOLDER, INPUT_FILE, OUTPUT_FILE, PROGRESS_FILE
from aiida_redoxmlp.runners.progress import ProgressLog
from aiida_redoxmlp.runners.select_job import SelectJob, SelectOutput
from aiida_redoxmlp.runners.structure_file import structure_text
from tests.active_learning.exploration.spring_committee import SpringCommittee, lattice

JOB = {
    "structures": {"charged": {"file": "charged.json"}},
    "chemistry": {"total_charge": 1, "allowed_states": {"Mn": [2, 3]}},
    "settings": {
        "walks": [{"stages": [{"n_steps": 12, "temperature": 300.0}], "charges": {"interval": 4}, "frame_interval": 5}],
        "checkpoint_interval": 0.0,
    },
}


@pytest.fixture
def committee() -> SpringCommittee:
    return SpringCommittee(lattice(2, (2, 3)).positions)


@pytest.fixture
def job_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committee: SpringCommittee) -> Path:
    """A job's folder, with an engine registry that gives springs."""
    (tmp_path / "charged.json").write_text(structure_text(lattice(2, (2, 3))))
    (tmp_path / INPUT_FILE).write_text(ExploreJob.model_validate(JOB).model_dump_json())

    def load_potential(folder: Path, device: str) -> SpringCommittee:
        assert (folder, device) == (tmp_path / "model", "auto")
        return committee

    monkeypatch.setattr(explore, "load_potential", load_potential)
    return tmp_path


def test_an_exploration_writes_its_frames_and_what_became_of_the_walkers(job_folder: Path) -> None:
    explore.run(job_folder)
    output = ExploreOutput.model_validate_json((job_folder / OUTPUT_FILE).read_text())
    frames = read_explored(job_folder / FRAMES_FILE)
    assert [frame.step for frame in frames] == [0, 5, 10, 12]
    assert (output.n_frames, output.n_steps, output.n_steps_asked) == (4, 12, 12)
    assert [walker.name for walker in output.walkers] == ["charged", "charged, walk 1.1"]
    assert output.n_stopped == {}
    assert {*output.patterns} == {"Mn2O2"}
    assert sum(output.patterns["Mn2O2"].values()) == 4
    assert output.largest_force_spreads_ev_per_angstrom == [f.uncertainty.largest_force_spread for f in frames]
    lines = [json.loads(line) for line in (job_folder / PROGRESS_FILE).read_text().splitlines()]
    assert list(dict.fromkeys(line["event"] for line in lines)) == ["started", "exploring", "finished"]
    assert all(line["job"] == "explore" for line in lines)


def test_a_job_that_a_signal_stops_says_how_far_it_came_and_goes_on_to_the_same_frames(
    job_folder: Path, committee: SpringCommittee, monkeypatch: pytest.MonkeyPatch
) -> None:
    explore.run(job_folder)
    unbroken = read_explored(job_folder / FRAMES_FILE)
    for path in (*(job_folder / CHECKPOINT_FOLDER).iterdir(), job_folder / OUTPUT_FILE, job_folder / PROGRESS_FILE):
        path.unlink()
    committee.n_evaluations = 0
    evaluate = SpringCommittee.evaluate

    def stopped(self, configurations, *, stress=False):
        if self.n_evaluations == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, configurations)

    monkeypatch.setattr(SpringCommittee, "evaluate", stopped)
    with pytest.raises(ExplorationInterruptedError, match=r"SIGTERM stopped the exploration after \d of 12 steps"):
        explore.run(job_folder)
    assert not (job_folder / OUTPUT_FILE).exists()
    progress = ExploreProgress((job_folder / PROGRESS_FILE).read_text())
    assert progress.advanced
    assert progress.reached.endswith("of 12 steps")
    monkeypatch.setattr(SpringCommittee, "evaluate", evaluate)
    explore.run(job_folder)
    for one, other in zip(read_explored(job_folder / FRAMES_FILE), unbroken, strict=True):
        np.testing.assert_array_equal(one.configuration.positions, other.configuration.positions)
        np.testing.assert_array_equal(one.configuration.oxidation_states, other.configuration.oxidation_states)


SELECTION = {
    "frames": [FRAMES_FILE],
    "structures": {"charged": "charged.json"},
    "chemistry": JOB["chemistry"],
    "settings": {"selection": {"n_labels": 2}},
}


@pytest.fixture
def selections(monkeypatch: pytest.MonkeyPatch) -> list[SelectJob]:
    """The selections that were made, each without a request."""
    made: list[SelectJob] = []

    def select_in(folder: Path, job: SelectJob, potential: SpringCommittee, log: ProgressLog) -> SelectOutput:
        made.append(job)
        return SelectOutput(
            strategy="redox_aware",
            n_explored=len(read_explored(folder / job.frames[0])),
            requests=[],
            counts=BandCounts(
                n_candidates=4, n_known=4, n_uncertain_forces=0, n_uncertain_electrons=0, n_uncertain=0, n_too_far=0
            ),
            force_spreads_ev_per_angstrom=[],
            doubts=[],
            factors=SpreadFactors(),
            wall_time_s=log.elapsed,
            device=potential.device,
        )

    monkeypatch.setattr(explore, "select_in", select_in)
    return made


def test_a_selection_is_made_from_the_frames_before_the_job_ends(job_folder: Path, selections: list[SelectJob]) -> None:
    (job_folder / INPUT_FILE).write_text(ExploreJob.model_validate(JOB | {"selection": SELECTION}).model_dump_json())
    explore.run(job_folder)
    (job,) = selections
    assert job.settings.selection.n_labels == 2
    selected = SelectOutput.model_validate_json((job_folder / SELECTION_FILE).read_text())
    output = ExploreOutput.model_validate_json((job_folder / OUTPUT_FILE).read_text())
    assert selected.n_explored == output.n_frames == 4
    assert selected.wall_time_s <= output.wall_time_s


def test_nothing_is_selected_where_no_walker_went_beyond_its_start(
    job_folder: Path, selections: list[SelectJob]
) -> None:
    settings = {**JOB["settings"], "limits": {"force_spread": 1e-9}}
    content = JOB | {"selection": SELECTION, "settings": settings}
    (job_folder / INPUT_FILE).write_text(ExploreJob.model_validate(content).model_dump_json())
    explore.run(job_folder)
    output = ExploreOutput.model_validate_json((job_folder / OUTPUT_FILE).read_text())
    assert output.went_nowhere
    assert not selections
    assert not (job_folder / SELECTION_FILE).exists()


def test_how_far_an_exploration_came_is_read_from_whole_lines() -> None:
    assert ExploreProgress("").reached == "before the first step"
    assert not ExploreProgress('{"event": "started"}\n{"event": "relaxing", "step": 2}').advanced
    relaxed = '{"event": "relaxed", "done": 4, "of": 20}\n{"event": "explor'
    assert ExploreProgress(relaxed).reached == "after 4 of 20 relaxations"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"walks": [{"stages": [{"n_steps": 0, "temperature": 300}]}]}}, "n_steps"),
        ({"settings": {}}, "nothing is to be explored"),
        ({"structures": {}}, "There is no structure to explore from"),
        ({"structures": {"a": {"file": "missing.json"}}}, "missing.json is not in the job's folder"),
        ({"chemistry": {"total_charge": 2, "allowed_states": {"Mn": [2, 3]}}}, "cannot have the states given"),
    ],
)
def test_bad_input_is_said_in_a_sentence(job_folder: Path, change: dict[str, object], message: str) -> None:
    (job_folder / INPUT_FILE).write_text(json.dumps(JOB | change))
    with pytest.raises(InputError, match=message):
        explore.run(job_folder)
    assert not (job_folder / OUTPUT_FILE).exists()
