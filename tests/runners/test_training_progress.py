"""What the progress file of a training tells."""

from __future__ import annotations

import json

import pytest

from aiida_redoxmlp.runners.training_progress import TrainingProgress

STARTED = {"job": "train", "elapsed_s": 4.0, "event": "started", "n_members": 3, "max_epochs": 50, "seeds": [7, 8, 9]}


def epoch(member, number, elapsed, loss=1.0):
    return {"member": member, "epoch": number, "elapsed_s": elapsed, "loss_train": loss, "loss_validation": loss}


def read(*entries):
    return TrainingProgress("".join(json.dumps(entry) + "\n" for entry in entries))


def test_members_that_are_done_train_and_wait():
    progress = read(STARTED, *(epoch(0, n, 4 + 2 * n) for n in (1, 2)), *(epoch(1, n, 8 + 3 * n) for n in (1, 2, 3)))
    assert [one.state for one in progress.members] == ["done", "trains", "waits"]
    assert [one.epoch for one in progress.members] == [2, 3, 0]
    assert [one.seed for one in progress.members] == [7, 8, 9]
    assert [one.epoch_s for one in progress.members] == [2.0, 3.0, 3.0]
    assert progress.reached == "after epoch 3 of at most 50 of the member of seed 8"


def test_time_of_the_first_epoch_counts_from_the_start():
    assert read(STARTED, epoch(0, 1, 10.0)).members[0].epoch_s == 6.0


def test_a_line_cut_off_and_a_job_that_has_not_begun_are_no_error():
    text = json.dumps(STARTED) + "\n" + json.dumps(epoch(0, 1, 5.0)) + '\n{"member": 0, "epo'
    assert TrainingProgress(text).members[0].epoch == 1
    assert TrainingProgress("").members == ()
    assert TrainingProgress("").reached == "before its first epoch was finished"


def test_a_finished_job_has_only_members_that_are_done():
    assert {one.state for one in read(STARTED, epoch(0, 1, 5.0), {"event": "finished"}).members} == {"done"}


def losses(*values, member=0):
    return [epoch(member, number, float(number), value) for number, value in enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("values", "diverged"),
    [
        ((4.0, 1.0, 9.0, 9.0, 8.0), False),  # below ten times its best
        ((4.0, 1.0, 11.0, 11.0, 2.0, 11.0), False),  # comes back
        ((4.0, 1.0, 11.0, 11.0, 11.0), True),
        ((4.0, 1.0, 11.0, 11.0, 11.0, 0.5), True),  # and once said, it is said
        ((4.0, float("nan")), True),
        ((4.0, float("inf")), True),
    ],
)
def test_a_loss_that_grows_and_stays_has_diverged(values, diverged):
    assert (read(STARTED, *losses(*values)).why_diverged(10.0, 3) is not None) is diverged


def test_every_member_is_measured_by_its_own_best():
    progress = read(STARTED, *losses(0.1, 0.1), *losses(5.0, 5.0, 5.0, member=1))
    assert progress.why_diverged(10.0, 2) is None
    told = read(STARTED, *losses(0.1, 5.0, 6.0)).why_diverged(10.0, 2)
    assert told == (
        "in epoch 3 of the member of seed 7 the validation loss 6 has been more than 10 times its best 0.1 for 2 "
        "epochs; lower learning_rate or look for a wrong label"
    )
