from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import ClosureError, InputError, SearchInterruptedError
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners import search
from aiida_redoxmlp.runners.jobs import CHECKPOINT_FOLDER, INPUT_FILE, OUTPUT_FILE, PROGRESS_FILE
from aiida_redoxmlp.runners.search_job import SearchJob, SearchOutput
from aiida_redoxmlp.runners.search_progress import SearchProgress
from aiida_redoxmlp.runners.structure_file import read_structure
from aiida_redoxmlp.search.settings import SearchSettings, SpaceSettings


class SpringCommittee:
    """Every atom on a spring at its lattice site; the energy grows with the first atom's state."""

    device = "cpu"
    encoding = Encoding.for_species("none", [Species(element, 0) for element in ("Li", "Mn", "P", "O")])
    n_members = 2

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

    def evaluate_decorations(self, template, kinds, decorations):
        rows = [template.decorated([kinds[kind] for kind in row]) for row in decorations]
        return np.array([one.energies for one in self.evaluate(rows)])


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
    job = SearchJob(
        space=SpaceSettings(allowed={"Mn": ["Mn2+", "Mn3+"]}), settings=SearchSettings(reduce_by_symmetry=False)
    )
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
    assert output.formula == "LiMn2O8P2"
    assert (output.sites, low.species) == ([0, 1], ["Mn2+", "Mn3+"])
    assert (low.difference_ev, low.difference_std_ev) == (0.0, 0.0)
    assert high.difference_ev == pytest.approx(0.1, abs=1e-3)
    assert (output.strategy, output.n_evaluated, output.n_relaxed) == ("exhaustive", 1, 2)
    assert output.fixed_ions[0].energies_ev == pytest.approx([low.energy_fixed_ions_ev + d for d in (-0.01, 0.01)])
    assert output.certainty.proven
    assert output.certainty.gap_ev is None


def test_sites_that_symmetry_tells_apart_have_ranks_of_their_own(job_folder: Path) -> None:
    content = json.loads((job_folder / "structure.json").read_text())
    content["positions"][-1][2] += 0.3
    (job_folder / "structure.json").write_text(json.dumps(content))
    job = json.loads((job_folder / INPUT_FILE).read_text())
    _change(job_folder / INPUT_FILE, settings={**job["settings"], "relax": False})
    search.run(job_folder)
    output = SearchOutput.model_validate_json((job_folder / OUTPUT_FILE).read_text())
    assert [one.orbit for one in output.patterns] == [0, 1]
    assert output.patterns[0].converged is None
    assert output.patterns[1].positions == content["positions"]
    assert (output.certainty.gap_ev, output.certainty.gap_std_ev) == (pytest.approx(0.1), pytest.approx(0.0))
    assert output.certainty.undecided == []


def test_a_search_that_a_signal_stops_says_how_far_it_came_and_goes_on(job_folder: Path, monkeypatch) -> None:
    search.run(job_folder)
    unbroken = json.loads((job_folder / OUTPUT_FILE).read_text())
    for path in (job_folder / CHECKPOINT_FOLDER).iterdir():
        path.unlink()
    (job_folder / OUTPUT_FILE).unlink()
    (job_folder / PROGRESS_FILE).unlink()
    evaluate = SpringCommittee.evaluate

    def stopped(self, configurations, *, stress=False):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, configurations)

    monkeypatch.setattr(SpringCommittee, "evaluate", stopped)
    with pytest.raises(SearchInterruptedError, match="SIGTERM stopped the search after 1 evaluations"):
        search.run(job_folder)
    progress = SearchProgress((job_folder / PROGRESS_FILE).read_text())
    assert progress.advanced
    assert progress.reached == "in step 1 of relaxations"
    assert not (job_folder / OUTPUT_FILE).exists()
    monkeypatch.setattr(SpringCommittee, "evaluate", evaluate)
    search.run(job_folder)
    resumed = json.loads((job_folder / OUTPUT_FILE).read_text())
    assert {**resumed, "wall_time_s": 0} == {**unbroken, "wall_time_s": 0}


def test_how_far_a_search_came_is_read_from_whole_lines() -> None:
    assert SearchProgress("").reached == "before the first evaluation"
    assert not SearchProgress('{"event": "started"}').advanced
    relaxed = '{"event": "relaxed", "done": 4, "of": 20}\n{"event": "relaxing", "st'
    assert SearchProgress(relaxed).reached == "after 4 of 20 relaxations"
    assert SearchProgress('{"event": "relaxing", "step": 7}').reached == "in step 7 of relaxations"


def test_progress_is_a_line_of_json_a_sign_of_life(job_folder: Path) -> None:
    search.run(job_folder)
    lines = [json.loads(line) for line in (job_folder / PROGRESS_FILE).read_text().splitlines()]
    events = list(dict.fromkeys(line["event"] for line in lines))
    assert events == ["started", "searching", "relaxing", "relaxed", "finished"]
    assert all(line["job"] == "search" for line in lines)
    assert [line["elapsed_s"] for line in lines] == sorted(line["elapsed_s"] for line in lines)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (INPUT_FILE, {"settings": {"force_tolerence": 0.1}}, "force_tolerence"),
        (INPUT_FILE, {"settings": {"max_steps": 0}}, "max_steps"),
        (INPUT_FILE, {"settings": {"strategy": {"name": "guess"}}}, "strategy"),
        (INPUT_FILE, {"space": {"allowed": {"Fe": ["Fe2+"]}}}, "Species are given for Fe"),
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
    _change(job_folder / INPUT_FILE, space={"allowed": {"Mn": ["Mn2+", "Mn3+"]}, "total_charge": 4})
    with pytest.raises(ClosureError):
        search.run(job_folder)
    assert not (job_folder / OUTPUT_FILE).exists()


def test_spins_of_the_structure_are_read_and_counted(job_folder: Path) -> None:
    path = job_folder / "structure.json"
    assert read_structure(path).spins is None
    _change(path, spins=[5, -4, *[0] * 11])
    assert read_structure(path).spins.tolist() == [5, -4, *[0] * 11]
    _change(path, spins=[5, -4])
    with pytest.raises(InputError, match=r"13 atoms and 2 spins"):
        read_structure(path)
