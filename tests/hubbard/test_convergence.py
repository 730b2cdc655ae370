from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.convergence import cycle_length, largest_changes, mixed
from aiida_redoxmlp.hubbard.interactions import Interaction

_U, _V = 0.1, 0.02


def _set(u: float, v: float) -> list[Interaction]:
    return [Interaction(0, "3d", 0, "3d", (0, 0, 0), u), Interaction(0, "3d", 1, "2p", (0, 0, 1), v)]


def test_changes_of_u_and_v_are_told_apart() -> None:
    assert largest_changes(_set(4.0, 0.5), _set(4.3, 0.4)) == pytest.approx((0.3, 0.1))
    assert largest_changes(_set(4.0, 0.5)[:1], _set(3.0, 0.5)[:1]) == (1.0, 0.0)


def test_other_sites_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="of different sites"):
        largest_changes(_set(4.0, 0.5), _set(4.0, 0.5)[::-1])


@pytest.mark.parametrize("period", [2, 3])
def test_a_limit_cycle_is_found_after_one_turn(period: int) -> None:
    turn = [[4.0, 0.5], [4.6, 0.4], [5.2, 0.7]][:period]
    rows = turn * 2
    assert [cycle_length(rows[:n], [_U, _V]) for n in range(period + 1)] == [None] * (period + 1)
    assert cycle_length(rows[: period + 1], [_U, _V]) == period
    assert cycle_length(rows, [_U, _V]) == period


def test_a_limit_cycle_of_v_alone_is_found() -> None:
    assert cycle_length([[4.0, 0.5], [4.01, 0.6], [4.0, 0.505]], [_U, _V]) == 2


def test_one_site_that_goes_on_changing_is_no_limit_cycle() -> None:
    assert cycle_length([[4.0, 4.0], [4.6, 4.5], [4.0, 5.0]], [_U, _U]) is None


@given(
    start=st.floats(0.0, 10.0),
    steps=st.lists(st.floats(0.0, 2.0), min_size=2, max_size=8),
    sign=st.sampled_from((-1, 1)),
)
def test_a_monotone_approach_is_never_a_limit_cycle(start: float, steps: list[float], sign: int) -> None:
    values = start + sign * np.concatenate([[0.0], np.cumsum(steps)])
    assert cycle_length([[value] for value in values], [_U]) is None


@given(factor=st.floats(0.5, 0.99))
def test_slow_convergence_is_no_limit_cycle(factor: float) -> None:
    history: list[list[float]] = []
    for n in range(12):
        history.append([5.0 + 2.0 * factor**n])
        assert cycle_length(history, [_U]) is None


@given(st.lists(st.floats(-0.04, 0.04), min_size=3, max_size=6))
def test_what_has_converged_is_no_limit_cycle(noise: list[float]) -> None:
    assert cycle_length([[4.0 + one] for one in noise], [_U]) is None


@given(old=st.floats(0.0, 9.0), new=st.floats(0.0, 9.0), fraction=st.floats(0.0, 1.0))
def test_mixing_ends_between_old_and_new(old: float, new: float, fraction: float) -> None:
    value = mixed(_set(old, 0.5), _set(new, 0.5), fraction)[0].value
    assert min(old, new) - 1e-9 <= value <= max(old, new) + 1e-9
    assert mixed(_set(old, 0.5), _set(new, 0.5), 1.0)[0].value == pytest.approx(new)
    assert mixed(_set(old, 0.5), _set(new, 0.5), 0.0)[0].value == pytest.approx(old)


def test_mixing_half_ends_a_circle_of_two() -> None:
    """A response that overshoots as far as it was off, U_out = 9 - U_in, settles at once with half the new values."""
    u = 4.0
    for _ in range(3):
        u = mixed(_set(u, 0.5), _set(9.0 - u, 0.5), 0.5)[0].value
    assert u == pytest.approx(4.5)
