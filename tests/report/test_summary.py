from __future__ import annotations

import json

import pytest
from aiida import orm

from aiida_redoxmlp.report.caveats import caveats_of
from aiida_redoxmlp.report.figures import reliability
from aiida_redoxmlp.report.graph import CampaignGraph
from aiida_redoxmlp.report.judgement_tables import calibration_table, pattern_error_table
from aiida_redoxmlp.report.summary import summarise
from aiida_redoxmlp.report.summary_schema import CampaignSummary, CommitteeErrors, HeldOutErrors
from aiida_redoxmlp.report.verdict import certainty, headline


@pytest.fixture(scope="module")
def summary(finished):
    return summarise(finished.node)


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def test_summary_is_strict_json_that_reads_back_the_same(summary, tmp_path):
    path = tmp_path / "summary.json"
    summary.write(path)
    json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)
    assert CampaignSummary.model_validate_json(path.read_text(encoding="utf-8")) == summary


def test_finished_campaign_tells_ground_state_and_both_energies(summary, finished):
    assert (summary.material, summary.formula, summary.total_charge) == ("β-Li½MnPO4", "LiMn2O8P2", 0)
    assert (summary.phase, summary.exit_status) == ("done", 0)
    assert (summary.ground_state, summary.decided_by) == ([2, 3], "dft")
    assert summary.site_labels == ["Mn1", "Mn2"]
    lowest, other = summary.patterns
    assert (lowest.energy_mlp_ev, lowest.energy_dft_ev, lowest.pattern_found_by_dft) == (-5431.0, -5430.9, [2, 3])
    assert other.energy_dft_ev - lowest.energy_dft_ev == pytest.approx(summary.gap_ev)
    last_of_relaxation = finished.frames[2, 3][4]
    assert lowest.energy_dft_relaxed_ev == pytest.approx(last_of_relaxation.energy)


def test_counts_agree_with_the_labels_behind_them(summary):
    counts = summary.counts
    assert (counts.n_patterns, counts.n_distinct_patterns) == (2, 1)
    taught = [label for label in summary.labels if label.stage != "check"]
    assert counts.n_dft_calculations == sum(len(label.pw_uuids) for label in summary.labels) == 6
    assert counts.n_frames == sum(label.n_frames for label in taught) == 26
    assert counts.n_ambiguous_frames == sum(label.n_ambiguous for label in taught) == 4
    assert (counts.labels_asked, counts.labels_landed, counts.labels_elsewhere, counts.labels_failed) == (6, 5, 1, 0)
    assert [label.name for label in summary.labels] == ["relax 0", "relax 1", "md 0", "md 1", "check 0", "check 1"]


def test_every_uuid_loads_a_node(summary):
    uuids = [uuid for uuid in summary.uuids.model_dump().values() if uuid is not None]
    uuids += [uuid for label in summary.labels for uuid in (label.uuid, *label.pw_uuids)]
    uuids.append(summary.test_errors.baseline.evaluation_uuid)
    assert {orm.load_node(uuid).uuid for uuid in uuids} == set(uuids)
    assert summary.uuids.model is not None
    assert summary.uuids.model != summary.uuids.baseline


def test_errors_of_both_committees_are_told_by_species(summary):
    errors = summary.test_errors
    assert errors.baseline.energy_mae_ev_per_atom == pytest.approx(3 * errors.redox_aware.energy_mae_ev_per_atom)
    species = ["Li+", "Mn2+", "Mn3+", "O2-", "P5+"]
    assert [one.species for one in errors.redox_aware.per_species] == species
    assert summary.pattern_recovery == 0.75


def test_judgement_is_told_for_both_committees(summary):
    aware, unaware = summary.test_errors.redox_aware, summary.test_errors.baseline
    assert (aware.pattern_recovery, unaware.pattern_recovery, aware.chance_recovery) == (0.75, 0.0, 0.5)
    assert [one.pattern for one in aware.per_pattern] == ["(2,3)", "(3,2)"]
    assert aware.force_calibration.factor == pytest.approx(1.5, rel=0.2)
    assert sum(one.n for one in aware.force_calibration.bins) == 600
    assert summary.split_warnings == ["There are too few trajectories of (3,2)."]
    assert summary.split_warnings[0] in summary.warnings


def test_committee_that_is_too_sure_of_itself_is_warned_of(summary):
    assert not any("too sure" in warning for warning in summary.warnings)
    errors = summary.test_errors.redox_aware
    calibration = errors.force_calibration.model_copy(update={"factor": 4.2})
    errors = errors.model_copy(update={"force_calibration": calibration, "warnings": ["All frames are ambiguous."]})
    sure = summary.model_copy(update={"test_errors": HeldOutErrors(redox_aware=errors)})
    text = " ".join(caveats_of(sure))
    assert "its errors of forces on held-out frames are 4.2 times its spread" in text
    assert "On held-out frames: all frames are ambiguous." in text


def test_evaluation_without_calibration_is_summarised_all_the_same(finished):
    graph = CampaignGraph(finished.node)
    old = {key: value for key, value in graph.report_of("evaluate_aware").items() if "calibration" not in key}
    errors = CommitteeErrors.model_validate(
        {name: old[name] for name in CommitteeErrors.model_fields if name in old}
        | {"n_frames": 7, "evaluation_uuid": "uuid"}
    )
    summary = summarise(finished.node).model_copy(update={"test_errors": HeldOutErrors(redox_aware=errors)})
    assert not calibration_table(summary).rows
    assert pattern_error_table(summary).rows
    assert reliability.collect(summary.test_errors) is None


def test_stages_cover_all_jobs_and_name_those_from_the_cache(finished):
    search = next(node for node in finished.node.called_descendants if node.process_label == "SearchCalculation")
    search.base.extras.set("_aiida_cached_from", "00000000-0000-0000-0000-000000000000")
    stages = summarise(finished.node).stages
    search.base.extras.delete("_aiida_cached_from")
    assert list(stages) == ["relax", "md", "train", "evaluate", "search", "check"]
    assert [stage.n_jobs for stage in stages.values()] == [2, 2, 2, 2, 1, 2]
    assert {name for name, stage in stages.items() if stage.n_from_cache} == {"search"}
    assert all(0 <= stage.job_time_s <= 2 * stage.wall_time_s for stage in stages.values())


def test_versions_come_from_the_nodes(summary):
    versions = summary.versions
    assert (versions["aiida-core"], versions["aiida-redoxmlp"], versions["pw.x"]) == ("2.9.4", "0.1.0", "7.2")
    assert (versions["torch"], versions["mace-torch"]) == ("2.13.0", "0.3.16")


def test_patterns_of_one_orbit_are_called_equal_and_their_gap_no_gap(summary):
    assert headline(summary) == "The ground state of β-Li½MnPO4 is (2,3): Mn1 is 2+, Mn2 is 3+."
    sentences = certainty(summary)
    assert sentences[0].startswith("DFT decided")
    assert "confidence 99.80 %" in sentences[0]
    assert sentences[1].startswith("By symmetry (3,2) is equivalent")
    assert sentences[2].startswith("In the search with the potential, the lowest configuration has no other to compare")
    assert len(sentences) == 3


def test_the_search_says_how_sure_it_is_and_what_limits_it(summary, halfway):
    assert summary.search_certainty.endswith("all configurations were relaxed.")
    assert "In the search: the committee has one member, so that nothing is known of its error." in summary.warnings
    before = summarise(halfway.node)
    assert (before.search_certainty, before.search_warnings) == (None, [])


def test_another_orbit_is_a_gap(summary):
    apart = [summary.patterns[0], summary.patterns[1].model_copy(update={"orbit": 1, "multiplicity": 1})]
    apart[0] = apart[0].model_copy(update={"multiplicity": 1})
    assert certainty(summary.model_copy(update={"patterns": apart}))[1:-1] == [
        "DFT puts the next kind of pattern, (3,2), 3 meV above it."
    ]
    undecided = summary.model_copy(update={"patterns": apart, "decided_by": "potential"})
    assert certainty(undecided)[1].endswith("4 meV above it, less than the committee's spread of 10 meV.")


def test_demonstration_is_said_to_be_one(summary, halfway):
    assert (summary.protocol, summary.is_demonstration) == ("demo", True)
    assert summary.demonstration_note.startswith("These numbers are for demonstration only")
    assert "25 Ry" in summary.demonstration_note
    production = summarise(halfway.node)
    assert (production.protocol, production.is_demonstration) == ("balanced", False)
    assert production.demonstration_note is None


def test_failed_campaign_tells_why_and_what_there_is(halfway):
    summary = summarise(halfway.node)
    assert (summary.phase, summary.exit_status) == ("failed", 310)
    assert "diverged" in summary.exit_message
    assert (summary.ground_state, summary.uuids.model) == (None, None)
    assert (summary.counts.n_frames, summary.counts.labels_failed) == (8, 1)
    assert [pattern.states for pattern in summary.patterns] == [[2, 3], [3, 2]]
    assert all(pattern.energy_mlp_ev is None for pattern in summary.patterns)
    assert headline(summary) == (
        "The campaign ended without a ground state: Training failed: The training diverged: loss is not a number."
    )
    campaign, label, *_ = summary.warnings
    assert campaign.startswith("The campaign failed with exit status 310: Training failed")
    assert label.startswith("The label relax 1 of (3,2) failed, none of its frames is in the dataset: pw.x failed")


def test_checks_that_dft_did_not_confirm_are_warned_of(unconfirmed):
    summary = summarise(unconfirmed.node)
    assert summary.decided_by == "potential"
    assert certainty(summary)[0].startswith("The potential decided alone")
    text = " ".join(summary.warnings)
    assert "DFT did not confirm the pattern (2,3): at the potential's geometry it found (3,2)." in text
    assert "The DFT check of (2,3) is ambiguous" in text


def test_search_without_conclusion_is_ranked_with_the_checks_so_far(running_checks):
    summary = summarise(running_checks.node)
    assert summary.phase == "running"
    assert [pattern.energy_mlp_ev for pattern in summary.patterns] == [-5431.0, -5430.996]
    assert summary.patterns[0].pattern_found_by_dft == [2, 3]
    assert summary.patterns[0].energy_dft_ev == pytest.approx(running_checks.frames[2, 3][0].energy)
    assert summary.patterns[1].energy_dft_ev is None


def test_campaign_that_just_started_gives_an_empty_summary(just_started):
    summary = summarise(just_started.node)
    assert (summary.phase, summary.labels, summary.stages) == ("running", [], {})
    assert [pattern.states for pattern in summary.patterns] == [[2, 3], [3, 2]]
    assert headline(summary) == "The campaign still runs; there is no ground state yet."
