from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.dataset.labelling import SkippedStep, frames_from_steps, reread
from aiida_redoxmlp.errors import ClosureError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.pw_output import read_pw_output

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pw"
TABLE = RedoxTable.default()
CHEMISTRY = {"total_charge": 0, "allowed_states": {"Mn": [2, 3]}, "fixed_states": {"Li": 1, "P": 5, "O": -2}}


def _steps(run: str):
    return read_pw_output(FIXTURES / run / "pw.out").steps


def _labelled(run: str, **options):
    return frames_from_steps(_steps(run), total_charge=0, table=TABLE, **options)


def test_every_step_of_the_dynamics_is_a_frame_and_the_last_two_are_flagged():
    labelled = _labelled("md", group="md-600K", source="uuid")
    assert labelled.skipped == ()
    assert [frame.ambiguous for frame in labelled.frames] == [False] * 6 + [True] * 2
    assert [frame.naive_closed for frame in labelled.frames] == [True] * 6 + [False] * 2
    assert [frame.step for frame in labelled.frames] == list(range(8))
    assert {(frame.group, frame.source) for frame in labelled.frames} == {("md-600K", "uuid")}


def test_frames_hold_the_labels_of_their_step_and_close_the_charge():
    step = _steps("scf_afm")[0]
    (frame,) = _labelled("scf_afm").frames
    assert frame.configuration.total_charge == frame.total_charge == 0
    assert frame.pattern.label == "(2,3)"
    assert frame.configuration.numbers.tolist() == [25, 25, 15, 8, 8, 8, 8, 15, 8, 8, 8, 8, 3]
    assert frame.energy == step.energy
    np.testing.assert_array_equal(frame.forces, step.forces)
    np.testing.assert_array_equal(frame.configuration.positions, step.positions)
    np.testing.assert_array_equal(frame.eigenvalues[1], step.occupations[1].eigenvalues)
    assert frame.confidences.shape == (2,)


def test_stress_is_kept_where_it_was_computed():
    frames = frames_from_steps(_steps("mno_relax_alat_7.2"), total_charge=0, table=TABLE).frames
    assert all(frame.stress is not None for frame in frames)


def test_unconverged_steps_are_skipped_with_the_reason():
    labelled = _labelled("mno_md_few_iterations_7.2")
    assert labelled.frames == ()
    assert labelled.skipped[0] == SkippedStep(0, "its SCF cycle did not converge in 3 iterations")


def test_steps_without_forces_are_skipped_and_the_others_keep_their_number():
    steps = list(_steps("md"))
    steps[2] = replace(steps[2], forces=None)
    labelled = frames_from_steps(steps, total_charge=0, table=TABLE)
    assert labelled.skipped == (SkippedStep(2, "it has no forces"),)
    assert [frame.step for frame in labelled.frames] == [0, 1, 3, 4, 5, 6, 7]


def test_a_charge_that_cannot_close_is_not_labelled():
    table = TABLE.with_overrides({"Mn": {"states": [2, 3]}})
    with pytest.raises(ClosureError):
        frames_from_steps(_steps("scf_afm"), total_charge=4, table=table)


def test_frames_that_are_read_again_alike_stay_what_they_are():
    for frame in _labelled("md", group="md-600K").frames:
        again = reread(frame, TABLE)
        assert again.content_hash == frame.content_hash
        assert (again.ambiguous, again.naive_closed, again.margin) == (
            frame.ambiguous,
            frame.naive_closed,
            frame.margin,
        )
        np.testing.assert_array_equal(again.confidences, frame.confidences)


def test_another_threshold_leaves_the_labels_and_changes_how_sure_the_states_are():
    table = RedoxChemistry.model_validate({**CHEMISTRY, "thresholds": {"Mn": 0.97}}).table()
    frame = _labelled("md").frames[0]
    again = reread(frame, table)
    assert again.ambiguous
    assert not frame.ambiguous
    assert again.energy == frame.energy
    np.testing.assert_array_equal(again.forces, frame.forces)
    assert again.pattern == frame.pattern
