from __future__ import annotations

import pytest
from pydantic import ValidationError

from aiida_redoxmlp.active_learning.label_book import LabelBook, LabelCounts
from aiida_redoxmlp.active_learning.records import BandCounts, FreshErrors, IterationRecord, LoopState, Usage
from aiida_redoxmlp.active_learning.stopping import Budget, StoppingRules, decide, labels_left

ENOUGH = Budget(labels=1000)
STRICT = StoppingRules(force_mae=0.05, pattern_recovery=0.95, uncertain_fraction=0.1, stable_ground_states=True)


def iteration(
    number: int,
    *,
    force: float | None = 0.04,
    recovery: float | None = 1.0,
    n_labels: int = 20,
    uncertain: int = 5,
    too_far: int = 0,
    collapsed: bool = False,
    ground: str = "(2,3)",
    used: Usage | None = None,
) -> IterationRecord:
    return IterationRecord(
        number=number,
        strategy="redox_aware",
        band=BandCounts(
            n_candidates=100,
            n_known=100 - uncertain - too_far,
            n_uncertain_forces=uncertain,
            n_uncertain_electrons=0,
            n_uncertain=uncertain,
            n_too_far=too_far,
            collapsed=collapsed,
        ),
        labels=LabelCounts(asked=n_labels, landed=n_labels),
        n_frames=20 * (number + 1),
        errors_before=FreshErrors(n_labels=n_labels, force_mae_ev_per_angstrom=force, pattern_recovery=recovery),
        ground_states={"LiMn2O8P2": ground},
        used=used or Usage(labels=n_labels, core_hours=10.0, days=0.5),
    )


def loop(*iterations: IterationRecord) -> LoopState:
    state = LoopState()
    for record in iterations:
        state = state.with_iteration(record, LabelBook())
    return state


def test_a_loop_converges_when_all_rules_hold() -> None:
    decision = decide(loop(iteration(0), iteration(1)), STRICT, ENOUGH)
    assert (decision.stop, decision.why) == (True, "converged")
    assert len(decision.rules) == 4
    assert all(rule in decision.reason for rule in decision.rules)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (iteration(1, force=0.06), "the force error on fresh labels, 0.060 eV/Å, is above 0.05 eV/Å"),
        (iteration(1, recovery=0.9), "the pattern recovery on fresh labels, 90 %, is below 95 %"),
        (iteration(1, uncertain=11), "not known, 11.0 %, is above 10 %"),
        (iteration(1, uncertain=5, too_far=6), "not known, 11.0 %, is above 10 %"),
        (iteration(1, ground="(3,2)"), "the ground state of LiMn2O8P2 changed from (2,3) to (3,2)"),
        (iteration(1, n_labels=4), "4 clear fresh labels are fewer than the 5"),
    ],
)
def test_one_rule_that_does_not_hold_keeps_the_loop_going_and_is_named(last: IterationRecord, said: str) -> None:
    decision = decide(loop(iteration(0), last), STRICT, ENOUGH)
    assert (decision.stop, decision.why) == (False, None)
    assert said in decision.reason
    assert decision.reason.endswith(".")


def test_a_collapsed_committee_never_counts_as_one_that_knows_everything() -> None:
    state = loop(iteration(0, uncertain=0, collapsed=True))
    decision = decide(state, StoppingRules(uncertain_fraction=0.1), ENOUGH)
    assert not decision.stop
    assert "no spread" in decision.reason


def test_rules_have_to_hold_as_often_as_asked() -> None:
    rules = StoppingRules(force_mae=0.05, in_a_row=2)
    once = loop(iteration(0, force=0.2), iteration(1))
    assert not decide(once, rules, ENOUGH).stop
    broken = loop(iteration(0), iteration(1, force=0.2), iteration(2))
    assert not decide(broken, rules, ENOUGH).stop
    assert decide(loop(iteration(0, force=0.2), iteration(1), iteration(2)), rules, ENOUGH).why == "converged"


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(labels=40), "40 of 40 labels are used"),
        (Budget(core_hours=20), "20 of 20 core-hours are used"),
        (Budget(iterations=2), "2 of 2 iterations are used"),
        (Budget(days=1), "1 of 1 days are used"),
    ],
)
def test_each_limit_of_the_budget_ends_a_loop_and_says_how_to_extend_it(budget: Budget, said: str) -> None:
    decision = decide(loop(iteration(0, force=0.2), iteration(1, force=0.2)), STRICT, budget)
    assert (decision.stop, decision.why) == (True, "budget")
    assert said in decision.reason
    assert f"raise budget.{next(iter(budget.model_dump(exclude_none=True)))}" in decision.reason


def test_a_larger_budget_lets_a_loop_go_on() -> None:
    state = loop(iteration(0, force=0.2), iteration(1, force=0.2))
    assert decide(state, STRICT, Budget(labels=40)).stop
    assert not decide(state, STRICT, Budget(labels=41)).stop
    assert labels_left(state, Budget(labels=41)) == 1
    assert labels_left(state, Budget(labels=30)) == 0
    assert labels_left(state, Budget(days=3)) is None


def test_convergence_is_the_reason_where_the_budget_is_spent_as_well() -> None:
    assert decide(loop(iteration(0), iteration(1)), STRICT, Budget(iterations=2)).why == "converged"


def test_without_rules_only_the_budget_ends_a_loop() -> None:
    assert not decide(loop(iteration(0)), StoppingRules(), ENOUGH).stop
    assert decide(loop(iteration(0)), StoppingRules(), Budget(iterations=1)).why == "budget"


def test_a_loop_that_has_not_begun_goes_on() -> None:
    assert not decide(LoopState(), STRICT, ENOUGH).stop


@pytest.mark.parametrize(
    ("given", "said"), [({}, "no limit"), ({"labels": 0}, "nothing can start"), ({"days": -1}, "nothing can start")]
)
def test_a_budget_of_nothing_is_refused_in_one_sentence(given: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Budget.model_validate(given)


def test_usage_adds_up_and_the_state_survives_json() -> None:
    state = loop(iteration(0), iteration(1))
    assert state.used == Usage(labels=40, core_hours=20.0, days=1.0)
    assert LoopState.model_validate_json(state.model_dump_json()) == state
