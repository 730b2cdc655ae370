from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.active_learning.label_book import LabelBook
from aiida_redoxmlp.active_learning.verdicts import LabelAnswer, LabelRequest, Verdict, frames_of, judge_answer
from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.testing import toy_frames
from aiida_redoxmlp.testing.replayed_pool import ReplayedPool
from tests.active_learning.bond_committee import relabelled


def other(pattern: Pattern) -> Pattern:
    return Pattern(pattern.sites, pattern.states[::-1])


def asked(frame: Frame, *, wrong: bool = False) -> LabelRequest:
    return LabelRequest(frame.configuration, other(frame.pattern) if wrong else frame.pattern, frame.group)


def test_no_mislabelled_frame_enters_in_two_hundred_requests_with_wrong_patterns(chemistry: RedoxChemistry) -> None:
    frames = toy_frames(200, seed=3)
    pool = ReplayedPool(frames, chemistry)
    truth = {frame.configuration.positions.tobytes(): frame.pattern for frame in frames}
    verdicts = [judge_answer(pool.answer(asked(frame, wrong=True)), chemistry) for frame in frames]
    entered = frames_of(verdicts)
    assert len(entered) == 200
    assert all(frame.pattern == truth[frame.configuration.positions.tobytes()] for frame in entered)
    assert Counter(verdict.outcome for verdict in verdicts) == {"redox_error": 200}
    assert all(verdict.found == other(verdict.request.wanted) for verdict in verdicts)


def test_a_labeller_that_writes_the_wanted_pattern_on_its_answer_is_found_out(chemistry: RedoxChemistry) -> None:
    frames = toy_frames(200, seed=4)
    verdicts = []
    for frame in frames:
        request = asked(frame, wrong=True)
        lie = LabelAnswer(request, relabelled(frame, request.wanted.states))
        verdicts.append(judge_answer(lie, chemistry))
    assert frames_of(verdicts) == []
    assert {verdict.outcome for verdict in verdicts} == {"failed"}
    assert "but its occupations are those of (2,3)" in verdicts[0].reason


def test_the_right_pattern_lands(chemistry: RedoxChemistry) -> None:
    (frame,) = toy_frames(1)
    verdict = judge_answer(LabelAnswer(asked(frame), frame), chemistry)
    assert (verdict.outcome, verdict.found, verdict.frame, verdict.reason) == ("landed", frame.pattern, frame, "")


def test_an_ambiguous_label_is_kept_out_of_training(chemistry: RedoxChemistry) -> None:
    (frame,) = toy_frames(1)
    verdict = judge_answer(LabelAnswer(asked(frame), replace(frame, ambiguous=True)), chemistry)
    assert (verdict.outcome, verdict.found) == ("ambiguous", None)
    assert len(Dataset(frames_of([verdict])).trusted()) == 0


def test_doubt_that_the_label_hides_is_seen_in_its_occupations(chemistry: RedoxChemistry) -> None:
    (frame,) = toy_frames(1)
    threshold = chemistry.table().elements["Mn"].threshold
    half = tuple(np.where(levels == 0.5, threshold, levels) for levels in frame.eigenvalues)
    verdict = judge_answer(LabelAnswer(asked(frame), replace(frame, eigenvalues=half)), chemistry)
    assert verdict.outcome == "failed"
    assert "leave doubt" in verdict.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"energy": float("nan")}, "energy is no number"),
        ({"forces": np.zeros((3, 3))}, "without usable forces"),
        ({"total_charge": 0}, "do not close"),
    ],
)
def test_labels_that_cannot_be_used_have_failed(
    chemistry: RedoxChemistry, change: dict[str, object], said: str
) -> None:
    (frame,) = toy_frames(1)
    verdict = judge_answer(LabelAnswer(asked(frame), replace(frame, **change)), chemistry)  # type: ignore[arg-type]
    assert (verdict.outcome, verdict.frame) == ("failed", None)
    assert said in verdict.reason


def test_an_answer_of_other_atoms_is_no_label(chemistry: RedoxChemistry) -> None:
    (frame,) = toy_frames(1)
    iron = replace(frame.configuration, numbers=np.array([26, 25, 8, 8]))
    verdict = judge_answer(LabelAnswer(LabelRequest(iron, frame.pattern), frame), chemistry)
    assert verdict.outcome == "failed"
    assert "FeMnO2" in verdict.reason


def test_a_label_that_always_fails_is_set_aside_by_name_and_not_asked_again(chemistry: RedoxChemistry) -> None:
    frames = toy_frames(4)
    pool = ReplayedPool(frames, chemistry, failing=[2])
    requests = [asked(frame) for frame in frames]
    book, n_asked = LabelBook(max_attempts=3), []
    for iteration in range(6):
        due = book.to_ask(requests)
        n_asked.append(len(due))
        book = book.recorded([judge_answer(pool.answer(one), chemistry) for one in due], iteration)
    assert n_asked == [4, 1, 1, 0, 0, 0]
    (sentence,) = book.set_aside()
    assert requests[2].name in sentence
    assert "failed 3 times" in sentence
    assert "did not converge" in sentence


def test_a_failed_label_may_be_tried_again_and_then_counts_once(chemistry: RedoxChemistry) -> None:
    (frame,) = toy_frames(1)
    request = asked(frame)
    book = LabelBook().recorded([Verdict(request, "failed", reason="A node was lost.")], 0)
    assert book.waiting() == [request.key]
    assert book.to_ask([request, request]) == [request]
    book = book.recorded([judge_answer(LabelAnswer(request, frame), chemistry)], 1)
    assert book.records[request.key].attempts == 2
    assert book.waiting() == book.to_ask([request]) == []
    assert (book.counts(0).asked, book.counts(1).landed) == (0, 1)


def test_counts_add_up_to_what_was_asked(chemistry: RedoxChemistry) -> None:
    frames = toy_frames(5)
    answers = [
        LabelAnswer(asked(frames[0]), frames[0]),
        LabelAnswer(asked(frames[1], wrong=True), frames[1]),
        LabelAnswer(asked(frames[2]), replace(frames[2], ambiguous=True)),
        LabelAnswer(asked(frames[3]), None, "The wall time ended."),
        LabelAnswer(asked(frames[4]), frames[4]),
    ]
    counts = LabelBook().recorded([judge_answer(one, chemistry) for one in answers], 0).counts(0)
    assert counts.asked == counts.landed + counts.redox_errors + counts.ambiguous + counts.failed == 5
    assert (counts.landed, counts.redox_errors, counts.clear) == (2, 1, 3)


def test_the_book_survives_json(chemistry: RedoxChemistry) -> None:
    (frame,) = toy_frames(1)
    book = LabelBook().recorded([judge_answer(LabelAnswer(asked(frame, wrong=True), frame), chemistry)], 0)
    assert LabelBook.model_validate_json(book.model_dump_json()) == book


def test_the_pool_shows_nothing_of_what_dft_found(chemistry: RedoxChemistry) -> None:
    shown = ReplayedPool(toy_frames(6), chemistry).candidates()
    assert {tuple(one.configuration.oxidation_states) for one in shown} == {(2, 3, -2, -2)}
    assert not any(np.any(one.configuration.spins) for one in shown)


def test_the_pool_refuses_what_it_does_not_have(chemistry: RedoxChemistry) -> None:
    known, unknown = toy_frames(2)
    with pytest.raises(InputError, match="no frame with the geometry"):
        ReplayedPool([known], chemistry).answer(asked(unknown))
