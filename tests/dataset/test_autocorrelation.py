from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter

from aiida_redoxmlp.dataset.autocorrelation import (
    autocorrelation_time,
    pooled_autocorrelation_time,
    statistical_inefficiency,
)
from aiida_redoxmlp.errors import InputError

series = st.integers(1, 60).flatmap(
    lambda length: arrays(np.float64, length, elements=st.floats(-1e3, 1e3).map(lambda value: round(value, 3)))
)


def _autoregressive(phi: float, length: int, seed: int = 0):
    """x(t) = φ x(t - 1) + noise, whose autocorrelation is φ to the lag."""
    return lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).normal(size=length))


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6, 0.9, 0.97])
def test_an_autoregressive_process_has_its_known_inefficiency(phi):
    exact = (1 + phi) / (1 - phi)
    assert statistical_inefficiency(_autoregressive(phi, 400_000)) == pytest.approx(exact, rel=0.06)


def test_the_estimate_has_no_bias_of_note_on_a_trajectory_of_usual_length():
    found = [statistical_inefficiency(_autoregressive(0.9, 2000, seed)) for seed in range(40)]
    assert np.mean(found) == pytest.approx(19.0, rel=0.1)


def test_the_error_of_the_mean_is_as_the_inefficiency_says():
    means = [_autoregressive(0.8, 3000, seed).mean() for seed in range(300)]
    one = _autoregressive(0.8, 300_000)
    assert np.var(means) == pytest.approx(one.var() * statistical_inefficiency(one) / 3000, rel=0.25)


def test_an_oscillation_is_not_taken_for_independent_frames():
    cosine = np.cos(2 * np.pi * np.arange(400) / 40)
    assert statistical_inefficiency(cosine) == pytest.approx(40 / np.pi, rel=0.1)


def test_alternating_values_are_as_good_as_independent():
    assert autocorrelation_time([1.0, -1.0] * 50) == 0.5


def test_what_never_changes_never_becomes_another():
    assert autocorrelation_time(np.full(12, -5417.09)) == 6.0


def test_a_jump_between_pieces_is_no_memory():
    noise = _autoregressive(0.5, 4000)
    pieces = [noise[:2000], noise[2000:] + 100.0]
    assert 2 * pooled_autocorrelation_time(pieces) == pytest.approx(3.0, rel=0.15)
    assert statistical_inefficiency(np.concatenate(pieces)) > 500


@given(series, st.floats(-1e4, 1e4), st.sampled_from([-1000.0, -0.5, 0.5, 1000.0]))
def test_origin_and_unit_do_not_matter(values, shift, factor):
    if np.ptp(values) < 1e-3:
        return
    assert autocorrelation_time(factor * (values + shift)) == pytest.approx(autocorrelation_time(values), rel=1e-6)


@given(series)
def test_the_time_lies_between_half_a_frame_and_half_the_length(values):
    assert 0.5 <= autocorrelation_time(values) <= max(0.5, 0.5 * len(values))


@given(series)
def test_time_reversed_is_the_same(values):
    if np.ptp(values) >= 1e-3:
        assert autocorrelation_time(values[::-1]) == pytest.approx(autocorrelation_time(values), rel=1e-9)


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "at least one value"), ([[1.0, 2.0]], r"shape \(1, 2\)"), ([1.0, np.nan], "nan of a series is no number")],
)
def test_what_is_no_series_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        autocorrelation_time(values)
