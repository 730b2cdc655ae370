from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from aiida_redoxmlp.active_learning.electrons import BeliefSettings, PatternBelief, believe, with_believed_pattern
from aiida_redoxmlp.active_learning.judging import fresh_errors, gap_factor, spread_factors
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors, collapse_of, uncertainty_of
from aiida_redoxmlp.active_learning.verdicts import LabelAnswer, LabelRequest, judge_answer
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.testing import toy_frames
from tests.active_learning.bond_committee import BondCommittee, tilted


def evaluation(forces: np.ndarray) -> CommitteeEvaluation:
    return CommitteeEvaluation(np.zeros(len(forces)), forces)


def belief(gap: float | None, spread: float | None, agreeing: int = 2) -> PatternBelief:
    return PatternBelief(Pattern((0, 1), (2, 3)), 2, agreeing, gap, spread, True)


def test_force_spread_is_the_model_deviation_of_each_atom() -> None:
    forces = np.zeros((2, 3, 3))
    forces[0, 1] = [0.3, 0.0, 0.4]
    forces[1, 1] = [-0.3, 0.0, -0.4]
    (one,) = uncertainty_of([evaluation(forces)])
    np.testing.assert_allclose(one.force_spreads, [0.0, 0.5, 0.0], atol=1e-15)
    assert one.largest_force_spread == pytest.approx(0.5)


def test_force_spread_does_not_depend_on_orientation() -> None:
    random = np.random.default_rng(0)
    forces = random.normal(size=(4, 5, 3))
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    before, after = uncertainty_of([evaluation(forces), evaluation(forces @ rotation.T)])
    np.testing.assert_allclose(before.force_spreads, after.force_spreads)


def test_energy_spread_is_per_atom() -> None:
    (one,) = uncertainty_of([CommitteeEvaluation(np.array([-1.0, 1.0]), np.zeros((2, 4, 3)))])
    assert one.energy_spread == pytest.approx(0.25)


def test_a_collapsed_committee_is_told_in_one_sentence() -> None:
    same = uncertainty_of([evaluation(np.ones((3, 2, 3)))] * 4)
    sentence = collapse_of(same, 3)
    assert sentence is not None
    assert "3 members give the same forces on all 4 candidates" in sentence
    assert "one member" in str(collapse_of(same, 1))
    forces = np.ones((3, 2, 3))
    forces[0] += 0.01
    assert collapse_of(uncertainty_of([evaluation(forces)]), 3) is None


def test_the_pattern_that_fits_the_bonds_is_believed_in(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    long_first, short_first = believe(right, [tilted(tilt=0.2), tilted(tilt=-0.2)], chemistry)
    assert long_first is not None
    assert short_first is not None
    assert (long_first.lowest.states, short_first.lowest.states) == ((2, 3), (3, 2))
    assert long_first.agreed
    assert long_first.proven
    assert long_first.doubt() < 0.01


def test_the_gap_is_the_energy_of_moving_the_electron(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    here = tilted(tilt=0.2)
    (found,) = believe(right, [here], chemistry)
    assert found is not None
    energies = [
        right.evaluate([replace(here, oxidation_states=np.array(states))])[0].energies
        for states in ([2, 3, -2, -2], [3, 2, -2, -2])
    ]
    assert found.gap == pytest.approx((energies[1] - energies[0]).mean())
    assert found.gap_spread == pytest.approx((energies[1] - energies[0]).std(ddof=1))


def test_members_that_disagree_raise_the_doubt(chemistry: RedoxChemistry) -> None:
    split = BondCommittee((2.2, 2.0), (2.0, 2.2), (2.2, 2.0))
    (found,) = believe(split, [tilted(tilt=0.2)], chemistry)
    assert found is not None
    assert not found.agreed
    assert found.n_agreeing == 2
    assert found.doubt() >= 1 / 3


def test_a_potential_blind_to_states_is_in_doubt_of_one_half(chemistry: RedoxChemistry) -> None:
    blind = BondCommittee((2.1, 2.1), (2.11, 2.11))
    (found,) = believe(blind, [tilted()], chemistry)
    assert found is not None
    assert found.doubt() >= 0.5


def test_a_search_finds_the_pattern_that_comparing_all_finds(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    here = [tilted(seed, 0.15) for seed in range(3)]
    everything = believe(right, here, chemistry)
    searched = believe(right, here, chemistry, BeliefSettings(max_exhaustive=1))
    for one, other in zip(everything, searched, strict=True):
        assert one is not None
        assert other is not None
        assert one.lowest == other.lowest
        assert one.gap == pytest.approx(other.gap)
        assert one.proven
        assert not other.proven


def test_a_structure_without_redox_sites_has_no_electrons_to_doubt(right: BondCommittee) -> None:
    nothing = RedoxChemistry(total_charge=1, fixed_states={"Mn": 2})
    assert believe(right, [tilted()], nothing) == [None]
    assert with_believed_pattern(right, tilted(), None).oxidation_states.tolist() == [3, 2, -2, -2]


def test_the_believed_pattern_is_written_on_the_structure(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    here = tilted(tilt=0.2)
    (found,) = believe(right, [here], chemistry)
    assert with_believed_pattern(right, here, found).oxidation_states.tolist() == [2, 3, -2, -2]


@pytest.mark.parametrize(("gap", "spread", "factor"), [(0.1, 0.1, 1.0), (0.2, 0.1, 2.0)])
def test_doubt_is_the_probability_that_the_runner_up_is_lower(gap: float, spread: float, factor: float) -> None:
    assert belief(gap, spread).doubt(factor) == pytest.approx(float(ndtr(-1.0)))


def test_doubt_without_another_pattern_is_nothing() -> None:
    assert belief(None, None).doubt() == 0.0


def test_the_factor_of_gaps_explains_the_redox_errors_found() -> None:
    beliefs = [belief(gap, 0.1) for gap in np.linspace(0.05, 0.4, 30)]
    factors = []
    for n_wrong in (0, 2, 6, 10):
        factor = gap_factor(beliefs, [index < n_wrong for index in range(30)])
        assert factor is not None
        factors.append(factor)
        if n_wrong in (2, 6):
            assert sum(one.doubt(factor) for one in beliefs) == pytest.approx(n_wrong, rel=1e-3)
    assert factors == sorted(factors)
    assert gap_factor([belief(None, None)], [False]) is None


def test_factors_are_measured_on_labels_the_potential_had_not_seen(chemistry: RedoxChemistry) -> None:
    frames = toy_frames(20, seed=8)
    potential = BondCommittee((2.2, 2.0), (2.21, 2.01))
    verdicts = [
        judge_answer(LabelAnswer(LabelRequest(frame.configuration, frame.pattern), frame), chemistry)
        for frame in frames
    ]
    results = potential.evaluate([frame.configuration for frame in frames])
    errors = np.array([one.mean_forces - frame.forces for one, frame in zip(results, frames, strict=True)])
    spreads = np.array([one.forces.std(axis=0) for one in results])
    spread = spreads > 1e-10
    expected = np.sqrt((errors[spread] ** 2).mean() / (spreads[spread] ** 2).mean())
    factors = spread_factors(potential, verdicts)
    assert factors.forces == pytest.approx(min(expected, 10.0))
    assert factors.n_labels == 20
    judged = fresh_errors(potential, verdicts)
    assert judged.force_mae_ev_per_angstrom == pytest.approx(np.abs(errors).mean())
    assert judged.pattern_recovery == 1.0


def test_without_fresh_labels_the_last_calibration_stays(right: BondCommittee) -> None:
    before = SpreadFactors(forces=2.0, energies=3.0, electrons=4.0, n_labels=9)
    assert spread_factors(right, [], before=before) == before
    assert fresh_errors(right, []).n_labels == 0


def test_a_redox_error_lowers_the_recovery(right: BondCommittee, chemistry: RedoxChemistry) -> None:
    frames = toy_frames(4)
    wanted = [frames[0].pattern] * 4  # wrong for every second frame
    verdicts = [
        judge_answer(LabelAnswer(LabelRequest(frame.configuration, pattern), frame), chemistry)
        for frame, pattern in zip(frames, wanted, strict=True)
    ]
    assert fresh_errors(right, verdicts).pattern_recovery == 0.5
