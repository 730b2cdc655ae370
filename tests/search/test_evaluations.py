from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.canonical import CanonicalForms
from aiida_redoxmlp.search.counting import count_distinct
from aiida_redoxmlp.search.evaluations import Evaluations
from aiida_redoxmlp.testing.planted import planted_loops, planted_wave
from tests.search.spaces import brute_force

PROBLEM = planted_wave((4, 2, 1), 0)
ROWS = brute_force(PROBLEM.space)
N_DISTINCT = count_distinct(PROBLEM.space)


class Counted:
    """A committee that keeps how many configurations it got at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, rows):
        self.batches.append(len(rows))
        return PROBLEM.committee()(rows)


def evaluations(committee, **options) -> Evaluations:
    return Evaluations(CanonicalForms.of(PROBLEM.space), committee, **options)


def test_equivalent_configurations_are_evaluated_once() -> None:
    committee = Counted()
    some = evaluations(committee, batch_size=5)
    assert some.mean(ROWS) == pytest.approx(PROBLEM.energy(ROWS))
    assert some.mean(ROWS[::-1]) == pytest.approx(PROBLEM.energy(ROWS[::-1]))
    assert sum(committee.batches) == some.n_evaluated == len(some) == N_DISTINCT < len(ROWS)
    assert max(committee.batches) == 5


def test_beyond_the_budget_energies_are_infinite() -> None:
    some = evaluations(Counted(), budget=3)
    energies = some.mean(ROWS)
    assert some.spent
    assert (some.n_evaluated, len(some)) == (3, 3)
    assert (np.isfinite(energies) == some.known(ROWS)).all()
    assert 0 < np.isinf(energies).sum() < len(ROWS)


def test_ranking_is_ascending() -> None:
    some = evaluations(Counted())
    some.mean(ROWS)
    assert (np.diff(some.ranking().means) >= 0).all()
    assert some.ranking(2).means.tolist() == some.ranking().means[:2].tolist()
    assert evaluations(Counted()).ranking().rows.shape == (0, 8)


def test_forgetting_high_configurations_keeps_the_low_and_the_count() -> None:
    some = evaluations(Counted())
    some.mean(ROWS)
    lowest = some.ranking(4).means
    some.keep_lowest(4)
    assert (len(some), some.n_evaluated) == (4, N_DISTINCT)
    assert some.ranking().means.tolist() == lowest.tolist()


def test_what_was_written_is_not_evaluated_again(tmp_path: Path) -> None:
    first, committee = evaluations(Counted()), Counted()
    first.mean(ROWS)
    first.write(tmp_path / "evaluations.npz")
    second = evaluations(committee)
    second.read(tmp_path / "evaluations.npz")
    assert second.mean(ROWS).tolist() == first.mean(ROWS).tolist()
    assert (second.n_evaluated, committee.batches) == (N_DISTINCT, [])


def test_evaluations_of_another_space_are_refused(tmp_path: Path) -> None:
    some = evaluations(Counted())
    some.mean(ROWS)
    some.write(tmp_path / "evaluations.npz")
    other = planted_loops((2, 2, 1), 0)
    with pytest.raises(InputError, match=r"of 8 sites, but the space has 4"):
        Evaluations(CanonicalForms.of(other.space), other.committee()).read(tmp_path / "evaluations.npz")


@pytest.mark.parametrize(
    "committee",
    [
        lambda rows: np.zeros(len(rows)),
        lambda rows: np.zeros((1, 2)),
        lambda rows: np.full((len(rows), 2), np.nan),
    ],
)
def test_a_committee_has_to_give_a_finite_energy_of_everything(committee) -> None:
    with pytest.raises(InputError, match="one finite energy a configuration and member"):
        evaluations(committee).mean(ROWS)


@pytest.mark.parametrize("options", [{"budget": 0}, {"batch_size": 0}])
def test_no_evaluations_at_all_are_refused(options) -> None:
    with pytest.raises(InputError, match="at least 1 of both"):
        evaluations(Counted(), **options)
