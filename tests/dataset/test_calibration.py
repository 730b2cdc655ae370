from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import erfinv
from scipy.stats import spearmanr

from aiida_redoxmlp.dataset.calibration import FEWEST_PAIRS, calibrate, miscalibration_area, rank_correlation
from aiida_redoxmlp.errors import InputError

positive = arrays(np.float64, st.integers(5, 40), elements=st.floats(1e-3, 10))


def sample(n=20000, factor=1.0):
    random = np.random.default_rng(3)
    spreads = np.exp(random.normal(size=n))
    return factor * spreads * random.normal(size=n), spreads


def test_honest_committee_is_calibrated():
    found = calibrate(*sample())
    assert found.factor == pytest.approx(1, abs=0.03)
    assert found.within_one == pytest.approx(0.683, abs=0.01)
    assert found.within_two == pytest.approx(0.954, abs=0.01)
    assert found.miscalibration_area < 0.01
    for one in found.bins:
        assert one.rmse == pytest.approx(one.spread, rel=0.1)


def test_factor_mends_a_committee_that_is_three_times_too_sure():
    found = calibrate(*sample(factor=3.0))
    assert found.factor == pytest.approx(3, rel=0.03)
    assert found.miscalibration_area > 0.2
    assert found.scaled_miscalibration_area < 0.01
    errors, spreads = sample(factor=3.0)
    assert calibrate(errors, found.factor * spreads).factor == pytest.approx(1)


def test_committee_that_knows_nothing_has_no_rank_correlation():
    errors, spreads = sample()
    found = calibrate(errors, np.random.default_rng(0).permutation(spreads))
    assert abs(found.rank_correlation) < 0.03
    assert calibrate(errors, spreads).rank_correlation > 0.3
    assert calibrate(spreads, spreads).rank_correlation == pytest.approx(1)


def test_member_drawn_like_the_truth_gives_the_factor_of_few_members():
    random = np.random.default_rng(5)
    members, truth = random.normal(size=(3, 200000)), random.normal(size=200000)
    found = calibrate(members.mean(axis=0) - truth, members.std(axis=0))
    assert found.factor == pytest.approx(np.sqrt(4 / 2), rel=0.01)


@given(positive, st.integers(1, 12))
def test_reliability_curve_accounts_for_every_pair(spreads, n_bins):
    errors = spreads[::-1] - 1.0
    found = calibrate(errors, spreads, n_bins)
    assert len(found.bins) <= n_bins
    assert sum(one.n for one in found.bins) == found.n == len(spreads)
    assert min(one.n for one in found.bins) >= FEWEST_PAIRS
    assert sum(one.n * one.rmse**2 for one in found.bins) == pytest.approx((errors**2).sum())
    assert np.diff([one.spread for one in found.bins]).min(initial=0) >= -1e-9


@given(positive)
def test_area_is_that_of_the_coverage_curve(sizes):
    spreads = sizes[::-1]
    expected = np.linspace(0, 1, 20001)
    observed = (sizes[:, None] <= spreads[:, None] * np.sqrt(2) * erfinv(expected)[None, :]).mean(axis=0)
    area = np.abs(observed - expected).mean()
    assert miscalibration_area(sizes, spreads) == pytest.approx(area, abs=2e-3)


def test_area_of_no_spread_and_of_endless_spread_is_a_half():
    sizes = np.arange(1.0, 9.0)
    assert miscalibration_area(sizes, np.zeros(8)) == pytest.approx(0.5)
    assert miscalibration_area(sizes, np.full(8, 1e9)) == pytest.approx(0.5, abs=1e-6)
    assert miscalibration_area(np.zeros(8), np.zeros(8)) == pytest.approx(0.5)


@given(positive, st.integers(0, 9))
def test_rank_correlation_is_spearmans(first, seed):
    first = np.round(first, 3)
    second = np.round(np.random.default_rng(seed).permutation(first), 1)
    found = rank_correlation(first, second)
    if found is None:
        assert len(set(first.tolist())) == 1 or len(set(second.tolist())) == 1
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-9)


def test_forces_that_symmetry_forbids_do_not_count():
    errors, spreads = sample(50)
    found = calibrate(np.append(errors, [0.0, 1e-14]), np.append(spreads, [0.0, 1e-14]))
    assert (found.n, found.n_without_spread) == (50, 2)
    assert found.factor == calibrate(errors, spreads).factor


def test_one_member_or_few_frames_say_nothing():
    assert calibrate(np.ones(50), np.zeros(50)) is None
    assert calibrate(np.ones(4), np.ones(4)) is None
    assert calibrate(np.ones((0, 3)), np.ones((0, 3))) is None


@pytest.mark.parametrize(
    ("errors", "spreads"), [(np.ones(6), np.ones(5)), (np.ones(6), -np.ones(6)), (np.full(6, np.nan), np.ones(6))]
)
def test_numbers_that_cannot_be_compared_are_refused(errors, spreads):
    with pytest.raises(InputError, match=r"one spread an error|finite numbers"):
        calibrate(errors, spreads)
    with pytest.raises(InputError, match="n_bins is 0"):
        calibrate(np.ones(6), np.ones(6), n_bins=0)
