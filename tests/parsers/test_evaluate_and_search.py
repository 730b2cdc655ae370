from __future__ import annotations

import io
import json

import numpy as np
import pytest
from aiida import orm
from aiida.plugins import ParserFactory

EVALUATION = {
    "encoding": "species",
    "n_members": 3,
    "energy_mae_ev_per_atom": 0.001,
    "energy_rmse_ev_per_atom": 0.002,
    "force_mae_ev_per_angstrom": 0.1,
    "force_rmse_ev_per_angstrom": 0.2,
    "per_species": [],
    "per_pattern": [],
    "force_calibration": {
        "n": 6,
        "n_without_spread": 0,
        "factor": 1.5,
        "rank_correlation": 0.4,
        "miscalibration_area": 0.1,
        "scaled_miscalibration_area": 0.05,
        "within_one": 0.5,
        "within_two": 0.9,
        "bins": [{"n": 6, "spread": 0.1, "rmse": 0.15, "mae": 0.12}],
    },
    "warnings": ["All frames have the pattern (2,3)."],
    "frames": [],
}


@pytest.fixture
def forces_file():
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        dft=np.zeros((2, 3)),
        mlp=np.ones((2, 3)),
        mlp_std=np.full((2, 3), 0.1),
        species=np.array(["Mn2+", "O2-"]),
    )
    return stream.getvalue()


def test_evaluation_keeps_forces_with_their_species(make_calculation, forces_file):
    files = {"output.json": json.dumps(EVALUATION), "forces.npz": forces_file, "stderr.txt": ""}
    node = make_calculation("redoxmlp.evaluate", files)
    outputs, calcfunction = ParserFactory("redoxmlp.evaluate").parse_from_node(node, store_provenance=False)
    assert calcfunction.is_finished_ok
    assert outputs["forces"].base.attributes.get("species") == ["Mn2+", "O2-"]
    assert outputs["forces"].get_array("mlp").sum() == 6.0
    report = outputs["report"].get_dict()
    assert report["force_calibration"]["bins"] == [{"n": 6, "spread": 0.1, "rmse": 0.15, "mae": 0.12}]
    assert report["warnings"] == ["All frames have the pattern (2,3)."]


PATTERN = {
    "states": [2, 3],
    "species": ["Mn2+", "Mn3+"],
    "multiplicity": 2,
    "orbit": 0,
    "energy_ev": -1.0,
    "energy_std_ev": 0.01,
    "energies_ev": [-1.0],
    "difference_ev": 0.0,
    "difference_std_ev": None,
    "energy_fixed_ions_ev": -0.8,
}
SEARCH = {
    "formula": "LiMn2O8P2",
    "sites": [0, 1],
    "fixed_ions": [],
    "n_patterns_total": 2,
    "n_patterns_distinct": 1,
    "strategy": "exhaustive",
    "n_evaluated": 1,
    "n_relaxed": 2,
    "certainty": {
        "sentence": "The lowest configuration has no other to compare with; all configurations were relaxed.",
        "proven": True,
        "n_runs": 1,
        "n_agreeing": 1,
        "gap_ev": None,
        "gap_std_ev": None,
        "n_members": 1,
        "n_members_agreeing": 1,
        "undecided": [],
    },
    "wall_time_s": 1.0,
    "device": "cpu",
}


@pytest.fixture
def parse_search(make_calculation, demo_atoms):
    def parse(**files):
        node = make_calculation(
            "redoxmlp.search",
            {"stderr.txt": "", **{name.replace("_json", ".json"): text for name, text in files.items()}},
            inputs={"structure": orm.StructureData(ase=demo_atoms)},
            scheduler_stderr="_scheduler-stderr.txt",
        )
        return ParserFactory("redoxmlp.search").parse_from_node(node, store_provenance=False)

    return parse


def test_search_gives_the_relaxed_structures_by_rank(parse_search, demo_atoms):
    moved = demo_atoms.positions + 0.1
    first = {**PATTERN, "positions": moved.tolist()}
    output = {**SEARCH, "patterns": [first, {**first, "states": [3, 2], "species": ["Mn3+", "Mn2+"]}]}
    outputs, _ = parse_search(output_json=json.dumps(output))
    assert outputs["report"]["patterns"][0]["states"] == [2, 3]
    np.testing.assert_allclose(outputs["structures"]["rank_0"].get_ase().positions, moved)
    assert "rank_1" in outputs["structures"]


def test_structures_have_the_elements_of_their_configuration_and_no_vacancies(parse_search, demo_atoms):
    pattern = {**PATTERN, "species": ["Fe2+", "Mn3+", "X"], "positions": demo_atoms.positions[:-1].tolist()}
    outputs, _ = parse_search(output_json=json.dumps({**SEARCH, "sites": [0, 1, 12], "patterns": [pattern]}))
    found = outputs["structures"]["rank_0"].get_ase()
    assert found.get_chemical_symbols() == ["Fe", *demo_atoms.get_chemical_symbols()[1:-1]]


def test_a_search_that_was_stopped_says_by_whom_and_how_far_it_came(parse_search):
    progress = '{"event": "searching", "evaluations": 512}\n'
    killed = "Interrupted: SIGTERM stopped the search after 512 evaluations; its checkpoints are whole.\n"
    _, node = parse_search(**{"stderr.txt": killed, "progress.jsonl": progress})
    assert node.exit_status == 430
    assert "after 512 evaluations" in node.exit_message
    cancelled = "slurmstepd: error: *** JOB 7 ON node CANCELLED AT 2026-11-21T10:00:00 DUE TO TIME LIMIT ***\n"
    _, node = parse_search(**{"_scheduler-stderr.txt": cancelled, "progress.jsonl": progress})
    assert node.exit_status == 400
    assert node.exit_message == "The job reached its wall time limit after 512 evaluations."
    _, node = parse_search(**{"stderr.txt": "Error: The space has 9 distinct configurations, but 2 evaluations.\n"})
    assert node.exit_status == 300


@pytest.mark.parametrize("job", ["redoxmlp.evaluate", "redoxmlp.select"])
@pytest.mark.parametrize(
    ("name", "text", "status", "says"),
    [
        ("scheduler.txt", "slurmstepd: error: Detected 1 oom-kill event\n", 410, "out of memory with nothing to go on"),
        ("scheduler.txt", "slurmstepd: error: *** JOB 7 ON cpu1 CANCELLED AT 2026-11-21 ***\n", 430, "CANCELLED AT"),
        ("scheduler.txt", "JOB 7 ON cpu1 CANCELLED AT 2026-11-21 DUE TO NODE FAILURE\n", 420, "node failed"),
        ("progress.jsonl", "", 430, "nobody says why"),
        ("stderr.txt", "Traceback (most recent call last)\n  line\nKeyError: 'forces'\n", 301, "KeyError: 'forces'"),
    ],
)
def test_a_job_without_output_says_who_ended_it(make_calculation, job, name, text, status, says):
    node = make_calculation(job, {name: text}, scheduler_stderr="scheduler.txt")
    _, parsed = ParserFactory(job).parse_from_node(node, store_provenance=False)
    assert parsed.exit_status == status
    assert says in parsed.exit_message
