"""The tutorial's and the guide's code runs as it stands, with a committee of springs in place of the trained one."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from ase import io
from ase.neighborlist import neighbor_list

from aiida_redoxmlp.engines.catalogue import ENGINES
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.registry import MODEL_FILE
from aiida_redoxmlp.redox.species import Species

CHECKOUT = Path(__file__).resolve().parents[2]
STRUCTURE = Path("examples", "structures", "beta-Li0.5MnPO4.cif")
STATES = np.array([2, 3, 5, -2, -2, -2, -2, 5, -2, -2, -2, -2, 1])
BOND_LENGTHS = {2: 2.15, 3: 2.00, 5: 1.54, 1: 2.10}
"""Å, from a cation in each of the states to oxygen."""

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Springs:
    """Two members: springs of 4 and 5 eV/Å² along the bonds to oxygen, as long as the cation's state wants them."""

    encoding = Encoding.for_species(
        "species", [Species("Li", 1), Species("Mn", 2), Species("Mn", 3), Species("O", -2), Species("P", 5)]
    )
    n_members = 2
    device = "cpu"

    def __init__(self):
        atoms = io.read(CHECKOUT / STRUCTURE)
        first, second, shifts = neighbor_list("ijS", atoms, 2.6)
        bonds = (atoms.numbers[first] != 8) & (atoms.numbers[second] == 8)
        self.first, self.second, self.shifts = first[bonds], second[bonds], shifts[bonds]

    def evaluate(self, configurations, *, stress=False):
        return [self._evaluate(one, stress=stress) for one in configurations]

    def _evaluate(self, one, *, stress):
        vectors = one.positions[self.second] + self.shifts @ one.cell - one.positions[self.first]
        lengths = np.linalg.norm(vectors, axis=1)
        away = lengths - np.array([BOND_LENGTHS[int(state)] for state in one.oxidation_states[self.first]])
        along = (away / lengths)[:, None] * vectors
        forces = np.zeros((len(one), 3))
        np.add.at(forces, self.first, along)
        np.add.at(forces, self.second, -along)
        constants = np.array([4.0, 5.0])
        stresses = np.zeros((2, 3, 3)) if stress else None
        return CommitteeEvaluation(0.5 * constants * (away**2).sum(), constants[:, None, None] * forces, stresses)


class SpringsEngine:
    name = "springs"

    def load(self, folder, *, device="cpu"):
        return Springs()


def python_blocks(page):
    return _BLOCK.findall((CHECKOUT / "docs" / page).read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def checkout_with_a_model(tmp_path, monkeypatch):
    """Run where the tutorial is run: in a folder with the examples and the exported model."""
    module = types.ModuleType("springs_engine")
    module.Engine = SpringsEngine
    monkeypatch.setitem(sys.modules, "springs_engine", module)
    monkeypatch.setitem(ENGINES, "springs", ("springs_engine", "Engine"))
    (tmp_path / "model-files").mkdir()
    (tmp_path / "model-files" / MODEL_FILE).write_text(json.dumps({"engine": "springs"}))
    (tmp_path / "examples").symlink_to(CHECKOUT / "examples")
    monkeypatch.chdir(tmp_path)


def test_tutorial_relaxes_both_patterns_in_five_lines(capsys):
    relaxation, *further = python_blocks("tutorial/using-a-model.md")
    assert len(list(filter(None, relaxation.splitlines()))) == 5
    names = {}
    exec(relaxation, names)  # noqa: S102 - our own documentation
    relaxed, start = names["atoms"], io.read(STRUCTURE)
    assert np.linalg.norm(relaxed.get_forces(), axis=1).max() < 0.02
    assert mean_bond(relaxed, 0) > mean_bond(relaxed, 1)
    assert abs(relaxed.positions - start.positions).max() > 0.01
    for block in further:
        exec(block, names)  # noqa: S102
    assert mean_bond(names["other"], 0) < mean_bond(names["other"], 1)
    assert float(capsys.readouterr().out.splitlines()[-1]) == pytest.approx(0, abs=1e-3)  # equivalent by symmetry


def mean_bond(atoms, site):
    springs = Springs()
    bonds = springs.first == site
    ends = atoms.positions[springs.second[bonds]] + springs.shifts[bonds] @ atoms.cell.array
    return np.linalg.norm(ends - atoms.positions[site], axis=1).mean()


def test_guide_runs_on_one_structure_and_on_many(capsys):
    in_ase, many = (block.replace('"MODEL"', '"model-files"') for block in python_blocks("how-to/models.md"))
    names = {}
    exec(in_ase, names)  # noqa: S102
    for name in ("energy_comm", "forces_comm", "energy_var", "energy_std", "forces_std"):
        assert name in names["atoms"].calc.results
    names["atoms"].set_array("oxidation_states", STATES)
    exec(many, names)  # noqa: S102
    assert names["results"][0].stresses.shape == (2, 3, 3)
    assert len(capsys.readouterr().out.splitlines()) > 5
