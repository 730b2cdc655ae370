from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from aiida_redoxmlp.report.figures.style import AWARE, DFT
from aiida_redoxmlp.report.figures.voltage import draw_matplotlib
from aiida_redoxmlp.search.voltage import voltage_profiles
from aiida_redoxmlp.search.voltage_curve import GroundStateEnergy


@pytest.fixture
def profiles():
    members = {0: (0.0, 0.1), 0.25: (-1.1, -1.0), 0.5: (-2.4, -2.3), 0.75: (-2.6, -2.7), 1: (-4.0, -4.1)}
    states = [GroundStateEnergy(x, energies, "potential") for x, energies in members.items()]
    states += [GroundStateEnergy(x, (energy,), "dft") for x, energy in {0: 0.0, 0.5: -2.2, 1: -4.0}.items()]
    return voltage_profiles(states, 0.0)


def _drawn(axis, colour, **style):
    return [
        line
        for line in axis.get_lines()
        if line.get_color() == colour and all(getattr(line, f"get_{key}")() == value for key, value in style.items())
    ]


def test_plateaus_are_at_the_average_voltages(profiles):
    axis = draw_matplotlib(profiles).axes[1]
    potential = profiles.curves[0]
    (mean,) = _drawn(axis, AWARE, alpha=None)
    assert mean.get_ydata() == pytest.approx(np.repeat([step.voltage for step in potential.steps], 2))
    (labelled,) = _drawn(axis, DFT)
    assert labelled.get_xdata() == pytest.approx([0, 0.5, 0.5, 1])
    assert labelled.get_ydata() == pytest.approx([4.4, 4.4, 3.6, 3.6])
    assert len(_drawn(axis, AWARE)) == 1 + potential.n_members


def test_hulls_join_what_is_stable_and_open_points_are_above(profiles):
    axis = draw_matplotlib(profiles).axes[0]
    (mean,) = _drawn(axis, AWARE, alpha=None, linestyle="-", linewidth=1.4)
    assert mean.get_xdata() == pytest.approx([0, 0.5, 1])
    points = axis.collections[-2]  # the last are DFT's
    filled = [tuple(colour[:3]) == pytest.approx(to_rgb(AWARE)) for colour in points.get_facecolors()]
    assert filled == profiles.curves[0].stable.tolist() == [True, False, True, False, True]
    assert np.asarray(points.get_offsets())[:, 1] == pytest.approx(
        1000 * profiles.curves[0].formation_energies.mean(axis=1)
    )
