from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from aiida_redoxmlp.report.figures import learning_curves, parity, pattern_energies, reliability, timeline, trajectories
from aiida_redoxmlp.report.figures.style import species_colours
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.summary import summarise
from aiida_redoxmlp.report.summary_schema import PatternSummary
from aiida_redoxmlp.report.timings import ProcessSpan


@pytest.fixture(scope="module")
def graph(finished):
    return CampaignGraph(finished.node)


def test_levels_are_the_two_around_the_d_count(md_frames):
    full, empty = trajectories.levels_of(md_frames[0], 0, valence_electrons=7)
    assert full > 0.95
    assert empty < 0.2  # Mn2+: five levels full, the minority channel empty
    full, empty = trajectories.levels_of(md_frames[0], 1, valence_electrons=7)
    assert full > 0.95
    assert empty == pytest.approx(0.55, abs=0.02)  # Mn3+: the fifth level of the majority channel is not counted


def test_levels_beyond_an_empty_or_full_shell_do_not_exist(md_frames):
    state = int(md_frames[0].configuration.oxidation_states[0])
    assert np.isnan(trajectories.levels_of(md_frames[0], 0, valence_electrons=state)[0])
    assert np.isnan(trajectories.levels_of(md_frames[0], 0, valence_electrons=state + 10)[1])


def test_trajectories_mark_the_two_ambiguous_frames_of_md(graph):
    data = trajectories.collect(graph, ("Mn1", "Mn2"))
    assert [run.title for run in data.runs] == [
        "relax 0: wanted (2,3)",
        "relax 1: wanted (3,2)",
        "md 0: wanted (2,3)",
        "md 1: wanted (2,3)",
    ]
    md = data.runs[2]
    assert md.ambiguous.tolist() == [False] * 6 + [True] * 2
    assert md.sites[1].first_empty[-1] > data.thresholds["Mn"] > md.sites[1].first_empty[0]
    assert not data.runs[0].ambiguous.any()
    assert set(data.colours) == {"Mn2+", "Mn3+"}


def test_parity_is_relative_to_the_mean_of_dft_for_either_committee(graph):
    data = parity.collect(graph)
    aware, unaware = data.energies
    assert aware.dft.mean() == pytest.approx(0, abs=1e-9)
    assert aware.mlp - aware.dft == pytest.approx(np.full(7, 1000 * 0.02 / 13))
    assert unaware.mlp - unaware.dft == pytest.approx(np.full(7, 1000 * 0.06 / 13))
    drawn = sum(len(dft) for dft, _ in data.forces[0].by_species.values())
    assert drawn == 7 * 13 * 3
    low, high = data.energy_range
    assert all(((low < values) & (values < high)).all() for one in data.energies for values in one.bounds)


def test_reliability_shows_every_bin_of_both_committees_on_equal_axes(finished):
    data = reliability.collect(summarise(finished.node).test_errors)
    assert [panel.title for panel in data.panels] == ["Energy", "Forces"]
    forces = data.panels[1]
    assert [one.name for one in forces.curves] == ["redox-aware", "redox-unaware"]
    assert all(sum(one.counts) == 600 for one in forces.curves)
    assert forces.curves[0].summary.startswith("redox-aware: factor 1.32, ρ = 0.61")
    low, high = forces.limits
    assert all(((low < part) & (part < high)).all() for one in forces.curves for part in (one.spread, one.rmse))
    assert 2 <= len(forces.ticks) <= 8
    axes = reliability.draw_matplotlib(data).axes
    assert [axis.get_xlim() == axis.get_ylim() for axis in axes] == [True, True]
    assert len(reliability.draw_plotly(data).data) == 2 + 4 + 2


def test_judges_have_each_its_own_zero_and_misses_are_set_apart(graph):
    common = {"orbit": 0, "multiplicity": 2, "pattern_found_by_dft": [2, 3]}
    patterns = [
        PatternSummary(states=[2, 3], energy_mlp_ev=-5.0, energy_dft_ev=-4.0, **common),
        PatternSummary(states=[3, 2], energy_mlp_ev=-4.9, energy_dft_ev=-4.3, **common),
    ]
    data = pattern_energies.collect(graph, patterns)
    assert data.mlp == pytest.approx([0, 100])
    assert data.checked[0] == pytest.approx(0)  # a miss that lies lower does not move DFT's zero
    assert np.isnan(data.checked[1])
    assert data.elsewhere[1] == pytest.approx(-300)
    assert data.mlp_std == pytest.approx([0, 0])  # all members agree on the difference


def test_ranking_of_a_single_known_energy_is_not_drawn(graph):
    patterns = [PatternSummary(states=[2, 3], orbit=0, multiplicity=1, energy_mlp_ev=-5.0)]
    assert pattern_energies.collect(graph, patterns) is None


def test_learning_curves_keep_each_members_epochs_in_order(graph):
    data = learning_curves.collect(graph)
    assert [(curve.committee, curve.member, curve.best_epoch) for curve in data.curves[:3]] == [
        ("redox-aware", 0, 40),
        ("redox-aware", 1, 35),
        ("redox-aware", 2, 38),
    ]
    assert all((np.diff(curve.epochs) == 1).all() for curve in data.curves)
    assert len(data.curves) == 6


def span(start_s, end_s, *, depth=0, name="train", owner=None, is_job=True, stage="train", from_cache=False):
    return ProcessSpan(
        depth,
        name if owner is None else owner,
        name,
        "X",
        stage,
        1,
        "uuid",
        start_s,
        end_s,
        "done",
        0,
        from_cache,
        is_job,
    )


@pytest.mark.parametrize(("end_s", "unit", "length"), [(90, "s", 90), (600, "min", 10), (36000, "h", 10)])
def test_timeline_chooses_a_unit_that_fits(end_s, unit, length):
    data = timeline.collect([span(0, end_s)])
    assert (data.unit, data.bars[0].length) == (unit, pytest.approx(length))


def test_jobs_share_the_row_of_the_label_they_serve():
    spans = [
        span(0, 90, name="relax_0", is_job=False, stage="relax"),
        span(1, 40, depth=1, name="pw_1", owner="relax_0", is_job=False, stage="relax"),
        span(2, 39, depth=2, name="iteration_01", owner="relax_0", stage="relax"),
        span(45, 89, depth=2, name="iteration_02", owner="relax_0", stage="relax", from_cache=True),
    ]
    data = timeline.collect(spans)
    assert data.rows == ("relax 0",)
    assert [bar.from_cache for bar in data.bars] == [False, True]
    assert isinstance(timeline.draw_matplotlib(data), Figure)
    assert timeline.collect(spans[:2]) is None


def test_colours_of_redox_species_do_not_depend_on_spectators():
    few = species_colours(["Mn2+", "Mn3+"], ["Mn"])
    many = species_colours(["Li+", "Mn3+", "O2-", "Mn2+", "P5+"], ["Mn"])
    assert {label: many[label] for label in few} == few
    assert len(set(many.values())) == len(many)


def test_log_ticks_are_one_two_five_within_the_data():
    assert learning_curves.log_ticks(np.array([0.9, 47.0])) == pytest.approx([1, 2, 5, 10, 20, 50])


@pytest.mark.parametrize("values", [[417.0, 423.0], [0.0, 1.0, 100.0], [-1.0, 50.0], [np.nan, 1.0]])
def test_narrow_or_not_positive_curves_get_a_linear_axis(values):
    assert learning_curves.log_ticks(np.array(values)) == []
