from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.ground_state import GroundState, GroundStateSettings, find_ground_state
from aiida_redoxmlp.search.strategies.registry import STRATEGIES, strategy_settings
from aiida_redoxmlp.testing.planted import planted_loops

PROBLEM = planted_loops((2, 2, 2), 6)
SMALL = {
    "exhaustive": {},
    "tempering": {"steps": 25, "temperatures": 3},
    "annealing": {"steps": 25, "chains": 3},
    "evolution": {"population": 10, "children": 6, "elite": 3, "patience": 3},
    "surrogate": {"initial": 8, "candidates": 4, "models": 2, "chains": 4, "patience": 2, "steps_a_site": 5},
}


def settings(name: str, **changes) -> GroundStateSettings:
    return GroundStateSettings(
        strategy=strategy_settings(name, **SMALL[name]), **{"batch_size": 16, "seed": 3, **changes}
    )


class KilledError(Exception):
    """What a test stops a search with."""


def same(one: GroundState, other: GroundState) -> bool:
    return (
        one.runs == other.runs
        and (one.n_evaluated, one.proven, one.complete) == (other.n_evaluated, other.proven, other.complete)
        and np.array_equal(one.ranking.rows, other.ranking.rows)
        and np.array_equal(one.ranking.energies, other.ranking.energies)
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_search_that_is_stopped_after_every_batch_equals_an_unbroken_one(name: str, tmp_path: Path) -> None:
    unbroken = find_ground_state(PROBLEM.space, PROBLEM.committee(), settings(name))
    checkpoint = tmp_path / "search.npz"
    sessions, resumed = 0, None
    while resumed is None or not resumed.complete:
        resumed = find_ground_state(
            PROBLEM.space, PROBLEM.committee(), settings(name), checkpoint=checkpoint, should_stop=lambda: True
        )
        sessions += 1
    assert sessions > 2
    assert same(resumed, unbroken)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_search_that_is_killed_within_a_batch_resumes_to_the_same_answer(name: str, tmp_path: Path) -> None:
    unbroken = find_ground_state(PROBLEM.space, PROBLEM.committee(), settings(name))
    checkpoint, calls = tmp_path / "search.npz", []

    def dying(rows):
        calls.append(len(rows))
        if len(calls) == 4:
            raise KilledError
        return PROBLEM.committee()(rows)

    now = settings(name, checkpoint_interval=0)
    with pytest.raises(KilledError):
        find_ground_state(PROBLEM.space, dying, now, checkpoint=checkpoint)
    assert same(find_ground_state(PROBLEM.space, PROBLEM.committee(), now, checkpoint=checkpoint), unbroken)


def test_a_finished_search_is_read_and_not_repeated(tmp_path: Path) -> None:
    checkpoint = tmp_path / "search.npz"
    first = find_ground_state(PROBLEM.space, PROBLEM.committee(), settings("evolution"), checkpoint=checkpoint)

    def no_committee(rows):
        raise KilledError

    again = find_ground_state(PROBLEM.space, no_committee, settings("evolution"), checkpoint=checkpoint)
    assert same(first, again)


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_seed_makes_the_search(name: str) -> None:
    first, again = (find_ground_state(PROBLEM.space, PROBLEM.committee(), settings(name)) for _ in range(2))
    assert same(first, again)


def test_runs_are_independent() -> None:
    starts = []

    def energies(rows):
        starts.append(rows)
        return PROBLEM.committee()(rows)

    found = find_ground_state(PROBLEM.space, energies, settings("annealing", runs=4, budget=None))
    assert len(found.runs) == 4
    assert len({run.n_evaluated for run in found.runs}) > 1


def test_progress_counts_evaluations_and_only_goes_down_in_energy() -> None:
    seen = []
    found = find_ground_state(PROBLEM.space, PROBLEM.committee(), settings("tempering"), on_progress=seen.append)
    assert [entry["evaluations"] for entry in seen] == sorted(entry["evaluations"] for entry in seen)
    assert seen[-1]["evaluations"] == found.n_evaluated
    energies = [entry["lowest_energy_ev"] for entry in seen]
    assert energies == sorted(energies, reverse=True)
    assert energies[-1] == found.ranking.means[0]


@pytest.mark.parametrize("changes", [{"seed": 4}, {"runs": 3}, {"budget": 1999}])
def test_a_checkpoint_of_other_settings_is_refused(changes, tmp_path: Path) -> None:
    checkpoint = tmp_path / "search.npz"
    find_ground_state(
        PROBLEM.space, PROBLEM.committee(), settings("annealing"), checkpoint=checkpoint, should_stop=lambda: True
    )
    with pytest.raises(InputError, match="other settings"):
        find_ground_state(PROBLEM.space, PROBLEM.committee(), settings("annealing", **changes), checkpoint=checkpoint)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "search.npz"
    checkpoint.write_bytes(b"PK\x03\x04 half of a file")
    with pytest.raises(InputError, match="remove it to start from the beginning"):
        find_ground_state(PROBLEM.space, PROBLEM.committee(), settings("annealing"), checkpoint=checkpoint)
