"""The spaces of the examples, counted by the command and in another way."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from itertools import product
from math import comb, factorial
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase.io import read
from click.testing import CliRunner

from aiida_redoxmlp.cli import root

FOLDER = Path(__file__).parents[2] / "examples" / "structures"
MADE = runpy.run_path(str(FOLDER / "supercell_examples.py"))["STRUCTURES"]
NMC = ("--states", "Ni=2/3/4,Mn=4,Co=3/4", "--exchange", "Ni/Mn/Co", "--vacancies", "Li=15")


def _counted(name, *options):
    result = CliRunner().invoke(root, ["patterns", "count", str(FOLDER / name), *options, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", MADE)
def test_files_are_what_the_script_writes(name):
    stored, made = read(FOLDER / name), MADE[name]()
    assert stored.get_chemical_symbols() == made.get_chemical_symbols()
    assert stored.cell.array == pytest.approx(made.cell.array, abs=1e-5)
    assert stored.positions == pytest.approx(made.positions, abs=1e-5)


@pytest.mark.parametrize(("name", "group"), [("LiMnPO4.cif", 62), ("LiNiO2.cif", 166)])
def test_parents_have_the_space_group_they_are_named_after(name, group):
    atoms = read(FOLDER / name)
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert spglib.get_symmetry_dataset(cell).number == group
    distances = atoms.get_all_distances(mic=True)
    assert distances[np.triu_indices(len(atoms), 1)].min() > 1.5


def test_the_nmc_cell_is_the_layered_lattice_with_8_1_1_metals():
    atoms = read(FOLDER / "NMC811.cif")
    assert Counter(atoms.get_chemical_symbols()) == {"Li": 30, "Ni": 24, "Mn": 3, "Co": 3, "O": 60}
    atoms.symbols[[one in {"Mn", "Co"} for one in atoms.symbols]] = "Ni"
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert spglib.get_symmetry_dataset(cell).number == 166


def test_olivine_has_half_of_the_lithium_and_half_of_the_electrons_anywhere():
    found = _counted("LiMnPO4.cif", "--states", "Mn=2/3", "--vacancies", "Li=8", "--supercell", "2x2x1")
    assert found["configurations"] == comb(16, 8) ** 2
    assert found["symmetry_operations"] == 8 * 4  # Pnma and the translations
    assert found["distinct"] == 5_181_688


def test_layered_nickel_has_as_many_4_as_vacancies():
    found = _counted("LiNiO2.cif", "--states", "Ni=3/4", "--vacancies", "Li=6", "--supercell", "2x2x1")
    assert found["configurations"] == comb(12, 6) ** 2
    assert found["symmetry_operations"] == 12 * 12  # -3m and twelve translations of four cells of R-3m
    assert found["distinct"] == 6_413


def test_nmc_closes_its_charge_with_nickel_and_cobalt():
    """Li15+ and O60(2-) leave 105 to the metals, and Mn4+ takes 12."""
    found = _counted("NMC811.cif", *NMC)
    charges = Counter()
    for (ni2, ni4), co4 in product([(a, b) for a in range(25) for b in range(25 - a)], range(4)):
        ways = comb(24, ni2) * comb(24 - ni2, ni4) * comb(3, co4)
        charges[2 * ni2 + 4 * ni4 + 3 * (24 - ni2 - ni4) + 3 * 3 + co4] += ways
    places = factorial(30) // (factorial(24) * factorial(3) * factorial(3))
    assert found["configurations"] == comb(30, 15) * places * charges[105 - 12]
    assert found["distinct"] >= found["configurations"] / found["symmetry_operations"]
    assert found["distinct"] == pytest.approx(found["configurations"] / found["symmetry_operations"], rel=1e-9)
