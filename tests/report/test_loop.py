from __future__ import annotations

import json

import pytest
from PIL import Image

from aiida_redoxmlp.active_learning.label_book import LabelBook
from aiida_redoxmlp.active_learning.verdicts import LabelRequest, Verdict
from aiida_redoxmlp.cli.reports import REPORTED, write_report_of
from aiida_redoxmlp.report.loop import write_loop_report
from aiida_redoxmlp.report.loop_schema import LoopSummary
from aiida_redoxmlp.report.loop_summary import summarise_loop
from aiida_redoxmlp.report.loop_wording import loop_certainty, loop_headline
from aiida_redoxmlp.testing.toy import toy_frames
from tests.report.loop_draft import EMPTY, FULL, HALF, LoopDraft
from tests.report.process_draft import end
from tests.report.web_page import WebPage

FIGURES = ("loop_errors", "loop_labels", "loop_uncertainty", "loop_coverage", "timeline")


@pytest.fixture(scope="module")
def summary(converged_loop):
    return summarise_loop(converged_loop.node)


@pytest.fixture(scope="module")
def report(converged_loop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, write_loop_report(converged_loop.node, folder)


def test_report_is_a_page_a_summary_and_a_picture_a_figure(report):
    folder, written = report
    expected = {"report.html", "summary.json", *(f"figures/{name}.png" for name in FIGURES)}
    assert {path.relative_to(folder).as_posix() for path in written} == expected
    for name in FIGURES:
        with Image.open(folder / "figures" / f"{name}.png") as picture:
            assert picture.width >= 900
            assert len(set(picture.convert("RGB").resize((60, 40)).getdata())) > 5  # not blank


def test_page_works_without_a_network_and_escapes_what_it_is_told(report, converged_loop):
    text = (report[0] / "report.html").read_text(encoding="utf-8")
    page = WebPage(text)
    assert page.loaded == []
    assert sum(len(script) > 1e6 for script in page.scripts) == 1  # plotly.js, once
    assert len(page.ids) == len(set(page.ids))
    assert "as <no> more are new" in page.text
    assert "as <no> more are new" not in text
    assert page.text.index("converged after 3 iterations") < page.text.index("Redox errors")
    uuids = [node.uuid for node in converged_loop.node.called if node.process_type or "Chain" in node.process_label]
    assert all(uuid in page.text for uuid in [converged_loop.node.uuid, converged_loop.record.uuid, *uuids])


def test_summary_is_strict_json_that_reads_back_the_same(report, summary):
    text = (report[0] / "summary.json").read_text(encoding="utf-8")
    assert LoopSummary.model_validate_json(text) == summary
    assert json.loads(text)["status"] == "converged"


def test_sentences_tell_the_decision_the_errors_and_the_electrons(summary):
    assert loop_headline(summary) == "The loop of LixMnPO4 converged after 3 iterations with 23 labels."
    decision, errors, electrons, coverage = loop_certainty(summary)
    assert decision.startswith("All stopping rules hold")
    assert "last 6 clear fresh labels" in errors
    assert "40 meV/Å in forces and 1.2 meV/atom in energies" in errors
    assert electrons.startswith("In 2 of 21 clear labels (10 %) DFT found another pattern")
    assert coverage == "Of 4 possible patterns at 3 states of charge 3 have a label."
    assert summary.demonstration_note.startswith("These numbers are for demonstration only: the loop ran with")


def test_redox_errors_are_listed_with_what_was_wanted_and_found(summary):
    errors = summary.redox_errors
    assert [(one.iteration, one.wanted, one.found) for one in errors] == [(0, [3, 2], [2, 3]), (1, [2, 3], [3, 2])]
    assert {one.formula for one in errors} == {HALF}


def test_coverage_counts_labels_by_what_dft_found(summary, md_frames):
    full, half, empty = summary.coverage  # by ascending mean state
    assert [one.formula for one in (full, half, empty)] == [FULL, HALF, EMPTY]
    assert (full.n_possible, half.n_possible, empty.n_possible) == (1, 2, 1)
    first, second = half.patterns
    clear = [frame for frame in md_frames if not frame.ambiguous]
    assert (first.states, first.n_before, first.n_added, first.n_redox_errors) == ([2, 3], len(clear), 4 * 3 + 1, 1)
    assert (second.states, second.n_before, second.n_added, second.n_redox_errors) == ([3, 2], 0, 2 * 3 + 1, 1)
    assert (empty.n_covered, empty.patterns[0].n_believed) == (0, 1)


def test_histograms_share_their_bins_and_hold_every_candidate(summary):
    selections = [one.selection for one in summary.iterations]
    assert len({tuple(one.force_spreads.edges) for one in selections}) == 1
    assert all(sum(one.force_spreads.counts) == one.counts.n_candidates == 300 for one in selections)
    assert all(sum(one.doubts.counts) == 300 for one in selections)
    assert {(one.floor_ev_per_angstrom, one.ceiling_ev_per_angstrom) for one in selections} == {(0.05, 0.5)}


def test_what_a_reader_has_to_know_is_a_warning_once(summary):
    warnings = summary.warnings
    assert warnings[0].startswith("1 of 23 labels is ambiguous")
    assert sum("set aside" in one for one in warnings) == 1
    assert f"There is no label at the state of charge {EMPTY}." in warnings
    assert any(one.startswith("Iteration 1: 3 of 8 labels are asked for") for one in warnings)


def test_budget_is_told_against_its_limits(summary):
    lines = {one.name: (one.used, one.limit) for one in summary.budget}
    assert lines["labels"] == (23, 60)
    assert lines["core_hours"] == (pytest.approx(3 * 42.5), 500)
    assert lines["days"] == (pytest.approx(0.9), None)


def test_running_loop_shows_the_iteration_that_is_not_over(running_loop, tmp_path):
    summary = summarise_loop(running_loop.node)
    assert (summary.status, summary.phase, len(summary.ended)) == ("running", "running", 1)
    last = summary.iterations[-1]
    assert (last.record, last.n_labels_started, last.n_labels_ended) == (None, 3, 1)
    assert last.running_stages == ["label"]
    assert last.selection.counts.n_candidates == 300
    assert summary.iterations[0].selection is None  # its labels were around the given structures
    assert summary.reason.startswith("The loop goes on, as the force error on fresh labels, 0.200 eV/Å, is above")
    assert loop_certainty(summary)[-1] == "Iteration 1 runs: label, 1 of 3 submitted labels ended."
    names = {path.stem for path in write_loop_report(running_loop.node, tmp_path) if path.suffix == ".png"}
    assert names == set(FIGURES)


def test_loop_without_an_iteration_gives_what_there_is(aiida_profile, tmp_path):
    draft = LoopDraft()
    summary = summarise_loop(draft.node)
    assert loop_headline(summary) == "The loop still runs; no iteration has ended."
    assert (summary.iterations, summary.reason, summary.redox_errors) == ([], "", [])
    assert {path.name for path in write_loop_report(draft.node, tmp_path)} == {"summary.json", "report.html"}


def test_failure_is_told_with_its_reason(aiida_profile, tmp_path):
    draft = LoopDraft()
    draft.select(0.2)
    draft.labels(2)
    end(draft.node, 310, "Training failed: the loss is <not> a number.")
    summary = summarise_loop(draft.node)
    assert (summary.status, summary.reason) == ("failed", "Training failed: the loss is <not> a number.")
    assert loop_headline(summary) == "The loop failed; no iteration has ended."
    assert summary.warnings == ["The loop failed with exit status 310: Training failed: the loss is <not> a number."]
    names = {path.stem for path in write_loop_report(draft.node, tmp_path) if path.suffix == ".png"}
    assert names == {"loop_uncertainty", "timeline"}


def test_spent_budget_and_pause_are_warnings(aiida_profile):
    for status, start in (("budget", "The loop did not converge. The budget is spent"), ("paused", "The loop is pau")):
        draft = LoopDraft(rules={"force_mae": 0.01})
        draft.close([(HALF, (2, 3), (2, 3), "landed")] * 5)
        draft.finish(status, "The budget is spent: 5 of 5 labels are used; raise budget.labels to go on.")
        assert summarise_loop(draft.node).warnings[0].startswith(start)


def test_a_label_is_waiting_only_until_it_is_answered_or_set_aside(aiida_profile):
    asked = LabelRequest(toy_frames(1)[0].configuration, toy_frames(1)[0].pattern)
    failed = LabelBook().recorded([Verdict(asked, "failed", reason="pw.x failed.")], 0)
    again = {
        "answered": Verdict(asked, "landed", asked.wanted, toy_frames(1)[0]),
        "aside": Verdict(asked, "failed", reason="pw.x failed."),
    }
    for name, verdict in {"waiting": None, **again}.items():
        draft, book = LoopDraft(), failed
        draft.write([book] if verdict is None else [book, book.recorded([verdict], 1)])
        warnings = " ".join(summarise_loop(draft.node).warnings)
        assert ("1 label of 1 failed and may be asked for again" in warnings) == (name == "waiting")
        assert ("failed 2 times and is set aside" in warnings) == (name == "aside")


def test_loop_that_goes_on_counts_earlier_labels_once(aiida_profile, converged_loop, md_frames):
    earlier = converged_loop.state.model_copy(update={"status": "running", "reason": ""})
    draft = LoopDraft(md_frames, earlier=earlier)
    draft.close([(HALF, (2, 3), (2, 3), "landed")] * 2)
    summary = summarise_loop(draft.node)
    assert [one.number for one in summary.iterations] == [0, 1, 2, 3]
    assert len(summary.redox_errors) == 2
    half = next(one for one in summary.coverage if one.formula == HALF)
    assert sum(one.n_added for one in half.patterns) == 2  # the others are in the dataset that was put in


def test_report_is_written_for_the_class_of_the_process(running_loop, tmp_path):
    assert "ActiveLearningWorkChain" in REPORTED
    assert write_report_of(running_loop.node, tmp_path)[1].name == "report.html"
