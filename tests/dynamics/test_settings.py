from __future__ import annotations

import pytest
from pydantic import ValidationError

from aiida_redoxmlp.dynamics.settings import DynamicsSettings

START = {"n_steps": 10, "temperature": 600.0}


def test_steps_of_all_segments_are_counted():
    assert DynamicsSettings(segments=[START, {"n_steps": 5}]).n_steps == 15


def test_taking_atoms_out_changes_the_composition():
    first, second = DynamicsSettings(segments=[START, {"n_steps": 5, "remove": [12]}]).segments
    assert (first.changes_composition, second.changes_composition) == (False, True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"segments": []}, "at least 1"),
        ({"segments": [{"n_steps": 0, "temperature": 600.0}]}, "greater than or equal to 1"),
        ({"segments": [{"n_steps": 5}]}, "the first segment has no temperature"),
        ({"segments": [START, {"n_steps": 5, "remove": [3, 3]}]}, "name each once"),
        ({"segments": [START], "thermostat": "nose"}, "'rescaling'"),
        ({"segments": [START], "timestep": 0.0}, "greater than 0"),
        ({"segments": [START], "time_step": 1.0}, "Extra inputs"),
    ],
)
def test_bad_settings_are_refused(wrong, says):
    with pytest.raises(ValidationError, match=says):
        DynamicsSettings.model_validate(wrong)
