from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.pw_output import read_pw_output
from aiida_redoxmlp.redox.trajectory_states import states_along
from aiida_redoxmlp.report.figures.trajectories import levels_of
from aiida_redoxmlp.report.trajectory_levels import deciding_levels, envelope, picture_of
from aiida_redoxmlp.report.trajectory_plot import plot_trajectory
from tests.redox.trajectory_drafts import drafted

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pw"
TABLE = RedoxTable.default()
MN_2, MN_3 = "#d55e00", "#56b4e9"


@pytest.fixture(scope="module")
def dynamics():
    return states_along(read_pw_output(FIXTURES / "md" / "pw.out").steps, 0, TABLE)


def _legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def _panels(figure):
    return figure.axes[:3]


def test_each_site_is_a_strip_of_its_states():
    trajectory = drafted([(2, 3)] * 4 + [(3, 2)] * 6)
    strips, _, _ = _panels(plot_trajectory(trajectory, TABLE))
    assert [label.get_text() for label in strips.get_yticklabels()] == ["Mn 5", "Mn 6"]
    for collection, colours in zip(strips.collections, ([MN_2, MN_3], [MN_3, MN_2]), strict=True):
        assert [to_hex(colour) for colour in collection.get_facecolors()] == colours
        extents = [path.get_extents() for path in collection.get_paths()]
        assert [(one.x0, one.x1) for one in extents] == [(-0.5, 3.5), (3.5, 9.5)]


def test_a_gap_in_the_steps_is_a_gap_in_the_strip():
    steps = [0, 1, 2, 6, 7]
    runs = picture_of(drafted([(2, 3)] * 5, steps=steps), TABLE).runs
    assert [(run.start, run.length) for run in runs if run.row == 0] == [(-0.5, 3.0), (5.5, 2.0)]


def test_an_arrow_follows_the_electron():
    figure = plot_trajectory(drafted([(2, 3, 3)] * 4 + [(3, 3, 2)] * 4), TABLE)
    (arrow,) = [patch for patch in _panels(figure)[0].patches if isinstance(patch, FancyArrowPatch)]
    path = arrow._posA_posB
    assert path == [(3.5, 0), (3.5, 2)]
    assert {"switch", "electron hop"} <= set(_legend(figure))


def test_switches_are_marked_on_the_temperature():
    trajectory = drafted([(2, 3)] * 4 + [(3, 2)] * 4, ambiguous=[3, 4])
    below = _panels(plot_trajectory(trajectory, TABLE))[2]
    (marker,) = [line for line in below.lines if line.get_marker() == "D"]
    assert marker.get_xydata().tolist() == [[3.5, 635.0]]
    assert below.get_ylabel() == "temperature / K"


def test_ambiguous_steps_of_the_dynamics_are_shaded_in_every_panel(dynamics):
    figure = plot_trajectory(dynamics, TABLE)
    _, levels, below = _panels(figure)
    for axis in (levels, below):
        (shade,) = axis.collections
        extent = shade.get_paths()[0].get_extents()
        assert (extent.x0, extent.x1) == (5.5, 7.5)
    assert "ambiguous" in _legend(figure)
    assert "switch" not in _legend(figure)
    assert "ambiguous" not in _legend(plot_trajectory(drafted([(2, 3)] * 3), TABLE))


def test_the_band_is_the_one_the_states_were_read_with(dynamics):
    table = TABLE.with_overrides({"Mn": {"states": [2, 3], "threshold": 0.8, "width": 0.05}})
    assert picture_of(dynamics, table).bands == ((0.8, 0.05),)
    levels = _panels(plot_trajectory(dynamics, table))[1]
    heights = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in levels.patches]
    assert heights == [pytest.approx((0.75, 0.85))]


def test_the_levels_that_decide_are_those_of_the_frames(dynamics, md_frames):
    for row in (0, 1):
        full, empty = deciding_levels(dynamics.eigenvalues[:, row], dynamics.states[:, row], 7)
        assert [(a, b) for a, b in zip(full, empty, strict=True)] == [levels_of(frame, row, 7) for frame in md_frames]


def test_an_empty_and_a_full_shell_lack_a_level():
    eigenvalues = np.tile(np.r_[np.linspace(0, 0.4, 5), np.full(2, np.nan)], (3, 2, 1))
    full, empty = deciding_levels(eigenvalues, np.array([7, 2, -3]), 7)
    assert np.isnan(full).tolist() == [True, False, False]
    assert np.isnan(empty).tolist() == [False, False, True]
    assert (empty[0], full[2]) == (0.4, 0.0)


@given(st.integers(1, 400), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_the_envelope_keeps_ends_and_extremes(n_rows, most, seed):
    values = np.random.default_rng(seed).normal(size=n_rows)
    rows = envelope(values, most)
    assert (np.diff(rows) > 0).all()
    assert (rows[0], rows[-1]) == (0, n_rows - 1)
    assert len(rows) <= 3 * most + n_rows % most + 2
    for start in range(0, n_rows // most * most, max(1, n_rows // most)):
        piece = slice(start, start + max(1, n_rows // most))
        kept = values[rows[(rows >= piece.start) & (rows < piece.stop)]]
        assert (kept.min(), kept.max()) == (values[piece].min(), values[piece].max())


def test_the_envelope_of_nothing_is_drawn_as_nothing():
    assert np.isnan(np.full(100, np.nan)[envelope(np.full(100, np.nan), 5)]).all()


def test_a_relaxation_shows_its_energy():
    trajectory = drafted([(2, 3)] * 3, dynamics=False)
    trajectory = replace(trajectory, energies=np.array([-10.0, -10.2, -10.3]))
    below = _panels(plot_trajectory(trajectory, TABLE))[2]
    assert "meV" in below.get_ylabel()
    assert below.lines[0].get_ydata() == pytest.approx([300, 100, 0])


def test_times_are_written_above_when_the_time_step_is_constant():
    (above,) = _panels(plot_trajectory(drafted([(2, 3)] * 5), TABLE))[0].child_axes
    assert above.get_xlabel() == "time / fs"
    trajectory = drafted([(2, 3)] * 5)
    uneven = replace(trajectory, times=np.array([0.0, 1.0, 2.0, 5.0, 6.0]))
    assert not _panels(plot_trajectory(uneven, TABLE))[0].child_axes


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
@pytest.mark.parametrize("n_steps", [1, 30, 5000])
def test_every_length_can_be_drawn_in_every_format(suffix, n_steps):
    trajectory = drafted([(2, 3) if step % 1000 < 700 else (3, 2) for step in range(n_steps)])
    content = BytesIO()
    plot_trajectory(trajectory, TABLE, title="pw.out").savefig(content, format=suffix)
    assert 4_000 < len(content.getvalue()) < 2_000_000
