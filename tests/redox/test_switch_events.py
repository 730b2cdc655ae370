from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.switch_events import ambiguous_intervals, electron_hops, settled, switch_events
from tests.redox.trajectory_drafts import drafted

A, B, C = (2, 3, 3), (3, 2, 3), (3, 3, 2)


@st.composite
def trajectories(draw, *, closed=True):
    """Patterns of the same charge (or of any), some of them ambiguous, with steps missing here and there."""
    patterns = st.sampled_from([A, B, C]) if closed else st.tuples(*[st.integers(1, 4)] * 3)
    states = draw(st.lists(patterns, min_size=1, max_size=30))
    rows = list(range(len(states)))
    gaps = draw(st.lists(st.integers(1, 3), min_size=len(states), max_size=len(states)))
    return drafted(
        states,
        ambiguous=draw(st.lists(st.sampled_from(rows), max_size=8)),
        unconverged=draw(st.lists(st.sampled_from(rows), max_size=3)),
        steps=np.cumsum(gaps),
    )


dwells = st.integers(0, 5)


def test_a_switch_is_dated_by_the_steps_around_it():
    first, second = switch_events(drafted([A, A, A, B, B, B, B]))
    assert (first.site, first.symbol, first.before, first.after) == (4, "Mn", 2, 3)
    assert (second.site, second.before, second.after) == (5, 3, 2)
    assert first.interval == second.interval == (2, 3)
    assert first.time_fs == 5.0
    assert first.temperature == pytest.approx(625.0)


def test_a_switch_within_an_ambiguous_stretch_is_dated_by_the_stretch():
    trajectory = drafted([A, A, A, B, A, B, B, B, B], ambiguous=[2, 3, 4])
    assert {event.interval for event in switch_events(trajectory)} == {(1, 5)}
    assert ambiguous_intervals(trajectory) == ((2, 4),)
    assert switch_events(trajectory)[0].temperature == pytest.approx(np.mean([610, 620, 630, 640, 650]))


def test_an_ambiguous_step_with_other_states_is_no_switch():
    assert switch_events(drafted([A, A, B, A, A], ambiguous=[2])) == ()


def test_a_step_that_did_not_converge_decides_nothing():
    trajectory = drafted([A, B, A], unconverged=[1])
    assert switch_events(trajectory, min_dwell=0) == ()
    assert ambiguous_intervals(trajectory) == ((1, 1),)


@pytest.mark.parametrize(("n_away", "is_event"), [(1, False), (2, False), (3, True)])
def test_a_state_that_is_soon_back_was_never_left(n_away, is_event):
    trajectory = drafted([A, A, A, *[B] * n_away, A, A, A, A])
    events = switch_events(trajectory, min_dwell=2)
    assert len(events) == (4 if is_event else 0)
    assert ambiguous_intervals(trajectory, min_dwell=2) == (() if is_event else ((3, 2 + n_away),))


def test_a_flicker_counts_steps_also_where_some_are_missing():
    assert switch_events(drafted([A, B, A], steps=[0, 1, 3]), min_dwell=2) == ()
    assert len(switch_events(drafted([A, B, A], steps=[0, 1, 4]), min_dwell=2)) == 4


def test_an_electron_that_passes_through_a_site_hops_once_over_it():
    trajectory = drafted([A, A, B, C, C, C, C])
    (hop,) = electron_hops(switch_events(trajectory))
    assert (hop.from_site, hop.to_site, hop.last_step_before, hop.first_step_after) == (4, 6, 1, 3)
    assert [(h.from_site, h.to_site) for h in electron_hops(switch_events(trajectory, min_dwell=0))] == [(4, 5), (5, 6)]


def test_opposite_switches_are_one_hop():
    (hop,) = electron_hops(switch_events(drafted([A, A, B, B, B])))
    assert (hop.from_site, hop.to_site, hop.from_symbol, hop.to_symbol) == (4, 5, "Mn", "Mn")
    assert (hop.last_step_before, hop.first_step_after, hop.time_fs, hop.unique) == (1, 2, 3.0, True)


def test_an_electron_from_outside_is_a_switch_but_no_hop():
    events = switch_events(drafted([(3, 3), (3, 2)]))
    assert [(event.site, event.before, event.after) for event in events] == [(5, 3, 2)]
    assert electron_hops(events) == ()


def test_two_hops_at_once_could_be_paired_otherwise():
    hops = electron_hops(switch_events(drafted([(2, 2, 3, 3), (3, 3, 2, 2)])))
    assert [(hop.from_site, hop.to_site) for hop in hops] == [(4, 6), (5, 7)]
    assert not any(hop.unique for hop in hops)


def test_two_electrons_of_one_site_go_where_there_is_room():
    hops = electron_hops(switch_events(drafted([(2, 3, 3), (4, 2, 2)])))
    assert [(hop.from_site, hop.to_site, hop.unique) for hop in hops] == [(4, 5, True), (4, 6, True)]


def test_which_of_two_donors_gave_the_only_electron_is_not_known():
    (hop,) = electron_hops(switch_events(drafted([(2, 2, 3), (3, 3, 2)])))
    assert not hop.unique


def test_without_times_events_are_dated_by_their_steps_alone():
    event, _ = switch_events(drafted([A, B], dynamics=False))
    assert (event.time_fs, event.temperature, event.interval) == (None, None, (0, 1))


def test_a_temperature_that_a_step_lacks_is_left_out():
    trajectory = drafted([A, B])
    trajectory = replace(trajectory, temperatures=np.array([500.0, np.nan]), times=np.array([np.nan, np.nan]))
    event, _ = switch_events(trajectory)
    assert (event.temperature, event.time_fs) == (500.0, None)


def test_a_negative_dwell_is_refused():
    with pytest.raises(InputError, match="shortest dwell of -1"):
        switch_events(drafted([A]), min_dwell=-1)


@given(trajectories(), dwells)
def test_at_a_fixed_charge_every_switch_is_half_of_a_hop(trajectory, dwell):
    events = switch_events(trajectory, min_dwell=dwell)
    hops = electron_hops(events)
    change = dict.fromkeys(trajectory.sites, 0)
    for hop in hops:
        change[hop.from_site] += 1
        change[hop.to_site] -= 1
    assert sum(change.values()) == 0
    assert change == {
        site: sum(event.after - event.before for event in events if event.site == site) for site in change
    }


@given(trajectories(closed=False), dwells)
def test_all_events_take_the_first_sure_pattern_to_the_last(trajectory, dwell):
    sure = np.flatnonzero(settled(trajectory, min_dwell=dwell))
    if not sure.size:
        assert switch_events(trajectory, min_dwell=dwell) == ()
        return
    states = dict(zip(trajectory.sites, trajectory.states[sure[0]].tolist(), strict=True))
    for event in switch_events(trajectory, min_dwell=dwell):
        assert states[event.site] == event.before != event.after
        states[event.site] = event.after
    assert list(states.values()) == trajectory.states[sure[-1]].tolist()
    last_sure = np.flatnonzero(trajectory.sure)[-1]
    assert settled(trajectory, min_dwell=dwell)[last_sure]  # what nothing follows cannot be a flicker


@given(trajectories(closed=False), dwells)
def test_steps_are_ambiguous_or_sure_and_events_lie_between_sure_steps(trajectory, dwell):
    kept = set(trajectory.steps[settled(trajectory, min_dwell=dwell)].tolist())
    intervals = ambiguous_intervals(trajectory, min_dwell=dwell)
    for step in trajectory.steps.tolist():
        assert (step in kept) != any(first <= step <= last for first, last in intervals)
    events = switch_events(trajectory, min_dwell=dwell)
    assert [event.interval for event in events] == sorted(event.interval for event in events)
    for event in events:
        assert {event.last_step_before, event.first_step_after} <= kept
        assert not any(event.last_step_before < step < event.first_step_after for step in kept)


@given(trajectories(closed=False), dwells, st.integers(0, 4), st.integers(0, 4))
def test_repeating_first_and_last_frame_changes_no_event(trajectory, dwell, n_before, n_after):
    longer = _padded(trajectory, n_before, n_after)
    assert _dated(longer, dwell) == _dated(trajectory, dwell)


@given(trajectories(closed=False), st.integers(1, 4))
def test_repeating_every_frame_changes_no_event_but_its_date(trajectory, n_times):
    rows = np.repeat(np.arange(len(trajectory)), n_times)
    slower = drafted(
        trajectory.states[rows],
        ambiguous=np.flatnonzero(trajectory.ambiguous[rows]).tolist(),
        unconverged=np.flatnonzero(~trajectory.scf_converged[rows]).tolist(),
    )
    made = [[(e.site, e.before, e.after) for e in switch_events(one, min_dwell=0)] for one in (trajectory, slower)]
    assert made[0] == made[1]


@given(trajectories(closed=False), dwells)
def test_the_order_of_the_sites_does_not_matter(trajectory, dwell):
    mirrored = drafted(
        trajectory.states[:, ::-1],
        ambiguous=np.flatnonzero(trajectory.ambiguous).tolist(),
        unconverged=np.flatnonzero(~trajectory.scf_converged).tolist(),
        steps=trajectory.steps,
    )
    assert settled(mirrored, min_dwell=dwell).tolist() == settled(trajectory, min_dwell=dwell).tolist()


def _padded(trajectory, n_before, n_after):
    rows = [0] * n_before + list(range(len(trajectory))) + [len(trajectory) - 1] * n_after
    first, last = int(trajectory.steps[0]), int(trajectory.steps[-1])
    before, after = list(range(first - n_before, first)), list(range(last + 1, last + 1 + n_after))
    return drafted(
        trajectory.states[rows],
        ambiguous=np.flatnonzero(trajectory.ambiguous[rows]).tolist(),
        unconverged=np.flatnonzero(~trajectory.scf_converged[rows]).tolist(),
        steps=[*before, *trajectory.steps.tolist(), *after],
    )


def _dated(trajectory, dwell):
    return [(e.site, e.before, e.after, e.interval) for e in switch_events(trajectory, min_dwell=dwell)]
