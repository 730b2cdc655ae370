from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.report.wording import duration, energy, listing, pattern_in_words, pattern_label, share


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7790, "2 h 10 min")],
)
def test_duration_is_said_as_people_say_it(seconds, text):
    assert duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e6))
def test_no_duration_reads_sixty_of_a_smaller_unit(seconds):
    assert "60" not in duration(seconds).removeprefix(duration(seconds).partition(" ")[0])
    assert not duration(seconds).startswith("60 s")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0 meV"), (0.0031, "3.1 meV"), (0.256, "256 meV"), (-0.02, "-20 meV"), (1.5, "1.50 eV")]
)
def test_energy_differences_keep_a_readable_unit(value, text):
    assert energy(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.75, "75 %"), (0.9804, "98 %"), (0.998, "99.80 %"), (1.0, "> 99.99 %")])
def test_near_certainty_keeps_its_digits(value, text):
    assert share(value) == text


def test_long_patterns_are_cut_and_grouped_by_state():
    states = [2] * 10 + [3] * 10
    assert pattern_label(states) == "(2,2,2,2,2,2,…,3,3,3,3,3,3)"
    words = pattern_in_words([2, 3, 2, 3, 3, 3, 4], [f"Mn{number}" for number in range(1, 8)])
    assert words == "Mn1 and Mn3 are 2+; Mn2, Mn4, Mn5 and Mn6 are 3+; Mn7 is 4+"


@given(st.lists(st.text("abc", min_size=1), min_size=1, max_size=6))
def test_a_listing_names_every_item_in_order(items):
    assert listing(items).replace(" and ", ", ").split(", ") == items
