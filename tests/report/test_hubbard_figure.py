from __future__ import annotations

from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.report.figures import hubbard_cycles, hubbard_panels
from aiida_redoxmlp.report.figures.end_labels import LineEnd, end_labels
from aiida_redoxmlp.report.hubbard_summary import summarise_hubbard


@pytest.fixture(scope="module")
def converged(converged_u):
    return hubbard_cycles.collect(summarise_hubbard(converged_u.node))


@pytest.fixture(scope="module")
def circling(circling_uv):
    return hubbard_cycles.collect(summarise_hubbard(circling_uv.node))


def test_what_was_put_in_is_cycle_zero(converged):
    (panel,) = converged.panels  # without V there is no second panel
    first, second = panel.courses
    assert first.values.tolist() == [4.5, 3.95, 4.12, 4.10]
    assert (first.name + first.suffix, second.name + second.suffix) == ("Mn1 (2+)", "Mn2 (3+)")
    assert panel.title == "U converged: last change 0.05 eV, tolerance 0.1 eV"


def test_pairs_of_a_site_are_one_line_with_their_range(circling):
    onsite, intersite = circling.panels
    assert [course.n_values for course in intersite.courses] == [6, 6]
    first = intersite.courses[0]
    assert first.name == "Mn1–O"
    assert first.values[1] == pytest.approx(np.mean([0.40, 0.42, 0.44, 0.46, 0.48, 0.50]))
    assert (first.lows[1], first.highs[1]) == pytest.approx((0.40, 0.50))
    assert all((course.lows <= course.values).all() for course in intersite.courses)
    assert all((course.values <= course.highs).all() for course in intersite.courses)
    assert "not converged" in onsite.title


def test_marker_is_the_state_of_its_own_cycle(circling):
    assert circling.panels[0].courses[0].species == ("Mn2+", "Mn3+", "Mn2+")
    assert (circling.changed, circling.ambiguous) == ((2, 3), (3,))
    page = hubbard_panels.draw_plotly(circling)
    markers = next(trace for trace in page.data if trace.text and "Mn1" in trace.text[1]).marker
    assert markers.color[1] == markers.color[3] != markers.color[2]
    assert markers.symbol[1] == markers.symbol[3] != markers.symbol[2]


def test_marks_are_in_both_panels_of_either_drawing(circling):
    page = hubbard_panels.draw_plotly(circling)
    lines = [shape for shape in page.layout.shapes if shape.type == "line"]
    assert [(line.x0, line.xref) for line in lines] == [(2, "x"), (3, "x"), (2, "x2"), (3, "x2")]
    picture = hubbard_panels.draw_matplotlib(circling)
    legend = [text.get_text() for text in picture.legends[0].get_texts()]
    named = {trace.name for trace in page.data if isinstance(trace, go.Scatter) and trace.showlegend}
    assert {"Mn2+", "Mn3+", "pattern changed", "pattern ambiguous"} <= set(legend)
    assert named == set(legend)


def test_lines_that_coincide_are_shifted_and_others_are_not(converged, circling):
    assert converged.panels[0].offsets == [0.0, 0.0]
    assert circling.panels[1].offsets[0] < 0 < circling.panels[1].offsets[1]
    same = hubbard_cycles.Panel("U", (converged.panels[0].courses[0],) * 2, 0.05, 0.1)
    assert same.offsets[0] < same.offsets[1]


def test_axis_holds_every_value_and_the_tolerance(converged, circling):
    for panel in (*converged.panels, *circling.panels):
        low, high = panel.span
        assert all(low < course.lows.min() and course.highs.max() < high for course in panel.courses)
        assert all(low < course.values[-1] - panel.tolerance for course in panel.courses)
        assert all(course.values[-1] + panel.tolerance < high for course in panel.courses)


ENDS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([" (2+)", " (3+)"])), min_size=1, max_size=40)


@given(ENDS)
def test_labels_keep_apart_and_within_the_axis(ends):
    lines = [LineEnd(y, f"Mn{number}", suffix, suffix) for number, (y, suffix) in enumerate(ends, start=1)]
    heights = [label.y for label in end_labels(lines, (0.0, 1.0), 0.05)]
    assert all(after - before >= 0.05 - 1e-9 for before, after in pairwise(heights))
    assert all(-1e-9 <= y <= 1 + 1e-9 for y in heights)


def test_labels_with_room_stay_where_their_lines_end():
    lines = [LineEnd(0.3, "Mn1", " (2+)", "Mn2+"), LineEnd(0.7, "Mn2", " (3+)", "Mn3+")]
    assert [(label.y, label.text) for label in end_labels(lines, (0.0, 1.0), 0.05)] == [
        (0.3, "Mn1 (2+)"),
        (0.7, "Mn2 (3+)"),
    ]


def test_sites_of_one_state_that_end_together_share_a_label():
    lines = [LineEnd(0.5, f"Ni{number}", " (2+)", "Ni2+") for number in (10, 2, 1)]
    assert [label.text for label in end_labels(lines, (0.0, 1.0), 0.05)] == ["Ni1, Ni2, Ni10 (2+)"]
    apart = [LineEnd(0.5, "Ni1", " (2+)", "Ni2+"), LineEnd(0.5, "Ni2", " (3+)", "Ni3+")]
    assert len(end_labels(apart, (0.0, 1.0), 0.05)) == 2


def test_a_crowd_is_named_by_its_first_and_their_number():
    lines = [LineEnd(0.01 * number, f"Mn{number}", " (2+)", "Mn2+") for number in range(1, 31)]
    labels = end_labels(lines, (0.0, 1.0), 0.055)
    assert len(labels) <= 18
    assert labels[0].text == "Mn1 and 29 more (2+)"
