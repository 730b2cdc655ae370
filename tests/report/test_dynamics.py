from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from PIL import Image

from aiida_redoxmlp.cli.reports import REPORTED, write_report_of
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.report.campaign import write_report
from aiida_redoxmlp.report.dynamics import write_dynamics_report
from aiida_redoxmlp.report.dynamics_graph import DynamicsGraph
from aiida_redoxmlp.report.dynamics_schema import DynamicsSummary
from aiida_redoxmlp.report.dynamics_summary import summarise_dynamics
from aiida_redoxmlp.report.dynamics_wording import dynamics_certainty, dynamics_headline
from aiida_redoxmlp.report.figures import conservation, run_state_panels, run_states
from aiida_redoxmlp.report.summary import summarise
from aiida_redoxmlp.report.trajectory_levels import picture_of
from tests.redox.trajectory_drafts import drafted
from tests.report.campaign_draft import CampaignDraft
from tests.report.dynamics_draft import DynamicsDraft, TrajectoryDraft, moving
from tests.report.process_draft import end
from tests.report.web_page import WebPage

OUT_OF_TIME, CUT, STOPPED = 400, 312, 420


@pytest.fixture(scope="module")
def finished(aiida_profile):
    """Two trajectories: in the first an electron goes and comes back, the second was stopped by its monitor."""
    draft = DynamicsDraft(patterns=((2, 3), (3, 2)), segments=[{"n_steps": 41, "temperature": 600.0}])
    first = draft.trajectory()
    steps = moving(41, swapped=range(13, 30), ambiguous=(12, 13, 14, 25), slope=-0.002)
    first.job(steps, 0, 11)
    first.job(steps, 11, 23, OUT_OF_TIME, "The walltime is over.")
    first.job(steps, 23, 23, CUT, "The stdout output file was incomplete.")
    first.job(steps, 23, 40)
    first.finish()
    second = draft.trajectory(pattern=[3, 2])
    steps = moving(34, swapped=range(34), slope=0.004)
    second.job(steps, 0, 20)
    second.job(steps, 20, 33)
    second.finish(
        STOPPED, "The run was stopped after 34 of 41 steps: it is too <hot>; what was reached is handed over."
    )
    draft.finish()
    return draft


@pytest.fixture(scope="module")
def segmented(aiida_profile):
    """One trajectory with new velocities, then another pattern, then one lithium more."""
    draft = TrajectoryDraft(
        {"n_steps": 20, "temperature": 900.0},
        {"n_steps": 15, "pattern": [3, 2]},
        {"n_steps": 12, "insert": [{"symbol": "Li", "position": [0.5, 0.5, 0.5]}]},
    )
    steps = moving(45, swapped=range(30, 45), slope=-0.002, starts=(0, 9, 29))
    for first, last in ((0, 9), (9, 29), (29, 44)):
        draft.job(steps, first, last)
    draft.change_composition()
    draft.job(moving(12), 0, 11)
    draft.finish()
    return draft


@pytest.fixture(scope="module")
def running(aiida_profile):
    """Two of three jobs have ended."""
    draft = DynamicsDraft(segments=[{"n_steps": 30, "temperature": 600.0}])
    trajectory = draft.trajectory()
    steps = moving(30, swapped=range(8, 30))
    trajectory.job(steps, 0, 9)
    trajectory.job(steps, 9, 19)
    trajectory.start_job()
    return draft


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, write_dynamics_report(finished.node, folder)


def test_report_is_a_page_a_summary_and_a_picture_a_figure(report):
    folder, written = report
    assert {path.relative_to(folder).as_posix() for path in written} == {
        "report.html",
        "summary.json",
        "figures/run_0_part_0.png",
        "figures/run_1_part_0.png",
        "figures/conserved_quantity.png",
        "figures/timeline.png",
    }
    for name in ("run_0_part_0", "conserved_quantity"):
        with Image.open(folder / "figures" / f"{name}.png") as picture:
            assert picture.width >= 1200
            assert len(set(picture.convert("RGB").resize((60, 40)).getdata())) > 5  # not blank


def test_page_works_without_a_network_and_names_every_node(report, finished):
    page = WebPage((report[0] / "report.html").read_text(encoding="utf-8"))
    assert page.loaded == []
    assert len(page.ids) == len(set(page.ids))
    nodes = [finished.node, *finished.node.called, finished.node.outputs.dataset]
    nodes += [job for run in finished.runs for job in run.node.called if isinstance(job, orm.CalcJobNode)]
    assert all(node.uuid in page.text for node in nodes)
    assert page.text.index("electron hops") < page.text.index("Switches of oxidation states")
    assert "it is too <hot>" in page.text  # escaped in the page, as it is in the text


def test_summary_is_strict_json_that_reads_back_the_same(report, finished):
    text = (report[0] / "summary.json").read_text(encoding="utf-8")
    assert DynamicsSummary.model_validate_json(text) == summarise_dynamics(finished.node)
    assert json.loads(text)["n_switches"] == 4


def test_headline_counts_what_the_events_say(finished):
    summary = summarise_dynamics(finished.node)
    assert dynamics_headline(summary) == (
        "75 steps of β-Li½MnPO4 in 2 trajectories: 4 switches of oxidation states by 2 electron hops; "
        "4 steps (5 %) are ambiguous."
    )
    assert (summary.n_steps, summary.n_steps_wanted, summary.n_pw_calculations) == (75, 82, 6)
    assert any("independent" in sentence for sentence in dynamics_certainty(summary))
    assert summary.n_independent == finished.node.outputs.dataset.n_frames


def test_a_switch_amid_ambiguous_steps_is_dated_by_them(finished):
    (part,) = summarise_dynamics(finished.node).trajectories[0].parts
    switches = [(one.site, one.before, one.after, one.last_step_before, one.first_step_after) for one in part.switches]
    assert switches == [(0, 2, 3, 11, 15), (1, 3, 2, 11, 15), (0, 3, 2, 29, 30), (1, 2, 3, 29, 30)]
    assert part.switches[0].time_fs == pytest.approx(13 * 2.4)
    assert [(hop.from_site, hop.to_site) for hop in part.hops] == [(0, 1), (1, 0)]
    assert [(one.first_step, one.last_step) for one in part.ambiguous_intervals] == [(12, 14), (25, 25)]
    assert (part.wanted, part.pattern_at_start) == ([2, 3], [2, 3])


def test_chunks_tell_their_steps_and_what_ended_them(finished):
    chunks = summarise_dynamics(finished.node).trajectories[0].chunks
    assert [(one.first_step, one.last_step, one.n_new_steps) for one in chunks] == [
        (0, 11, 12),
        (11, 23, 12),
        (23, None, 0),
        (23, 40, 17),
    ]
    assert sum(one.n_new_steps for one in chunks) == 41
    assert [one.ending for one in chunks[:2]] == ["it made its steps", "its own time limit (max_seconds)"]
    assert chunks[0].jump_mev is None
    assert chunks[1].jump_mev == pytest.approx(0.0, abs=1e-9)


def test_joints_are_where_the_plan_joins(finished):
    graph = DynamicsGraph(finished.node)
    for trajectory, course in zip(graph.trajectories, conservation.collect(graph), strict=True):
        chunks = trajectory.chunks_of(0)
        assert [joint.step for joint in course.joints] == [chunk.first_step for chunk in chunks[1:]]
        (line,) = course.lines
        for joint in course.joints:
            assert joint.again == pytest.approx(line[1][joint.step])


def test_drift_is_the_slope_of_the_energy(finished):
    parts = [trajectory.parts[0] for trajectory in summarise_dynamics(finished.node).trajectories]
    drifts = [part.drift_ev_per_atom_and_ps for part in parts]
    assert drifts == pytest.approx([-0.002 / 13 / 0.0024, 0.004 / 13 / 0.0024])
    assert parts[1].largest_jump_mev == pytest.approx(4.0)


def test_a_trajectory_that_was_stopped_is_a_warning(finished):
    summary = summarise_dynamics(finished.node)
    assert summary.phase == "done"
    assert summary.warnings[0].startswith("Run 1 ended early with exit status 420: The run was stopped")
    assert "4 of 75 steps are ambiguous" in summary.warnings[1]


def test_what_new_seeds_impose_is_no_switch(segmented):
    summary = summarise_dynamics(segmented.node)
    first, second = summary.trajectories[0].parts
    assert [one.imposed for one in first.switches] == [True, True]
    assert (summary.n_switches, summary.n_hops) == (0, 0)
    assert "2 switches of part 0 of the trajectory lie where the electrons were seeded anew" in summary.warnings[0]
    assert (first.n_steps, second.n_steps, second.wanted) == (45, 12, None)


def test_new_velocities_and_seeds_are_no_drift_and_no_jump(segmented):
    summary = summarise_dynamics(segmented.node)
    first = summary.trajectories[0].parts[0]
    assert first.drift_ev_per_atom_and_ps == pytest.approx(-0.002 / 13 / 0.0024, rel=1e-4)
    assert first.largest_jump_mev == pytest.approx(2.0)
    assert [chunk.jump_mev for chunk in summary.trajectories[0].chunks] == [None] * 4
    course = conservation.collect(DynamicsGraph(segmented.node))[0]
    assert [len(times) for times, _ in course.lines] == [10, 20, 15]
    assert [one.text for one in course.interventions] == ["new velocities", "new seeds"]


def test_page_draws_strips_levels_band_and_switches(finished):
    data = run_states.collect(DynamicsGraph(finished.node))[0]
    page = run_state_panels.draw_plotly(data)
    strips = [trace for trace in page.data if trace.type == "bar"]
    lengths = sum(sum(trace.x) for trace in strips)
    assert lengths == 2 * 41  # two sites over all steps
    (band,) = [shape for shape in page.layout.shapes if shape.type == "rect"]
    assert (band.y0, band.y1) == pytest.approx((0.86, 0.90))
    (diamonds,) = [
        trace for trace in page.data if trace.type == "scatter" and trace.marker.symbol == "diamond" and trace.text
    ]
    assert list(diamonds.x) == [13.0, 29.5]
    assert "Mn 1: 2+ → 3+" in diamonds.text[0]
    named = {trace.name for trace in page.data if trace.showlegend}
    assert {"Mn2+", "Mn3+", "ambiguous", "switch", "electron hop", "threshold ± width"} <= named


def test_a_long_trajectory_is_thinned_to_its_extremes():
    along = drafted([(2, 3) if step % 5000 < 4000 else (3, 2) for step in range(50_000)])
    eigenvalues = np.random.default_rng(7).uniform(0.0, 1.0, along.eigenvalues.shape)
    along = replace(along, eigenvalues=np.sort(eigenvalues), temperatures=np.linspace(300.0, 900.0, 50_000))
    table = RedoxTable.default()
    data = run_states.RunStates("run 0", "run_0", along, table, picture_of(along, table), ())
    page = run_state_panels.draw_plotly(data)
    assert len(page.to_json()) < 3_000_000
    levels = [np.array(trace.y, dtype=float) for trace in page.data if trace.type == "scatter" and len(trace.y) > 1000]
    assert max(np.nanmax(one) for one in levels if np.nanmax(one) < 2) == pytest.approx(eigenvalues.max(), abs=1e-5)
    switches = next(
        trace
        for trace in page.data
        if trace.text is not None and "switch" not in str(trace.name) and trace.marker.symbol == "diamond"
    )
    assert len(switches.x) == 2 * 10 - 1


def test_running_dynamics_show_the_jobs_that_have_ended(running, tmp_path):
    summary = summarise_dynamics(running.node)
    assert (summary.phase, summary.n_steps, summary.n_steps_wanted, summary.n_switches) == ("running", 20, 30, 2)
    assert "still run" in summary.warnings[0]
    assert summary.trajectories[0].chunks[-1].ending == "it still runs"
    part = summary.trajectories[0].parts[0]
    assert (part.trajectory_uuid, part.events_uuid) == (None, None)  # nothing was stored for the report
    names = {path.name for path in write_dynamics_report(running.node, tmp_path)}
    assert names >= {"run_0_part_0.png", "conserved_quantity.png", "timeline.png"}


def test_failure_before_the_first_step_is_told_with_its_reason(aiida_profile, tmp_path):
    draft = TrajectoryDraft()
    end(draft.start_job(), 510, "The electronic minimization cycle failed.")
    end(draft.node, STOPPED, "After 0 of 10 steps pw.x makes no more progress.")
    names = {path.name for path in write_dynamics_report(draft.node, tmp_path)}
    assert names == {"summary.json", "report.html", "timeline.png"}
    summary = summarise_dynamics(draft.node)
    assert summary.warnings == [
        "The dynamics failed with exit status 420: After 0 of 10 steps pw.x makes no more progress."
    ]
    assert dynamics_headline(summary).startswith("There is no ionic step yet")
    assert summary.trajectories[0].chunks[0].ending == "an SCF cycle that did not converge"


def test_steps_without_conserved_quantity_leave_that_figure_out(aiida_profile, tmp_path):
    draft = TrajectoryDraft()
    draft.job(moving(10, slope=np.nan), 0, 9)
    draft.finish()
    names = {path.name for path in write_dynamics_report(draft.node, tmp_path)}
    assert names == {"summary.json", "report.html", "trajectory_part_0.png", "timeline.png"}


def test_both_work_chains_have_a_report(segmented, tmp_path):
    assert {"DynamicsWorkChain", "TrajectoryWorkChain"} <= set(REPORTED)
    assert write_report_of(segmented.node, tmp_path)[1].name == "report.html"


def test_campaign_reads_its_md_labels_from_trajectories(aiida_profile, md_frames, tmp_path):
    campaign = CampaignDraft(md_frames)
    campaign.label("relax", 0, (2, 3), (2, 3), frames=slice(0, 5))
    for number, (swapped, status) in enumerate(((range(6, 12), 0), (range(12), STOPPED))):
        trajectory = TrajectoryDraft(caller=campaign.node, name=f"md_{number}")
        steps = moving(12, swapped=swapped)
        trajectory.job(steps, 0, 5)
        trajectory.job(steps, 5, 11)
        trajectory.finish(status, "It was stopped.")
    summary = summarise(campaign.node)
    first, second = (label for label in summary.labels if label.stage == "md")
    assert (first.wanted, first.found, first.landed, first.n_frames) == ([2, 3], [2, 3], True, 12)
    assert (second.found, second.landed, second.phase) == ([3, 2], False, "failed")
    assert summary.counts.n_frames == 5 + 12 + 12
    assert any("the 12 frames it reached are in the dataset" in warning for warning in summary.warnings)
    write_report(campaign.node, tmp_path)
    page = WebPage((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "md 0: wanted (2,3)" in " ".join(page.scripts)
