from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase import Atoms
from click.testing import CliRunner

from aiida_redoxmlp.calculations.voltage import convex_hull_and_voltage
from aiida_redoxmlp.cli import root
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.testing import toy_frames

pytestmark = pytest.mark.usefixtures("aiida_profile")

FORMULAS = {"full": "Li2Co2O4", "half": "Li1Co2O4", "empty": "Co2O4"}
ENERGIES = {"full": [-28.0, -28.2], "half": [-24.4, -24.4], "empty": [-20.0, -20.0]}


def _structure(formula):
    atoms = Atoms(formula, cell=[9, 9, 9], pbc=True)
    atoms.positions[:] = np.arange(3 * len(atoms)).reshape(-1, 3)
    return orm.StructureData(ase=atoms)


def _report(name):
    """The fields of a search's report that matter, the lowest pattern not the first."""
    n_atoms = len(Atoms(FORMULAS[name]))

    def pattern(energies):
        return {"energy_ev": float(np.mean(energies)), "energies_ev": energies, "positions": [[0, 0, 0]] * n_atoms}

    return orm.Dict({"patterns": [pattern([energy + 0.1 for energy in ENERGIES[name]]), pattern(ENERGIES[name])]})


def _searched(*names):
    found = {}
    for name in names:
        found |= {f"{name}_structure": _structure(FORMULAS[name]), f"{name}_search": _report(name)}
    return found


def _frames(formula, energy):
    """Frames of a label, of which the last is the answer."""
    frame = toy_frames(1)[0]
    symbols = Atoms(formula)
    configuration = replace(
        frame.configuration,
        numbers=symbols.numbers,
        positions=np.zeros((len(symbols), 3)),
        oxidation_states=np.array([{"Mn": 4, "O": -2, "Li": 1}[one] for one in symbols.get_chemical_symbols()]),
        spins=None,
    )
    site = symbols.get_chemical_symbols().index("Mn")
    labelled = replace(
        frame,
        configuration=configuration,
        forces=np.zeros((len(symbols), 3)),
        redox_sites=(site,),
        eigenvalues=frame.eigenvalues[:1],
        confidences=np.ones(1),
    )
    return DatasetData.from_frames(
        [replace(labelled, energy=energy + 3.0, step=0), replace(labelled, energy=energy, step=1)]
    )


def _run(lithium=-2.0, **inputs):
    found, node = run_get_node(convex_hull_and_voltage, lithium_energy=orm.Float(lithium), **inputs)
    return found, node


def test_searches_at_three_contents_give_hull_and_voltage_with_their_provenance(tmp_path):
    inputs = _searched("full", "half", "empty")
    found, node = _run(**inputs)
    (curve,) = found.get_dict()["curves"]
    assert [one["x"] for one in curve["compositions"]] == [0, 0.5, 1]
    assert [step["voltage_v"] for step in curve["steps"]] == pytest.approx([2.4, 1.7])
    assert curve["average"]["voltage_std_v"] == pytest.approx(0.1 / np.sqrt(2))
    used = {link.link_label for link in node.base.links.get_incoming().all()}
    assert used == {"lithium_energy", *inputs}
    written = tmp_path / "voltage.json"
    written.write_text(json.dumps(found.get_dict()))
    printed = CliRunner().invoke(root, ["voltage", str(written), "--json"])
    (again,) = json.loads(printed.stdout)["curves"]
    assert [step["voltage_v"] for step in again["steps"]] == pytest.approx([2.4, 1.7])


def test_dft_is_the_lowest_pattern_that_landed():
    def conclusion(*energies):
        patterns = [
            {"states": [number], "energy_dft_ev": energy, "pattern_found_by_dft": [number] if landed else [9]}
            for number, (energy, landed) in enumerate(energies)
        ]
        return orm.Dict({"patterns": [*patterns, {"states": [7], "energy_dft_ev": None, "pattern_found_by_dft": None}]})

    found, _ = _run(
        **_searched("full", "empty"),
        full_conclusion=conclusion((-28.3, True), (-28.4, True), (-29.9, False)),
        empty_conclusion=conclusion((-20.0, True)),
    )
    potential, dft = found.get_dict()["curves"]
    assert (potential["source"], dft["source"]) == ("potential", "dft")
    assert dft["average"]["voltage_v"] == pytest.approx(2.2)


def test_labels_say_composition_and_energy_themselves():
    found, _ = _run(a_frames=_frames("MnO2", -10.0), b_frames=_frames("LiMnO2", -15.0))
    (curve,) = found.get_dict()["curves"]
    assert curve["average"]["voltage_v"] == pytest.approx(3.0)


def test_end_members_and_formula_unit_can_be_given():
    found, _ = _run(**_searched("full", "half", "empty"), end_members=orm.List([0, 2]), formula_unit=orm.Str("Co2O4"))
    assert [one["x"] for one in found.get_dict()["curves"][0]["compositions"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (lambda: _searched("full"), "at the end member x = 0 is missing"),
        (lambda: {"full_search": _report("full")}, "give full_structure, which says how much lithium it has"),
        (lambda: {"full_model": orm.Int(1)}, "The input 'full_model' is not known"),
        (lambda: {"full_search": _report("full"), "full_structure": _structure("Co2O4")}, "has 6 atoms, but"),
        (lambda: {"end_members": orm.List([0])}, "end_members is [0]; give two lithium contents"),
        (dict, "There are no energies"),
    ],
)
def test_energies_that_make_no_hull_end_with_a_sentence(inputs, message):
    _, node = _run(**inputs())
    assert node.exit_status == 300
    assert message in node.exit_message
