from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners import search
from aiida_redoxmlp.runners.jobs import INPUT_FILE, OUTPUT_FILE, PROGRESS_FILE, SearchJob, SearchOutput


class SpringCommittee:
    """Every atom on a spring at its lattice site; the energy grows with the first atom's state."""

    device = "cpu"
    encoding = Encoding.for_species("none", [Species(element, 0) for element in ("Li", "Mn", "P", "O")])

    def __init__(self, sites: np.ndarray) -> None:
        self.sites = sites

    def evaluate(self, configurations, *, stress=False):
        evaluations = []
        for one in configurations:
            displacement = one.positions - self.sites
            energy = 0.5 * 4.0 * (displacement**2).sum() + 0.1 * one.oxidation_states[0]
            forces = np.array([-4.0 * displacement] * 2)
            evaluations.append(CommitteeEvaluation(np.array([energy - 0.01, energy + 0.01]), forces))
        return evaluations


@pytest.fixture
def job_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folder for β-Li½MnPO4, with an engine registry that gives springs."""
    atoms = read(Path(__file__).parents[2] / "examples" / "structures" / "beta-Li0.5MnPO4.cif")
    fixed = {"Mn": 0, "Li": 1, "P": 5, "O": -2}
    structure = {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "oxidation_states": [fixed[symbol] for symbol in atoms.get_chemical_symbols()],
    }
    (tmp_path / "structure.json").write_text(json.dumps(structure))
    job = SearchJob(redox_sites=[0, 1], allowed_states={"Mn": [2, 3]}, reduce_by_symmetry=False)
    (tmp_path / INPUT_FILE).write_text(job.model_dump_json())

    def load_potential(folder: Path, device: str) -> SpringCommittee:
        assert (folder, device) == (tmp_path / "model", "auto")
        return SpringCommittee(atoms.positions)

    monkeypatch.setattr(search, "load_potential", load_potential)
    return tmp_path


def _change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_search_writes_patterns_in_ascending_energy(job_folder: Path) -> None:
    search.run(job_folder)
    output = SearchOutput.model_validate_json((job_folder / OUTPUT_FILE).read_text())
    low, high = output.patterns
    assert (low.states, high.states) == ([2, 3], [3, 2])
    assert high.energy_ev - low.energy_ev == pytest.approx(0.1, abs=1e-3)
    assert low.energy_std_ev == pytest.approx(0.01)
    assert low.energy_ev == pytest.approx(np.mean(low.energies_ev))
    assert (low.orbit, low.multiplicity, high.orbit) == (0, 2, 0)
    assert low.converged
    assert low.max_force_ev_per_angstrom <= 0.02
    assert low.steps > 0
    structure = json.loads((job_folder / "structure.json").read_text())
    assert np.array(low.positions) == pytest.approx(np.array(structure["positions"]), abs=0.02 / 4.0)
    assert (output.n_patterns_total, output.n_patterns_distinct, output.device) == (2, 1, "cpu")


def test_progress_is_a_line_of_json_a_sign_of_life(job_folder: Path) -> None:
    search.run(job_folder)
    lines = [json.loads(line) for line in (job_folder / PROGRESS_FILE).read_text().splitlines()]
    assert [line["event"] for line in (lines[0], lines[1], lines[-1])] == [
        "enumerated",
        "relaxing",
        "searched",
    ]
    assert all(line["job"] == "search" for line in lines)
    assert [line["elapsed_s"] for line in lines] == sorted(line["elapsed_s"] for line in lines)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (INPUT_FILE, {"force_tolerence": 0.1}, "force_tolerence"),
        (INPUT_FILE, {"max_steps": 0}, "max_steps"),
        (INPUT_FILE, {"structure": "missing.json"}, "missing.json is not in the job's folder"),
        ("structure.json", {"cell": [[1, 0], [0, 1]]}, "structure.json holds arrays of the wrong shape"),
        ("structure.json", {"numbers": [25, 25]}, "2 numbers, 13 positions and 13 oxidation states"),
    ],
)
def test_bad_input_is_said_in_a_sentence(job_folder: Path, file: str, change: dict[str, object], message: str) -> None:
    _change(job_folder / file, **change)
    with pytest.raises(InputError, match=message):
        search.run(job_folder)
    assert not (job_folder / OUTPUT_FILE).exists()


@pytest.mark.parametrize(
    ("content", "message"), [("{", "is not JSON"), ("{}", "'numbers' is missing"), ("3", "missing")]
)
def test_broken_structure_file_is_named(job_folder: Path, content: str, message: str) -> None:
    (job_folder / "structure.json").write_text(content)
    with pytest.raises(InputError, match=f"structure.json.*{message}"):
        search.run(job_folder)


def test_charge_that_does_not_close_leaves_no_output(job_folder: Path) -> None:
    _change(job_folder / INPUT_FILE, total_charge=4)
    with pytest.raises(ClosureError):
        search.run(job_folder)
    assert not (job_folder / OUTPUT_FILE).exists()


def test_spins_of_the_structure_are_read_and_counted(job_folder: Path) -> None:
    path = job_folder / "structure.json"
    assert search.read_structure(path).spins is None
    _change(path, spins=[5, -4, *[0] * 11])
    assert search.read_structure(path).spins.tolist() == [5, -4, *[0] * 11]
    _change(path, spins=[5, -4])
    with pytest.raises(InputError, match=r"13 atoms and 2 spins"):
        search.read_structure(path)
