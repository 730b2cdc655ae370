from __future__ import annotations

import json
import subprocess
import sys
from math import comb
from pathlib import Path

import numpy as np
import pytest
from ase.io import read, write
from click.testing import CliRunner

from aiida_redoxmlp.cli import root

STRUCTURES = Path(__file__).parents[2] / "examples" / "structures"
BETA = str(STRUCTURES / "beta-Li0.5MnPO4.cif")
LAYERED = str(STRUCTURES / "LiCoO2.cif")
GIVEN = ("--states", "Mn=2/3", "--fixed", "Li=1,P=5,O=-2", "--charge", "0")


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(root, ["patterns", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(*arguments: str):
    return json.loads(_run(*arguments, "--json"), parse_constant=pytest.fail)


def test_24_half_filled_sites_are_counted_without_a_list():
    found = _json("count", BETA, *GIVEN, "--supercell", "3x2x2")
    assert found["configurations"] == comb(24, 12) == 2_704_156
    assert found["distinct"] == 112_952
    assert found["symmetry_operations"] == 24
    assert found["n_atoms"] == 156
    assert found["allowed"] == [["Mn2+", "Mn3+"]] * 24


def test_the_count_is_printed_in_lines():
    output = _run("count", BETA, *GIVEN, "--supercell", "2x2x1")
    assert "Active sites:         8 with Mn2+, Mn3+" in output
    assert "Configurations:       70" in output
    assert "Distinct by symmetry: 10" in output


def test_distinct_patterns_are_listed_with_how_many_each_stands_for():
    found = _json("enumerate", BETA, *GIVEN, "--supercell", "2x2x1")
    patterns = found["patterns"]
    assert len(patterns) == found["distinct"] == 10
    assert sum(pattern["multiplicity"] for pattern in patterns) == found["configurations"] == 70
    assert all(pattern["species"].count("Mn3+") == 4 for pattern in patterns)
    table = _run("enumerate", BETA, *GIVEN, "--supercell", "2x2x1")
    assert "       1             4  (2,2,2,2,3,3,3,3)" in table.splitlines()
    assert len(table.splitlines()) == 7 + 2 + 10


def test_vacancies_and_charges_are_listed_together():
    found = _json("enumerate", LAYERED, "--states", "Co=3/4", "--vacancies", "Li=1", "--supercell", "2x2x1")
    assert found["composition"] == {"Li": 3}
    assert [pattern["multiplicity"] for pattern in found["patterns"]] == [8, 8]
    for pattern in found["patterns"]:
        assert pattern["species"].count("X") == pattern["species"].count("Co4+") == 1
    free = _json("count", LAYERED, "--states", "Co=3/4", "--vacancies", "Li=any", "--supercell", "2x2x1")
    assert free["configurations"] == sum(comb(4, n) ** 2 for n in range(5))
    (line,) = _run("enumerate", LAYERED, "--states", "Co=3/4", "--vacancies", "Li=1").splitlines()[-1:]
    assert line.split() == ["1", "1", "X", "Co4+"]


def test_elements_that_may_change_places_keep_their_numbers(tmp_path):
    atoms = read(LAYERED).repeat((2, 2, 1))
    cobalt = [index for index, symbol in enumerate(atoms.get_chemical_symbols()) if symbol == "Co"]
    atoms.symbols[cobalt[:2]] = "Ni"
    write(tmp_path / "mixed.extxyz", atoms)
    given = (str(tmp_path / "mixed.extxyz"), "--states", "Co=3,Ni=3")
    assert _json("count", *given)["configurations"] == 1
    exchanged = _json("count", *given, "--exchange", "Ni/Co")
    assert exchanged["configurations"] == comb(4, 2)
    assert exchanged["symmetry_operations"] > _json("count", *given)["symmetry_operations"]


def test_the_symmetry_is_that_of_the_lattice_given(tmp_path):
    atoms = read(BETA).repeat((2, 2, 1))
    atoms.rattle(0.02, seed=1)
    write(tmp_path / "distorted.extxyz", atoms)
    write(tmp_path / "lattice.extxyz", read(BETA).repeat((2, 2, 1)))
    distorted = ("count", str(tmp_path / "distorted.extxyz"), *GIVEN)
    assert _json(*distorted)["distinct"] == 70
    assert _json(*distorted, "--lattice", str(tmp_path / "lattice.extxyz"))["distinct"] == 10


def test_files_hold_what_is_listed(tmp_path):
    command = ("enumerate", BETA, *GIVEN, "--supercell", "2x2x1")
    outputs = {ending: tmp_path / f"patterns.{ending}" for ending in ("json", "npz", "extxyz")}
    for path in outputs.values():
        assert f"Written: {path}" in _run(*command, "-o", str(path))
    found = json.loads(outputs["json"].read_text())
    assert found == _json(*command)
    arrays = np.load(outputs["npz"])
    labels = arrays["allowed"][np.arange(8), arrays["rows"]]
    assert labels.tolist() == [pattern["species"] for pattern in found["patterns"]]
    assert arrays["multiplicities"].tolist() == [pattern["multiplicity"] for pattern in found["patterns"]]
    structures = read(outputs["extxyz"], ":")
    assert [one.info["multiplicity"] for one in structures] == arrays["multiplicities"].tolist()
    assert all(one.arrays["oxidation_states"].sum() == 0 for one in structures)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in outputs.values())


def test_structures_lack_the_atoms_of_vacancies(tmp_path):
    path = tmp_path / "vacancies.extxyz"
    _run("enumerate", LAYERED, "--states", "Co=3/4", "--vacancies", "Li=1", "--supercell", "2x2x1", "-o", str(path))
    assert {one.get_chemical_formula() for one in read(path, ":")} == {"Co4Li3O8"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("enumerate", BETA, *GIVEN, "--supercell", "3x2x2"), "112952 distinct configurations (2704156"),
        (("count", BETA, "--states", "Mn=2/3", "--charge", "9"), "the nearest they reach is +1"),
        (("count", BETA, *GIVEN, "--supercell", "2x2"), "'2x2' is not understood; write three numbers"),
        (("count", BETA, *GIVEN, "--supercell", "0x1x1"), "from 1 on"),
        (("count", BETA, *GIVEN, "--vacancies", "Na=1"), "--vacancies names Na, but the structure has"),
        (("count", BETA, *GIVEN, "--vacancies", "Li=7"), "does not fit the 1 Li of the cell"),
        (("count", BETA, *GIVEN, "--vacancies", "Li=x"), "'x' where a whole number"),
        (("count", BETA, *GIVEN, "--exchange", "Mn"), "'Mn' is not understood; write different elements"),
        (("count", BETA, *GIVEN, "--exchange", "Mn/Fe"), "--exchange names Fe, but the structure has none"),
        (("count", BETA, *GIVEN, "--lattice", LAYERED), "is not that of its lattice"),
        (("count", BETA, "--fixed", "Mn=2"), "No site is active"),
        (("enumerate", BETA, *GIVEN, "-o", "patterns.doc"), "let it end with .npz, .extxyz or .json"),
        (("count", __file__, *GIVEN), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, message):
    result = CliRunner().invoke(root, ["patterns", *arguments])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert result.stdout == ""


def test_a_list_that_is_too_long_comes_with_the_numbers_when_asked_for():
    command = ["patterns", "enumerate", BETA, *GIVEN, "--supercell", "2x2x1", "--max-patterns", "9"]
    result = CliRunner().invoke(root, command)
    assert "more than the 9 to be listed" in result.stderr
    assert "--max-patterns 10 -o FILE" in result.stderr


def test_the_command_does_not_load_aiida():
    code = (
        "import sys, aiida_redoxmlp.cli.patterns_count, aiida_redoxmlp.cli.patterns_enumerate; "
        "sys.exit('aiida' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
