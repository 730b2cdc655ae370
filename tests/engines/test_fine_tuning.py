from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from aiida_redoxmlp.engines.fine_tuning import FineTuning, require_consistent_start
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError

NAMED = FineTuning(foundation_name="small", trust_pickle=True)


def test_settings_survive_their_json() -> None:
    settings = TrainingSettings(fine_tuning={"mode": "low_rank", "rank": 2})
    assert TrainingSettings.model_validate_json(settings.model_dump_json()) == settings
    assert TrainingSettings().fine_tuning is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rank": 2}, "rank belongs to the mode low_rank, but the mode is naive"),
        ({"mode": "frozen", "replay_weight": 2.0}, "replay_weight belongs to the mode replay, but the mode is frozen"),
        (
            {"mode": "frozen", "frozen_layers": ["heart"]},
            "'species', 'radial', 'interactions', 'products' or 'readouts'",
        ),
        ({"mode": "magic"}, "'naive', 'frozen', 'low_rank' or 'replay'"),
        ({"foundation_name": "small"}, "'small' is fetched as a pickle.*trust_pickle"),
        ({"mode": "low_rank", "rank": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_do_not_fit_the_mode_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FineTuning.model_validate(given)


@pytest.mark.parametrize(
    ("fine_tuning", "foundation", "replay", "message"),
    [
        (None, "stored", False, "foundation model is given, but the settings have no fine_tuning"),
        (None, None, True, "replay dataset is given, but the settings have no fine_tuning.*mode: replay"),
        (FineTuning(), None, False, "no foundation model is given"),
        (NAMED, "stored", False, "foundation_name is 'small' as well"),
        (FineTuning(), "file", False, "a pickle.*trust_pickle"),
        (FineTuning(head="pbe"), "stored", False, "head 'pbe' is asked for"),
        (FineTuning(mode="replay"), "stored", False, "needs a replay dataset"),
        (FineTuning(), "stored", True, "replay dataset is given, but the mode is naive"),
    ],
)
def test_contradictions_are_refused_in_one_sentence(
    fine_tuning: FineTuning | None, foundation: Any, replay: bool, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        require_consistent_start(fine_tuning, foundation, replay=replay)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    ("fine_tuning", "foundation", "replay"),
    [
        (None, None, False),
        (NAMED, None, False),
        (FineTuning(), "stored", False),
        (FineTuning(trust_pickle=True, head="pbe"), "file", False),
        (FineTuning(mode="replay"), "stored", True),
    ],
)
def test_what_belongs_together_is_accepted(fine_tuning: FineTuning | None, foundation: Any, replay: bool) -> None:
    require_consistent_start(fine_tuning, foundation, replay=replay)
