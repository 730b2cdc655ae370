from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.search.certainty import certainty_of
from aiida_redoxmlp.search.evaluations import Ranking
from aiida_redoxmlp.search.ground_state import GroundState, GroundStateSettings, Run, find_ground_state
from aiida_redoxmlp.search.strategies.registry import strategy_settings
from aiida_redoxmlp.testing.planted import planted_loops

RUN = Run(row=(0, 1), energy=1.0, n_evaluated=10, n_evaluated_when_found=5, ended="done")


def found(energies: list[list[float]], *, runs: tuple[Run, ...] = (RUN, RUN)) -> GroundState:
    """A search that ranked configurations with the energies of the members in eV."""
    rows = np.array([[0, 1], [1, 0], [1, 1]], dtype=np.int8)[: len(energies)]
    ranking = Ranking(rows, np.array(energies))
    return GroundState(ranking, np.ones(len(rows), dtype=np.int64), runs, 10, proven=False, complete=True)


def test_a_shift_of_all_energies_of_a_member_is_no_doubt() -> None:
    sure = certainty_of(found([[0.5, 1.5], [0.6, 1.6], [0.9, 1.9]]))
    assert (sure.gap, sure.gap_spread) == (pytest.approx(0.1), pytest.approx(0.0, abs=1e-12))
    assert (len(sure.undecided), len(sure.for_dft), sure.n_members_agreeing) == (0, 0, 2)
    assert "the committee decides" in sure.sentence()


def test_members_that_disagree_on_the_order_leave_it_to_dft() -> None:
    unsure = certainty_of(found([[0.98, 1.02], [1.05, 0.97], [1.5, 1.5]]))
    assert unsure.gap == pytest.approx(0.01)
    assert unsure.gap_spread == pytest.approx(0.12 / np.sqrt(2))
    assert unsure.n_members_agreeing == 1
    assert unsure.for_dft.tolist() == [0, 1]
    assert "DFT should decide between it and 1 more" in unsure.sentence()


def test_errors_that_calibration_finds_larger_than_the_spread_leave_more_to_dft() -> None:
    search = found([[1.00, 1.00], [1.03, 1.05], [1.5, 1.5]])
    assert len(certainty_of(search).undecided) == 0
    assert certainty_of(search, spread_factor=2.0).undecided.tolist() == [1]


def test_energies_closer_than_the_resolution_are_undecided_for_any_committee() -> None:
    assert certainty_of(found([[1.0], [1.0005], [1.1]])).undecided.tolist() == [1]


def test_a_committee_of_one_says_so() -> None:
    alone = certainty_of(found([[1.0], [1.2]]))
    assert alone.gap_spread is None
    assert alone.as_dict()["spreads_ev"] is None
    assert any("one member" in warning for warning in alone.warnings)


@pytest.mark.parametrize(
    ("runs", "changes", "says"),
    [
        ((RUN,), {}, "at least two independent runs"),
        ((RUN, replace(RUN, energy=1.1)), {}, "1 of 2 independent runs ended above"),
        ((RUN, replace(RUN, ended="budget")), {}, "budget ended 1 of 2 runs"),
        ((RUN, RUN), {"complete": False}, "stopped before its end"),
    ],
)
def test_every_reason_for_doubt_is_a_warning(runs, changes, says) -> None:
    search = replace(found([[1.0, 1.0], [1.2, 1.2]], runs=runs), **changes)
    assert [says in warning for warning in certainty_of(search).warnings] == [True]


def test_a_list_that_ends_among_the_undecided_says_so() -> None:
    assert any("keep more" in warning for warning in certainty_of(found([[1.0, 1.0], [1.0, 1.0001]])).warnings)


def test_the_only_configuration_needs_no_comparison() -> None:
    assert certainty_of(found([[1.0, 1.0]])).gap is None


def test_exhaustive_search_is_proof_and_other_strategies_agree_with_it() -> None:
    problem = planted_loops((3, 2, 2), 4)
    proof, agreement = (
        certainty_of(
            find_ground_state(
                problem.space,
                problem.committee(),
                GroundStateSettings(strategy=strategy_settings(name), budget=None, runs=3),
            )
        )
        for name in ("exhaustive", "evolution")
    )
    assert (proof.proven, proof.n_runs, proof.warnings) == (True, 1, ())
    assert (agreement.proven, agreement.n_agreeing, agreement.n_runs) == (False, 3, 3)
    assert proof.gap == pytest.approx(agreement.gap)
