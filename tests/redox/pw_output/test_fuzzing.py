from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COUNT = 240
HARD = (20945, 31192, 41758, 45223, 62365, 63994)
"""Cases of lines that were exchanged or lost in a way that is hard to see."""


@pytest.fixture(scope="module")
def counted() -> Counter[str]:
    """What comes out of damaged real outputs; the script does the same 100,000 times."""
    spec = importlib.util.spec_from_file_location("fuzzing", ROOT / "benchmarks" / "pw_output_fuzzing.py")
    fuzzing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzzing)
    return fuzzing.cases([*range(COUNT), *HARD])


def test_no_damage_makes_the_reader_crash(counted):
    assert sum(number for key, number in counted.items() if key.endswith(": cases")) == COUNT + len(HARD)
    assert [key for key in counted if key.startswith("crash")] == []


def test_every_frame_of_a_damaged_output_is_one_of_the_intact_one(counted):
    assert sum(number for key, number in counted.items() if key.endswith(": frames read")) > COUNT
    assert [key for key in counted if key.startswith("wrong")] == []


def test_reading_at_once_and_line_by_line_agree_on_damaged_outputs(counted):
    assert [key for key in counted if key.startswith("differs")] == []
