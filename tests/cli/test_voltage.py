from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.search.voltage_table import CellEnergy

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "voltage" / "lixtio2.csv")
LITHIUM = ("--lithium-energy", "-1.90753119")
MEMBERS = [
    {"x": 0, "energies_ev": [0.0, 0.1]},
    {"x": 0.5, "energies_ev": [-2.1, -2.3]},
    {"x": 1, "energies_ev": [-4, -4]},
]


def _invoke(*arguments):
    return CliRunner().invoke(root, ["voltage", *map(str, arguments)])


def _run(*arguments):
    result = _invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def _written(folder, name, text):
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def test_hull_and_voltages_of_the_example_are_printed():
    lines = _run(EXAMPLE, *LITHIUM).splitlines()
    assert lines[0] == "DFT"
    assert "  0.5000            -472.2         0.0       yes" in lines
    assert "  0.0000    0.5000             2.786" in lines
    assert "  0.5000    1.0000             0.897" in lines
    assert lines[-1] == "" or lines[-1].endswith("1.841  on average")


def test_a_committee_has_spreads_and_counts_of_members(tmp_path):
    output = _run(_written(tmp_path, "members.json", MEMBERS), "--lithium-energy", 0)
    assert "Potential, committee of 2" in output
    assert "yes, 2/2" in output
    assert "4.050 ± 0.071  on average" in output


def test_what_was_written_as_json_can_be_read_again(tmp_path):
    table = _written(tmp_path, "members.json", MEMBERS)
    _run(table, "--lithium-energy", -0.5, "-o", tmp_path / "voltage.json")
    written = json.loads((tmp_path / "voltage.json").read_text())
    again = json.loads(_run(tmp_path / "voltage.json", "--json"))
    assert again == written
    assert again["lithium_energy_ev"] == -0.5
    assert [step["x_end"] for step in again["curves"][0]["steps"]] == [0.5, 1.0]


def test_files_are_joined(tmp_path):
    half = _written(tmp_path, "half.csv", "x,energy_ev,formula_units\n\n0.5,-9.2,4\n")
    ends = _written(tmp_path, "ends.csv", "# the host, and all sites full\nx, energy_ev\n0, 0\n1, -4\n")
    found = json.loads(_run(half, ends, "--lithium-energy", 0, "--json"))
    assert [one["x"] for one in found["curves"][0]["compositions"]] == [0, 0.5, 1]
    assert [step["voltage_v"] for step in found["curves"][0]["steps"]] == pytest.approx([4.6, 3.4])


def _searched(folder, formula, *energies, n_relaxed=2):
    """What ``patterns search`` writes, as far as it matters; the lowest of a committee of two is the last."""
    patterns = [{"energy_ev": energy, "energies_ev": [energy - 0.1, energy + 0.1]} for energy in energies]
    return _written(folder, f"{formula}.json", {"formula": formula, "n_relaxed": n_relaxed, "patterns": patterns})


def test_searches_at_several_contents_are_a_voltage(tmp_path):
    found = (("Co4O8", -40.0), ("Li2Co4O8", -46.0, -48.4), ("Li2Co2O4", -28.0))
    files = [_searched(tmp_path, formula, *energies) for formula, *energies in found]
    (curve,) = json.loads(_run(*files, "--lithium-energy", 0, "--json"))["curves"]
    assert (curve["source"], curve["n_members"]) == ("potential", 2)
    assert [one["x"] for one in curve["compositions"]] == [0, 0.5, 1]
    assert [step["voltage_v"] for step in curve["steps"]] == pytest.approx([4.2, 3.8])
    assert "Potential, committee of 2" in _run(*files, "--lithium-energy", 0)


def test_dft_stands_beside_searches(tmp_path):
    files = [_searched(tmp_path, "Co4O8", -40.0), _searched(tmp_path, "Li4Co4O8", -56.0)]
    table = _written(tmp_path, "dft.csv", "composition,energy_ev\nCoO2,-10\nLiCoO2,-13.9\n")
    curves = json.loads(_run(*files, table, "--lithium-energy", 0, "--json"))["curves"]
    assert [curve["average"]["voltage_v"] for curve in curves] == pytest.approx([4.0, 3.9])


def test_relaxed_energies_and_energies_at_fixed_ions_are_not_mixed(tmp_path):
    files = [_searched(tmp_path, "Co4O8", -40.0), _searched(tmp_path, "Li4Co4O8", -56.0, n_relaxed=0)]
    result = _invoke(*files, *LITHIUM)
    assert result.exit_code == 2
    assert "search all contents with --relax, or all with --no-relax." in result.stderr


def test_spreadsheets_may_mark_the_encoding(tmp_path):
    table = _written(tmp_path, "marked.csv", "\ufeffx,energy_ev\r\n0,0\r\n1,-4\r\n")
    assert "4.000  on average" in _run(table, "--lithium-energy", 0)


def test_members_are_numbers_with_spaces_in_csv(tmp_path):
    table = _written(tmp_path, "members.csv", "x,energies_ev\n0,0.0 0.1\n1,-4.0 -4.2\n")
    (curve,) = json.loads(_run(table, "--lithium-energy", 0, "--json"))["curves"]
    assert (curve["source"], curve["n_members"]) == ("potential", 2)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_plots_are_written_whole(tmp_path, ending):
    table = _written(tmp_path, "members.json", [*MEMBERS, {"x": 0, "energy_ev": 0}, {"x": 1, "energy_ev": -4.1}])
    path = tmp_path / f"voltage.{ending}"
    assert f"Written: {path}" in _run(table, "--lithium-energy", 0, "-o", path)
    assert path.stat().st_size > 4000
    assert sorted(one.name for one in tmp_path.iterdir()) == ["members.json", path.name]


def test_end_members_can_be_named(tmp_path):
    table = _written(tmp_path, "part.csv", "x,energy_ev\n0.5,0\n1,-2\n")
    assert "4.000  on average" in _run(table, "--lithium-energy", 0, "--end-members", "0.5,1")


def test_warnings_are_printed():
    assert "the energy of lithium, 200 eV, is not one of an atom" in _run(EXAMPLE, "--lithium-energy", 200)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "x,energy_ev\n0,1\n", "at the end member x = 1 is missing, given is x = 0; add it."),
        ("a.csv", "x,energy_ev\n0,1\n0,2\n1,2\n", "x = 0 is given twice by DFT (a.csv, row 1) (a.csv, row 2)"),
        ("a.csv", "x,energy_ev\n", "has no rows"),
        ("a.csv", "x,energy_ev\n0,1,2\n", "a.csv, row 1 has more cells than the table has columns"),
        ("a.csv", "x,energy_ev\n0,lots\n", "a.csv, row 1: energy_ev: input should be a valid number"),
        ("a.csv", "x,energy\n0,1\n", "a.csv, row 1: the key 'energy' is not known"),
        ("a.csv", "energy_ev\n1\n", "a row needs x or the composition of the cell; give one of them"),
        ("a.csv", "x,energy_ev\n-1,1\n", "greater than or equal to 0"),
        ("a.csv", "x\n0\n", "a row needs energy_ev, or energies_ev of the members"),
        ("a.csv", "x,energy_ev,source\n0,1,guess\n", "source: input should be 'potential' or 'dft'"),
        ("a.csv", "composition,energy_ev\nLiCoO2,1\nMnPO4,2\n", "compare cells of one host"),
        ("a.json", "{", "cannot be read"),
        ("a.json", {"rows": []}, "is no list of rows"),
        ("a.json", {"patterns": []}, "lists configurations without their energies; give what `patterns search` writes"),
        ("a.json", {"patterns": [{"species": ["Li+"], "multiplicity": 2}]}, "without their energies"),
        ("a.json", [3], "a.json, row 1"),
        ("a.txt", "x", "give a table that ends with .csv or .json"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(tmp_path, name, text, message):
    result = _invoke(_written(tmp_path, name, text), *LITHIUM)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "The energy of lithium metal is missing; give it with --lithium-energy"),
        ((*LITHIUM, "--end-members", "all"), "'all' is not understood; write two contents, such as 0,1."),
        (("--lithium-energy", "nan"), "The energy of lithium metal is nan; give a finite number"),
        ((*LITHIUM, "--end-members", "1,0"), "span no range; give the lower one first"),
        ((*LITHIUM, "--formula-unit", "MnO2"), "no whole number of formula units MnO2"),
        ((*LITHIUM, "-o", "voltage.doc"), "let it end with .png, .pdf, .svg or .json"),
        ((*LITHIUM, "-o", EXAMPLE), "lixtio2.csv has an ending that says no format"),
    ],
)
def test_options_that_cannot_be_used_are_one_sentence(options, message):
    result = _invoke(EXAMPLE, *options)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_files_with_other_energies_of_lithium_are_refused(tmp_path):
    rows = [{"x": 0, "energy_ev": 0}, {"x": 1, "energy_ev": -4}]
    tables = [
        _written(tmp_path, f"{lithium}.json", {"lithium_energy_ev": lithium, "ground_states": rows[place : place + 1]})
        for place, lithium in enumerate((-1.9, -2))
    ]
    assert "2 energies of lithium metal (-2, -1.9 eV)" in _invoke(*tables).stderr
    assert "on average" in _run(*tables, "--lithium-energy", -2)


def test_the_guide_describes_every_column():
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "voltage.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in guide for name in CellEnergy.model_fields)


def test_the_command_does_not_load_aiida():
    code = (
        "import sys, aiida_redoxmlp.cli.voltage, aiida_redoxmlp.report.figures.voltage; "
        "sys.exit('aiida' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
