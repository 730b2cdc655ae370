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


def test_search_gives_the_relaxed_structures_by_rank(make_calculation, demo_atoms):
    moved = demo_atoms.positions + 0.1
    pattern = {
        "states": [2, 3],
        "multiplicity": 2,
        "orbit": 0,
        "energy_ev": -1.0,
        "energy_std_ev": 0.01,
        "energies_ev": [-1.0],
        "positions": moved.tolist(),
        "max_force_ev_per_angstrom": 0.01,
        "converged": True,
        "steps": 3,
    }
    output = {
        "patterns": [pattern, {**pattern, "states": [3, 2], "energy_ev": -0.9}],
        "n_patterns_total": 2,
        "n_patterns_distinct": 1,
        "wall_time_s": 1.0,
        "device": "cpu",
    }
    node = make_calculation(
        "redoxmlp.search",
        {"output.json": json.dumps(output), "stderr.txt": ""},
        inputs={"structure": orm.StructureData(ase=demo_atoms)},
    )
    outputs, _ = ParserFactory("redoxmlp.search").parse_from_node(node, store_provenance=False)
    assert outputs["report"]["patterns"][0]["states"] == [2, 3]
    np.testing.assert_allclose(outputs["structures"]["rank_0"].get_ase().positions, moved)
    assert "rank_1" in outputs["structures"]


@pytest.mark.parametrize("entry_point", ["redoxmlp.evaluate", "redoxmlp.search"])
def test_missing_output_is_told(make_calculation, entry_point):
    node = make_calculation(entry_point, {"stderr.txt": "slurmstepd: error: Detected 1 oom-kill event\n"})
    _, calcfunction = ParserFactory(entry_point).parse_from_node(node, store_provenance=False)
    assert calcfunction.exit_status == 301
    assert "oom-kill" in calcfunction.exit_message
