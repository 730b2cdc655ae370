from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_redoxmlp.active_learning.candidates import Candidate, content_key, keys_of_frames
from aiida_redoxmlp.active_learning.diversity import Representatives, structure_vectors
from aiida_redoxmlp.active_learning.electrons import PatternBelief
from aiida_redoxmlp.active_learning.selection import (
    CandidateBand,
    Known,
    Selection,
    SelectionSettings,
    StrategyName,
    select,
    stratum_of,
)
from aiida_redoxmlp.active_learning.uncertainty import SpreadFactors, Uncertainty
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.testing import toy_frames
from tests.active_learning.bond_committee import BondCommittee

FRAMES = toy_frames(40, seed=2)
CANDIDATES = [Candidate(frame.configuration, frame.group, frame.step) for frame in FRAMES]
VECTORS = np.random.default_rng(5).normal(size=(40, 3))


def uncertain(spreads: np.ndarray, doubts: np.ndarray | None = None) -> list[Uncertainty]:
    """Uncertainties of toy frames; a doubt of one half is members that disagree, of 0 a wide gap."""
    found = []
    for index, spread in enumerate(spreads):
        pattern = FRAMES[index % len(FRAMES)].pattern
        doubt = 0.0 if doubts is None else doubts[index]
        belief = PatternBelief(pattern, 2, 1 if doubt else 2, 1.0, 0.01, True)
        found.append(Uncertainty(np.array([0.0, spread]), 0.01, belief))
    return found


def chosen(
    strategy: StrategyName,
    spreads: np.ndarray,
    doubts: np.ndarray | None = None,
    *,
    known: Known | None = None,
    factors: SpreadFactors | None = None,
    **settings: object,
) -> Selection:
    return select(
        CANDIDATES,
        uncertain(spreads, doubts),
        VECTORS,
        SelectionSettings(strategy=strategy, **{"n_labels": 6, **settings}),  # type: ignore[arg-type]
        n_members=2,
        known=known,
        factors=factors,
    )


RAMP = np.linspace(0.0, 0.39, 40)
BAND = CandidateBand(floor=0.1, ceiling=0.3)


@pytest.mark.parametrize("strategy", ["uncertainty", "redox_aware"])
def test_only_structures_inside_the_band_are_asked(strategy: StrategyName) -> None:
    selection = chosen(strategy, RAMP, band=BAND)
    assert len(selection.chosen) == 6
    assert all(0.1 <= RAMP[index] <= 0.3 for index in selection.chosen)
    counts = selection.counts
    assert (counts.n_known, counts.n_uncertain, counts.n_too_far) == (10, 21, 9)
    assert counts.uncertain_fraction == pytest.approx(30 / 40)


def test_the_most_uncertain_are_asked_first_by_uncertainty_alone() -> None:
    assert chosen("uncertainty", RAMP, band=BAND).chosen == (30, 29, 28, 27, 26, 25)


def test_calibrated_spreads_are_what_the_band_sees() -> None:
    assert chosen("uncertainty", RAMP, band=BAND, factors=SpreadFactors(forces=2.0)).chosen[0] == 15


def test_electrons_in_doubt_are_asked_although_the_forces_are_known() -> None:
    doubts = np.zeros(40)
    doubts[[3, 8]] = 0.5
    selection = chosen("redox_aware", np.full(40, 0.01), doubts, band=BAND)
    assert sorted(selection.chosen) == [3, 8]
    assert "another pattern with probability 0.50" in selection.reasons[0]
    assert chosen("uncertainty", np.full(40, 0.01), doubts, band=BAND).chosen == ()


def test_electrons_in_doubt_beyond_the_ceiling_are_not_asked() -> None:
    assert chosen("redox_aware", np.full(40, 0.5), np.full(40, 0.5), band=BAND).chosen == ()


def test_a_pattern_without_a_label_gets_one() -> None:
    one, *others = (index for index, frame in enumerate(FRAMES) if frame.pattern.states == (3, 2))
    common = [index for index, frame in enumerate(FRAMES) if frame.pattern.states == (2, 3)]
    keys = {CANDIDATES[index].key for index in others}
    strata = [stratum_of(FRAMES[index].configuration, (0, 1)) for index in (common[0], one)]
    beside = VECTORS[[one]]  # a structure like it is labelled, so that it stands for nothing
    never = chosen("redox_aware", np.full(40, 0.2), band=BAND, known=Known(keys, strata[:1], beside))
    assert never.chosen[-1] == one
    assert set(never.chosen[:-1]) <= set(common)
    seen = chosen("redox_aware", np.full(40, 0.2), band=BAND, known=Known(keys, strata, beside))
    assert one not in seen.chosen
    assert seen.chosen[:5] == never.chosen[:5]


def with_lithium(one: Configuration, count: int) -> Configuration:
    """The structure with some lithium."""
    return Configuration(
        np.append(one.numbers, [3] * count),
        np.vstack([one.positions, np.arange(3 * count).reshape(count, 3) + 1.0]),
        one.cell,
        np.append(one.oxidation_states, [1] * count),
    )


def test_a_quarter_of_the_labels_at_most_goes_to_patterns_without_one() -> None:
    rare = [Candidate(with_lithium(CANDIDATES[index].configuration, 1 + index), "rare", index) for index in range(10)]
    known = Known(strata={stratum_of(frame.configuration, (0, 1)) for frame in FRAMES[:2]}, vectors=np.zeros((1, 3)))
    vectors = np.concatenate([np.zeros((10, 3)), VECTORS[10:]])  # what is rare is like what is labelled
    settings = SelectionSettings(n_labels=8, band=BAND)
    candidates = [*rare, *CANDIDATES[10:]]
    selection = select(candidates, uncertain(np.full(40, 0.2)), vectors, settings, n_members=2, known=known)
    assert [index < 10 for index in selection.chosen] == [False] * 6 + [True] * 2


def test_states_of_charge_are_strata_of_their_own() -> None:
    one = FRAMES[0].configuration
    assert stratum_of(one, (0, 1)) == "Mn2O2 (2,3)"
    assert stratum_of(with_lithium(one, 1), (0, 1)) == "LiMn2O2 (2,3)"


@pytest.mark.parametrize("strategy", ["random", "uncertainty", "redox_aware"])
def test_nothing_is_asked_twice(strategy: StrategyName) -> None:
    known = Known(keys={candidate.key for candidate in CANDIDATES[10:]})
    selection = chosen(strategy, np.full(40, 0.2), band=BAND, known=known, n_labels=40)
    assert sorted(selection.chosen) == list(range(10))
    assert selection.counts.n_asked_before == 30
    assert "10 of 40 labels" in selection.warnings[0]


@pytest.mark.parametrize("strategy", ["random", "uncertainty", "redox_aware"])
def test_a_structure_that_occurs_twice_is_asked_once(strategy: StrategyName) -> None:
    settings = SelectionSettings(strategy=strategy, n_labels=10, band=BAND)
    twice = [*CANDIDATES[:5], *CANDIDATES[:5]]
    spreads = uncertain(np.full(5, 0.2)) * 2
    selection = select(twice, spreads, np.vstack([VECTORS[:5]] * 2), settings, n_members=2)
    assert sorted(selection.chosen) == list(range(5))


@pytest.mark.parametrize("strategy", ["random", "uncertainty", "redox_aware"])
def test_a_seed_makes_the_selection(strategy: StrategyName) -> None:
    spreads = np.random.default_rng(1).uniform(0.1, 0.3, 40)
    first = chosen(strategy, spreads, band=BAND, seed=3)
    assert first.chosen == chosen(strategy, spreads, band=BAND, seed=3).chosen


def test_random_selection_follows_the_seed_and_not_the_order_of_the_candidates() -> None:
    spreads = np.full(40, 0.2)
    settings = SelectionSettings(strategy="random", n_labels=6, seed=1)
    forward = select(CANDIDATES, uncertain(spreads), VECTORS, settings, n_members=2).chosen
    backward = select(CANDIDATES[::-1], uncertain(spreads), VECTORS, settings, n_members=2).chosen
    assert {CANDIDATES[index].key for index in forward} == {CANDIDATES[::-1][index].key for index in backward}
    other = SelectionSettings(strategy="random", n_labels=6, seed=2)
    assert select(CANDIDATES, uncertain(spreads), VECTORS, other, n_members=2).chosen != forward


def test_a_collapsed_committee_is_told_and_structures_are_chosen_all_the_same() -> None:
    selection = chosen("redox_aware", np.zeros(40), band=BAND)
    assert len(selection.chosen) == 6
    assert "collapsed" in selection.warnings[0]
    assert selection.counts.uncertain_fraction is None
    assert chosen("random", np.zeros(40), band=BAND).warnings == ()


def test_a_committee_of_one_is_told() -> None:
    settings = SelectionSettings(strategy="uncertainty", n_labels=3, band=BAND)
    selection = select(CANDIDATES, uncertain(np.zeros(40)), VECTORS, settings, n_members=1)
    assert "one member" in selection.warnings[0]
    assert len(selection.chosen) == 3


def test_exploration_beyond_the_ceiling_is_told_in_one_sentence() -> None:
    selection = chosen("redox_aware", np.full(40, 2.0), band=BAND)
    assert selection.chosen == ()
    (sentence,) = selection.warnings
    assert "All 40 candidates have a force spread above the ceiling of 0.3 eV/Å" in sentence


@pytest.mark.parametrize(("floor", "ceiling"), [(0.3, 0.3), (0.3, 0.1)])
def test_a_contradictory_band_is_refused_in_one_sentence(floor: float, ceiling: float) -> None:
    with pytest.raises(ValidationError, match=r"holds no candidate; give a ceiling above the floor") as error:
        CandidateBand(floor=floor, ceiling=ceiling)
    assert len(error.value.errors()) == 1


def test_a_band_may_have_no_ceiling() -> None:
    assert len(chosen("uncertainty", np.full(40, 50.0), band=CandidateBand(floor=0.1, ceiling=None)).chosen) == 6


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="40 candidates have 39 uncertainties"):
        select(CANDIDATES, uncertain(np.zeros(39)), VECTORS, SelectionSettings(), n_members=2)


def test_nothing_to_choose_from_is_no_error() -> None:
    selection = select([], [], np.zeros((0, 3)), SelectionSettings(), n_members=2)
    assert selection.chosen == ()
    assert selection.counts.uncertain_fraction is None


def test_representatives_stand_for_many_and_not_for_what_is_known() -> None:
    known, crowd, outlier = np.zeros((1, 2)), np.array([[5.0, 0], [5.1, 0], [5.2, 0]]), np.array([[0.0, 7]])
    space = Representatives(np.concatenate([known, crowd, outlier]), known=known)
    first = int(space.gains(range(5)).argmax())
    assert first == 2  # in the middle of the crowd
    space.take(first)
    assert space.gains([2]) == 0
    assert space.gains(range(5)).argmax() == 4


def test_representatives_are_nearer_to_the_pool_than_a_random_choice() -> None:
    points = np.random.default_rng(0).normal(size=(200, 4))
    space = Representatives(points)
    for _ in range(10):
        space.take(int(space.gains(range(200)).argmax()))
    scaled = points / points.std(axis=0)
    means = []
    for seed in range(20):
        some = scaled[np.random.default_rng(seed).choice(200, 10, replace=False)]
        means.append(np.linalg.norm(scaled[:, None] - some, axis=2).min(axis=1).mean())
    assert space.distances.mean() < min(means)


def test_of_very_many_points_some_count() -> None:
    points = np.random.default_rng(0).normal(size=(5000, 2))
    space = Representatives(points)
    assert len(space.distances) == 1667
    assert space.gains(range(5000)).shape == (5000,)


def test_points_of_other_columns_are_refused() -> None:
    with pytest.raises(InputError, match="3 columns"):
        Representatives(np.zeros((2, 3)), np.zeros((1, 4)))


def test_renumbered_atoms_are_the_same_point(right: BondCommittee) -> None:
    here = FRAMES[0].configuration
    order = np.array([2, 0, 3, 1])
    renumbered = Configuration(here.numbers[order], here.positions[order], here.cell, here.oxidation_states[order])
    one, other = structure_vectors(right, [here, renumbered])
    np.testing.assert_allclose(one, other)
    assert structure_vectors(right, []).shape == (0, 0)


def test_the_key_is_of_the_crystal_and_not_of_the_cell_an_atom_is_written_in() -> None:
    here = FRAMES[0].configuration
    shift = np.zeros((4, 3))
    shift[1] = here.cell[0] - 2 * here.cell[2]
    assert content_key(here.moved_to(here.positions + shift)) == content_key(here)
    assert content_key(here.moved_to(here.positions + 1e-9)) == content_key(here)
    assert content_key(here.moved_to(here.positions + np.eye(4, 3) * 0.01)) != content_key(here)


def test_the_key_knows_the_pattern_and_not_the_spins() -> None:
    here = FRAMES[0].configuration
    swapped = Pattern((0, 1), (3, 2)).written_on(here.oxidation_states)
    assert content_key(replace(here, oxidation_states=swapped)) != content_key(here)
    assert content_key(replace(here, spins=None)) == content_key(here)
    assert keys_of_frames(FRAMES[:3]) == {candidate.key for candidate in CANDIDATES[:3]}
