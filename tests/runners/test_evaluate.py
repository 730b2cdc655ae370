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
        self.evaluated = 0
        self.energy_error = energy_error
        self.calls = 0

    def evaluate(self, configurations: Sequence[Configuration], *, stress: bool = False) -> list[CommitteeEvaluation]:
        self.calls += 1
        self.evaluated += len(configurations)
        return [self._one(configuration, stress) for configuration in configurations]

    def _one(self, configuration: Configuration, stress: bool) -> CommitteeEvaluation:
        frame = self.frames[configuration.positions.tobytes()]
        moved = int((configuration.oxidation_states != frame.configuration.oxidation_states).sum())
        energy = frame.energy + self.energy_error + self.gap * moved
        forces = frame.forces.copy()
        forces[configuration.oxidation_states == 3, 0] += 0.5
        stresses = (
            np.array([frame.stress + 0.001, frame.stress + 0.003]) if stress and frame.stress is not None else None
        )
        return CommitteeEvaluation(
            np.array([energy - 0.02, energy + 0.02]), np.array([forces - 0.1, forces + 0.1]), stresses
        )


Prepare = Callable[..., Oracle]


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    def prepare(
        frames: Sequence[Frame],
        allowed: dict[str, list[int]] | None = None,
        max_patterns: int = 256,
        **oracle: float,
    ) -> Oracle:
        write_dataset(tmp_path / "dataset.npz", frames)
        job = EvaluateJob(allowed_states=allowed or {}, max_patterns=max_patterns)
        (tmp_path / INPUT_FILE).write_text(job.model_dump_json())
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
    assert potential.calls == 2  # the frames, then all patterns of all of them
    assert potential.evaluated == 4 + 8
    assert output.frames[0].pattern_margin_ev == pytest.approx(2 * gap)
    assert (output.frames[0].n_patterns, output.n_recovery_frames, output.chance_recovery) == (2, 4, 0.5)


def test_recovery_is_not_claimed_unless_asked_for(tmp_path: Path, prepare: Prepare) -> None:
    prepare(toy_frames(2))
    output = output_of(tmp_path)
    assert output.pattern_recovery is None
    assert output.frames[0].lowest_pattern is None


def test_errors_of_each_pattern_are_those_of_its_frames(tmp_path: Path, prepare: Prepare) -> None:
    frames = toy_frames(6)
    potential = prepare(frames, ALLOWED)
    moved = frames[1].configuration.positions.tobytes()  # of (3,2)
    potential.frames[moved] = replace(frames[1], energy=frames[1].energy + 0.4)
    errors = {entry.pattern: entry for entry in output_of(tmp_path).per_pattern}
    assert {label: entry.n_frames for label, entry in errors.items()} == {"(2,3)": 3, "(3,2)": 3}
    assert errors["(2,3)"].energy_mae_ev_per_atom == pytest.approx(0.02)
    assert errors["(3,2)"].energy_mae_ev_per_atom == pytest.approx((0.02 + 0.02 + 0.12) / 3)
    assert errors["(3,2)"].energy_rmse_ev_per_atom == pytest.approx(np.sqrt((2 * 0.02**2 + 0.12**2) / 3))
    assert errors["(2,3)"].pattern_recovery == errors["(3,2)"].pattern_recovery == 1.0


def test_stress_is_judged_where_dft_computed_it(tmp_path: Path, prepare: Prepare) -> None:
    frames = [replace(frame, stress=np.eye(3) * 0.01) if frame.step < 2 else frame for frame in toy_frames(5)]
    prepare(frames)
    output = output_of(tmp_path)
    assert output.n_stress_frames == 2
    assert output.stress_mae_ev_per_angstrom3 == pytest.approx(0.002)
    assert [frame.stress_mae_ev_per_angstrom3 is None for frame in output.frames] == [False] * 2 + [True] * 3
    prepare(toy_frames(5))
    without = output_of(tmp_path)
    assert (without.n_stress_frames, without.stress_mae_ev_per_angstrom3) == (0, None)


def test_calibration_compares_errors_with_the_spread(tmp_path: Path, prepare: Prepare) -> None:
    prepare(toy_frames(8))
    output = output_of(tmp_path)
    energies, forces = output.energy_calibration, output.force_calibration
    assert energies is not None
    assert forces is not None
    assert energies.factor == pytest.approx(0.08 / 0.02)
    assert (energies.n, energies.within_one) == (8, 0.0)
    assert forces.factor == pytest.approx(0.5 / np.sqrt(12) / 0.1)
    assert forces.rank_correlation is None  # one spread for all tells nothing
    assert sum(one.n for one in forces.bins) == forces.n == 8 * 12


def test_more_patterns_than_can_be_compared_leave_the_recovery_open(tmp_path: Path, prepare: Prepare) -> None:
    few, many = toy_frames(2)
    many = replace(many, redox_sites=(0, 1, 2, 3))
    prepare([few, many], {"Mn": [2, 3], "O": [-2, -1]}, max_patterns=3)
    output = output_of(tmp_path)
    assert (output.n_recovery_frames, output.pattern_recovery) == (1, 1.0)
    assert output.frames[1].lowest_pattern is None
    (warning,) = output.warnings
    assert warning == (
        "1 of 2 frames have more than 3 charge-balanced patterns (up to 4) and are left out of the pattern "
        "recovery; raise max_patterns to compare them all."
    )


def test_geometry_with_one_possible_pattern_proves_nothing(tmp_path: Path, prepare: Prepare) -> None:
    prepare([replace(frame, redox_sites=(0,)) for frame in toy_frames(4)], ALLOWED)
    output = output_of(tmp_path)
    assert (output.pattern_recovery, output.n_recovery_frames) == (None, 0)


def test_recovery_on_one_pattern_is_warned_of(tmp_path: Path, prepare: Prepare) -> None:
    prepare(toy_frames(6)[::2], ALLOWED)
    (warning,) = output_of(tmp_path).warnings
    assert warning.startswith("All frames have the pattern (2,3)")


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
    output = output_of(tmp_path)
    assert output.energy_mae_ev_per_atom == pytest.approx(0.02)
    assert output.warnings[0].startswith("All frames are ambiguous")


def test_bad_input_leaves_no_output(tmp_path: Path, prepare: Prepare) -> None:
    frames = toy_frames(1)
    unlabelled = replace(frames[0], forces=np.full((4, 3), np.nan))
    unclosed = replace(frames[0], total_charge=0)
    cases = [
        (frames, {"Mn": [3, 4]}, ClosureError, "the nearest they reach"),
        (frames, {"Fe": [2, 3]}, InputError, "Mn"),
        ([unlabelled], None, InputError, "1 of 1 frames without usable forces"),
        ([unclosed], None, ClosureError, "do not close"),
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
