"""``patterns search`` with a small MACE committee and no AiiDA profile."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.io import read, write
from click.testing import CliRunner

pytest.importorskip("mace")

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.testing import toy_frames

STATES = ("--states", "Mn=2/3", "--fixed", "O=-2")


@pytest.fixture
def structure(tmp_path):
    """A cell of two Mn and two O, of which the searches take four."""
    atoms = toy_frames(1, seed=5)[0].configuration.to_ase()
    path = tmp_path / "toy.extxyz"
    write(path, atoms)
    return path


@pytest.fixture
def search(structure, saved_model, monkeypatch):
    def run(*arguments, charge=4, code=0):
        given = ("patterns", "search", str(structure), "--model", str(saved_model), *STATES, "--charge", str(charge))
        result = CliRunner(env={"COLUMNS": "100"}).invoke(
            root, [*given, "--supercell", "2x2x1", "--steps", "2", "--device", "cpu", *arguments]
        )
        assert result.exit_code == code, result.output
        return result

    return run


def test_the_ranking_and_how_sure_it_is_fit_a_terminal_of_100_columns(search):
    result = search("--n-relaxed", "3")
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines if set("│┃━") & set(line)) <= 100
    assert any(line.startswith("exhaustive: ") and "3 relaxed" in line for line in lines)
    assert "Lowest energy: " in result.stdout
    assert "were relaxed; " in result.stdout
    assert "Warning: " in result.stderr
    assert "ΔE / meV" in result.stdout


def test_json_and_files_hold_the_same_ranking(search, tmp_path):
    found = json.loads(search("--no-relax", "--json", "-o", str(tmp_path / "all.json")).stdout)
    assert json.loads((tmp_path / "all.json").read_text()) == found
    energies = [one["energy_ev"] for one in found["patterns"]]
    assert energies == sorted(energies)
    assert found["formula"] == "Mn8O8"
    assert found["n_patterns_distinct"] == found["distinct"] == found["n_evaluated"]
    search("--no-relax", "-o", str(tmp_path / "ranking.extxyz"))
    structures = read(tmp_path / "ranking.extxyz", index=":")
    np.testing.assert_allclose([one.info["energy_ev"] for one in structures], energies)
    assert {int(one.arrays["oxidation_states"].sum()) for one in structures} == {found["total_charge"]}


def test_a_search_goes_on_from_its_folder_and_the_seed_makes_it(search, tmp_path):
    arguments = ("--strategy", "annealing", "--budget", "20", "--seed", "4", "--no-relax", "--json")
    folder = ("--checkpoint", str(tmp_path / "kept"))
    first, again = (json.loads(search(*arguments, *folder).stdout) for _ in range(2))
    other = json.loads(search(*arguments).stdout)
    assert first["patterns"] == again["patterns"] == other["patterns"]
    refused = search(*arguments[:-2], "--runs", "3", *folder, code=2)
    assert "checkpoint of another space, other settings" in refused.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--strategy", "exhaustive", "--budget", "2"), "raise the budget, or take the strategy 'surrogate'"),
        (("--states", "Mn=2/3/4"), "The model does not know Mn4+; it knows Mn2+, Mn3+, O2-"),
        (("--vacancies", "O=any"), "fix the number of O"),
        (("-o", "ranking.txt"), "let it end with .extxyz or .json"),
    ],
)
def test_what_cannot_be_searched_is_told_in_a_sentence(search, arguments, says):
    assert says in " ".join(search(*arguments, code=2).output.split())


def test_a_charge_that_does_not_close_is_told_with_the_nearest(search):
    assert "the nearest they reach is" in search(charge=999, code=2).output


def test_a_model_file_has_to_be_trusted(search, tmp_path):
    file = tmp_path / "foundation.model"
    file.write_bytes(b"")
    assert "add --trust-pickle" in search("--model", str(file), code=2).output
