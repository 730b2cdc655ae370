from __future__ import annotations

import json

import numpy as np
import pytest
from aiida import orm
from aiida.plugins import ParserFactory

from aiida_redoxmlp.active_learning.exploration.frames import ExploredFrame, read_explored, write_explored
from aiida_redoxmlp.testing.toy import toy_frames

WALKER = {
    "name": "cell, walk 1.1",
    "kind": "walk",
    "structure": "cell",
    "strain": [0, 0, 0, 0, 0, 0],
    "rattle": 0.0,
    "n_steps": 7,
    "n_steps_asked": 100,
    "n_frames": 2,
    "stopped": "uncertain",
    "reason": "Mn (atom 0) has a force spread of 2 eV/Å, above the ceiling of 1 eV/Å.",
}
OUTPUT = {
    "n_frames": 2,
    "n_steps": 7,
    "n_steps_asked": 100,
    "n_stopped": {"uncertain": 1},
    "walkers": [WALKER],
    "patterns": {"Mn2O2": {"(2,3)": 1, "(3,2)": 1}},
    "largest_force_spreads_ev_per_angstrom": [0.1, 0.1],
    "wall_time_s": 1.0,
    "device": "cpu",
}


@pytest.fixture
def frames_file(tmp_path):
    write_explored(
        tmp_path / "frames.npz",
        [
            ExploredFrame(frame.configuration, (0, 1), -1.0, 0.01, np.full(4, 0.1), "cell, walk 1.1", step)
            for step, frame in enumerate(toy_frames(2))
        ],
    )
    return (tmp_path / "frames.npz").read_bytes()


@pytest.fixture
def parse(make_calculation):
    def run(inputs=None, **files):
        named = {name.replace("_json", ".json").replace("_npz", ".npz"): text for name, text in files.items()}
        node = make_calculation(
            "redoxmlp.explore", {"stderr.txt": "", **named}, inputs, scheduler_stderr="_scheduler-stderr.txt"
        )
        return ParserFactory("redoxmlp.explore").parse_from_node(node, store_provenance=False)

    return run


def test_frames_and_reasons_are_attached(parse, frames_file):
    outputs, node = parse(output_json=json.dumps(OUTPUT), frames_npz=frames_file)
    assert node.exit_status == 0
    assert outputs["report"]["walkers"][0]["stopped"] == "uncertain"
    with outputs["frames"].base.repository.as_path("frames.npz") as path:
        frames = read_explored(path)
    assert [frame.pattern.states for frame in frames] == [(2, 3), (3, 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: None, "frames.npz is missing"),
        (lambda content: content[:100], "frames.npz is damaged"),
        (lambda content: b"", "frames.npz is damaged"),
    ],
)
def test_frames_that_cannot_be_read_are_told(parse, frames_file, change, message):
    content = change(frames_file)
    _, node = parse(output_json=json.dumps(OUTPUT), **({} if content is None else {"frames_npz": content}))
    assert node.exit_status == 302
    assert message in node.exit_message


SELECTION = {
    "strategy": "redox_aware",
    "n_explored": 2,
    "requests": [
        {
            "name": "Mn2O2 (2,3) k",
            "key": "k",
            "structure": "cell",
            "origin": "cell, walk 1.1 step 1",
            "wanted": [2, 3],
            "reason": "force spread 0.2 eV/Å",
            "numbers": [25, 8],
            "positions": [[0, 0, 0], [2, 0, 0]],
            "cell": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        }
    ],
    "counts": dict.fromkeys(
        ("n_candidates", "n_known", "n_uncertain_forces", "n_uncertain_electrons", "n_uncertain", "n_too_far"), 1
    ),
    "force_spreads_ev_per_angstrom": [0.2, 0.1],
    "doubts": [None, None],
    "factors": {},
    "wall_time_s": 1.0,
    "device": "cpu",
}


@pytest.fixture
def selecting():
    """Inputs of an exploration that selects."""
    return {"selection__settings": orm.Dict({}), "selection__memory": orm.Dict({})}


def test_what_was_selected_is_attached(parse, frames_file, selecting):
    files = {"output_json": json.dumps(OUTPUT), "frames_npz": frames_file, "selection_json": json.dumps(SELECTION)}
    outputs, node = parse(selecting, **files)
    assert node.exit_status == 0
    assert outputs["selection"]["requests"][0]["wanted"] == [2, 3]
    assert "positions" not in outputs["selection"]["requests"][0]
    request = outputs["selected"]["request_0"] if "selected" in outputs else outputs["selected.request_0"]
    assert request.get_ase().get_chemical_formula() == "MnO"


def test_a_selection_that_is_missing_or_damaged_is_told(parse, frames_file, selecting):
    files = {"output_json": json.dumps(OUTPUT), "frames_npz": frames_file}
    _, node = parse(selecting, **files)
    assert (node.exit_status, "selection.json is missing" in node.exit_message) == (302, True)
    _, node = parse(selecting, **files, selection_json="{}")
    assert (node.exit_status, "selection.json" in node.exit_message) == (302, True)


def test_without_anything_to_select_from_there_is_no_selection(parse, frames_file, selecting):
    outputs, node = parse(selecting, output_json=json.dumps({**OUTPUT, "n_steps": 0}), frames_npz=frames_file)
    assert (node.exit_status, "selection" in outputs) == (0, False)


def test_an_output_that_tells_of_other_frames_is_told(parse, frames_file):
    _, node = parse(output_json=json.dumps({**OUTPUT, "n_frames": 3}), frames_npz=frames_file)
    assert node.exit_status == 302
    assert "holds 2 frames, but output.json tells of 3" in node.exit_message


def test_an_exploration_that_was_stopped_says_by_whom_and_how_far_it_came(parse):
    progress = '{"event": "exploring", "steps": 30, "of": 400}\n'
    killed = "Interrupted: SIGTERM stopped the exploration after 30 of 400 steps; its checkpoints are whole.\n"
    _, node = parse(**{"stderr.txt": killed, "progress.jsonl": progress})
    assert node.exit_status == 430
    assert "after 30 of 400 steps" in node.exit_message
    cancelled = "slurmstepd: error: *** JOB 7 ON node CANCELLED AT 2026-11-21T10:00:00 DUE TO TIME LIMIT ***\n"
    _, node = parse(**{"_scheduler-stderr.txt": cancelled, "progress.jsonl": progress})
    assert node.exit_status == 400
    assert node.exit_message == "The job reached its wall time limit after 30 of 400 steps."
    _, node = parse(**{"stderr.txt": "Error: There is no structure to explore from; give at least one.\n"})
    assert node.exit_status == 300
