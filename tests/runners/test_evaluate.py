from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import ClosureError, InputError, OutputFormatError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners import evaluate
from aiida_redoxmlp.runners.jobs import INPUT_FILE, OUTPUT_FILE, EvaluateJob, EvaluateOutput
from aiida_redoxmlp.testing import toy_frames

ALLOWED = {"Mn": [2, 3]}


class Oracle:
    """Two members that know the labels, off by ±0.02 eV and ±0.1 eV/Å around a set error.

    Energies rise by ``gap`` a Mn whose state is not DFT's; forces on Mn3+ are off by 0.5 eV/Å in x.
    """

    device = "cpu"
    n_members = 2

    def __init__(self, frames: Sequence[Frame], gap: float = 0.3, energy_error: float = 0.08) -> None:
        self.encoding = Encoding.for_species("species", [Species("Mn", 2), Species("Mn", 3), Species("O", -2)])
        self.frames = {frame.configuration.positions.tobytes(): frame for frame in frames}
        self.gap = gap
        self.energy_error = energy_error
        self.calls = 0

    def evaluate(self, configurations: Sequence[Configuration], *, stress: bool = False) -> list[CommitteeEvaluation]:
        self.calls += 1
        return [self._one(configuration) for configuration in configurations]

    def _one(self, configuration: Configuration) -> CommitteeEvaluation:
        frame = self.frames[configuration.positions.tobytes()]
        moved = int((configuration.oxidation_states != frame.configuration.oxidation_states).sum())
        energy = frame.energy + self.energy_error + self.gap * moved
        forces = frame.forces.copy()
        forces[configuration.oxidation_states == 3, 0] += 0.5
        return CommitteeEvaluation(np.array([energy - 0.02, energy + 0.02]), np.array([forces - 0.1, forces + 0.1]))


Prepare = Callable[..., Oracle]


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    def prepare(frames: Sequence[Frame], allowed: dict[str, list[int]] | None = None, **oracle: float) -> Oracle:
        write_dataset(tmp_path / "dataset.npz", frames)
        (tmp_path / INPUT_FILE).write_text(EvaluateJob(allowed_states=allowed or {}).model_dump_json())
        potential = Oracle(frames, **oracle)
        monkeypatch.setattr(evaluate, "load_potential", lambda folder, device: potential)
        return potential

    return prepare


def output_of(folder: Path) -> EvaluateOutput:
    evaluate.run(folder)
    return EvaluateOutput.model_validate_json((folder / OUTPUT_FILE).read_text())


def test_errors_are_those_the_potential_makes(tmp_path: Path, prepare: Prepare) -> None:
    prepare(toy_frames(6))
    output = output_of(tmp_path)
    assert output.energy_mae_ev_per_atom == pytest.approx(0.02)
    assert output.energy_rmse_ev_per_atom == pytest.approx(0.02)
    assert output.force_mae_ev_per_angstrom == pytest.approx(0.5 / 12)
    assert output.force_rmse_ev_per_angstrom == pytest.approx(0.5 / np.sqrt(12))
    assert all(frame.energy_mlp_std_ev == pytest.approx(0.02) for frame in output.frames)
    assert all(frame.max_force_std_ev_per_angstrom == pytest.approx(0.1 * np.sqrt(3)) for frame in output.frames)


def test_the_species_that_is_wrong_is_named(tmp_path: Path, prepare: Prepare) -> None:
    prepare(toy_frames(6))
    errors = {entry.species: entry for entry in output_of(tmp_path).per_species}
    assert {label: entry.n_atoms for label, entry in errors.items()} == {"Mn2+": 6, "Mn3+": 6, "O2-": 12}
    assert errors["Mn3+"].force_mae_ev_per_angstrom == pytest.approx(0.5 / 3)
    assert errors["Mn3+"].force_rmse_ev_per_angstrom == pytest.approx(0.5 / np.sqrt(3))
    assert errors["Mn2+"].force_mae_ev_per_angstrom == pytest.approx(0, abs=1e-12)


def test_forces_file_has_a_row_an_atom(tmp_path: Path, prepare: Prepare) -> None:
    frames = list(toy_frames(3))
    frames[1] = replace(frames[1], ambiguous=True)
    prepare(frames)
    evaluate.run(tmp_path)
    with np.load(tmp_path / evaluate.FORCES_FILE, allow_pickle=False) as table:
        np.testing.assert_array_equal(table["dft"], np.concatenate([frame.forces for frame in frames]))
        assert table["mlp"].shape == table["mlp_std"].shape == (12, 3)
        np.testing.assert_allclose(table["mlp_std"], 0.1)
        assert table["species"].tolist()[:8] == ["Mn2+", "Mn3+", "O2-", "O2-", "Mn3+", "Mn2+", "O2-", "O2-"]
        assert table["frame"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
        assert table["ambiguous"].tolist() == [False] * 4 + [True] * 4 + [False] * 4


@pytest.mark.parametrize(("gap", "share"), [(0.3, 1.0), (-0.3, 0.0), (0.0, 0.0)])
def test_pattern_counts_as_recovered_only_if_it_is_strictly_lowest(
    tmp_path: Path, prepare: Prepare, gap: float, share: float
) -> None:
    potential = prepare(toy_frames(4), ALLOWED, gap=gap)
    output = output_of(tmp_path)
    assert output.pattern_recovery == share
    lowest = {0.3: [2, 3], -0.3: [3, 2], 0.0: None}[gap]
    assert output.frames[0].lowest_pattern == lowest
    assert potential.calls == 1


def test_recovery_is_not_claimed_unless_asked_for(tmp_path: Path, prepare: Prepare) -> None:
    prepare(toy_frames(2))
    output = output_of(tmp_path)
    assert output.pattern_recovery is None
    assert output.frames[0].lowest_pattern is None


def test_ambiguous_labels_judge_nobody(tmp_path: Path, prepare: Prepare) -> None:
    frames = list(toy_frames(4))
    frames[0] = replace(frames[0], ambiguous=True, energy=frames[0].energy + 50)
    potential = prepare(frames, ALLOWED)
    potential.frames[frames[0].configuration.positions.tobytes()] = replace(frames[0], energy=frames[0].energy - 50)
    output = output_of(tmp_path)
    assert output.energy_mae_ev_per_atom == pytest.approx(0.02)
    assert sum(entry.n_atoms for entry in output.per_species) == 12
    assert [frame.ambiguous for frame in output.frames] == [True, False, False, False]
    assert output.frames[0].energy_mlp_ev == pytest.approx(frames[0].energy - 50 + 0.08)


def test_only_ambiguous_labels_are_still_compared(tmp_path: Path, prepare: Prepare) -> None:
    prepare([replace(frame, ambiguous=True) for frame in toy_frames(2)])
    assert output_of(tmp_path).energy_mae_ev_per_atom == pytest.approx(0.02)


def test_bad_input_leaves_no_output(tmp_path: Path, prepare: Prepare) -> None:
    frames = toy_frames(1)
    many = replace(frames[0], redox_sites=(0, 1, 2, 3))
    states = list(range(-4, 5))
    cases = [
        (frames, {"Mn": [3, 4]}, ClosureError, "5"),
        (frames, {"Fe": [2, 3]}, InputError, "Mn"),
        ([many], {"Mn": states, "O": states}, InputError, "64"),
        ([], None, InputError, "has no frames"),
    ]
    for given, allowed, error, message in cases:
        prepare(given, allowed)
        with pytest.raises(error, match=message):
            evaluate.run(tmp_path)
    (tmp_path / "dataset.npz").write_text("nothing")
    with pytest.raises(OutputFormatError):
        evaluate.run(tmp_path)
    (tmp_path / INPUT_FILE).write_text(json.dumps({"job": "evaluate", "modle": "m"}))
    with pytest.raises(InputError, match=r"input\.json: the key 'modle' is not known"):
        evaluate.run(tmp_path)
    (tmp_path / INPUT_FILE).unlink()
    with pytest.raises(InputError, match=r"input\.json is not in the job's folder"):
        evaluate.run(tmp_path)
    assert not (tmp_path / OUTPUT_FILE).exists()
