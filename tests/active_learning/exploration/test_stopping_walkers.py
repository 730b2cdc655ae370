from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.active_learning.candidates import content_key
from aiida_redoxmlp.active_learning.exploration.exploring import explore
from aiida_redoxmlp.active_learning.exploration.frames import read_explored, write_explored
from aiida_redoxmlp.active_learning.exploration.settings import (
    ChargeMoves,
    ExplorationSettings,
    Limits,
    Relaxations,
    Stage,
    Variations,
    Walk,
)
from aiida_redoxmlp.active_learning.exploration.starting_points import GivenStructure, strained
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from tests.active_learning.exploration.spring_committee import SpringCommittee, lattice

START = lattice(2, (2, 3))
CHEMISTRY = RedoxChemistry(total_charge=1, allowed_states={"Mn": (2, 3)})
NO_LIMITS = Limits(force_spread=None, closest=0.0, energy_jump=None, temperature_factor=None)
SHORT = Walk(stages=(Stage(n_steps=12, temperature=300.0),), frame_interval=5)


def explored(committee: SpringCommittee, start: Configuration = START, **settings):
    return explore(committee, {"cell": GivenStructure(start)}, CHEMISTRY, ExplorationSettings(**settings))


def test_a_walker_stops_at_the_ceiling_and_leaves_the_frames_before_it() -> None:
    """The force spread grows with the displacement, so that a ramp leads out of what the committee knows."""
    walk = Walk(
        stages=(Stage(n_steps=3000, temperature=50.0, end_temperature=3000.0),), friction=0.05, frame_interval=10
    )
    ceiling = 0.3
    found = explored(
        SpringCommittee(START.positions, slope=1.0),
        walks=(walk,),
        limits=Limits(force_spread=ceiling, energy_jump=None),
    )
    record = found.walkers[-1]
    assert record.stopped == "uncertain"
    assert record.reason is not None
    assert "above the ceiling of 0.3 eV/Å" in record.reason
    assert 0 < record.n_steps < 3000
    assert all(frame.uncertainty.largest_force_spread <= ceiling for frame in found.frames)
    steps = [frame.step for frame in found.frames]
    assert steps == [*range(0, record.n_steps + 1, 10), *([record.n_steps] if record.n_steps % 10 else [])]
    assert found.frames[-1].time == pytest.approx(2.0 * record.n_steps)
    assert record.n_frames == len(found.frames) - 1
    assert any("All 1 walks are beyond the limits" in warning for warning in found.warnings)


def test_calibration_lowers_the_spread_that_a_walker_may_have() -> None:
    limits = Limits(force_spread=0.1, energy_jump=None, force_factor=1.0)
    start = START.moved_to(START.positions + 0.05 * np.eye(4, 3))
    committee = SpringCommittee(START.positions, slope=1.0)
    varied = {"walks": (SHORT,)}
    assert explored(committee, start, limits=limits, **varied).walkers[0].stopped is None
    stricter = explored(committee, start, limits=limits.model_copy(update={"force_factor": 3.0}), **varied)
    assert stricter.walkers[0].stopped == "uncertain"
    assert len(stricter.walkers) == 1
    assert not stricter.frames
    assert "All 1 starting points are beyond the limits" in stricter.warnings[-1]


def test_atoms_that_are_too_close_are_named() -> None:
    close = START.moved_to(START.positions - [[0, 0, 0], [0, 0, 0], [0, 2.0, 0], [0, 0, 0]])
    found = explored(SpringCommittee(close.positions), close, walks=(SHORT,))
    (record,) = found.walkers
    assert record.stopped == "too_close"
    assert record.reason == (
        "Mn (atom 0) and O (atom 2) are 1.00 Å apart, less than 0.65 of the sum of their covalent radii, 1.33 Å."
    )


def test_atoms_may_be_too_close_to_their_own_images() -> None:
    thin = replace(START, cell=np.diag([6.0, 6.0, 1.2]))
    assert explored(SpringCommittee(thin.positions), thin, walks=(SHORT,)).walkers[0].stopped == "too_close"


class _Broken(SpringCommittee):
    """Goes wrong at its eighth evaluation."""

    def __init__(self, how: float) -> None:
        super().__init__(START.positions)
        self.how = how

    def _evaluate(self, here: Configuration):
        result = super()._evaluate(here)
        if self.n_evaluations < 8:
            return result
        return replace(result, energies=result.energies + self.how, forces=result.forces + 10 * self.how)


@pytest.mark.parametrize(
    ("how", "kind"), [(np.nan, "not_finite"), (np.inf, "not_finite"), (1.0, "energy"), (-1.0, "energy")]
)
def test_spikes_and_numbers_that_are_none_stop_a_walker_before_them(how: float, kind: str) -> None:
    found = explored(_Broken(how), walks=(SHORT,))
    assert (found.walkers[-1].stopped, found.walkers[-1].n_steps) == (kind, 6)
    assert [frame.step for frame in found.frames] == [0, 5, 6]
    assert all(np.isfinite(frame.energy) for frame in found.frames)


def test_a_walker_that_gets_too_hot_stops() -> None:
    limits = Limits(energy_jump=None, force_spread=None, closest=0.0)
    found = explored(_Broken(3.0), walks=(SHORT,), limits=limits)
    assert found.walkers[-1].stopped == "temperature"
    assert "more than 5 times the highest of the walk, 300 K" in str(found.walkers[-1].reason)


def test_a_hop_beyond_the_limits_leaves_the_walker_before_it() -> None:
    class Doubtful(SpringCommittee):
        def _evaluate(self, here):
            result = super()._evaluate(here)
            if here.oxidation_states[0] == 3:
                return replace(result, forces=result.forces * np.array([1.0, 100.0])[:, None, None])
            return result

    walk = SHORT.model_copy(update={"charges": ChargeMoves(interval=3, attempts=20)})
    found = explored(Doubtful(START.positions), walks=(walk,))
    record = found.walkers[-1]
    assert (record.stopped, record.n_steps) == ("uncertain", 3)
    assert str(record.reason).startswith("After a hop of a charge: ")
    assert {frame.pattern.states for frame in found.frames} == {(2, 3)}


def test_relaxations_end_at_the_minimum_and_start_from_every_strain() -> None:
    away = START.moved_to(START.positions + 0.2 * np.eye(4, 3))
    found = explored(
        SpringCommittee(START.positions),
        away,
        relaxations=Relaxations(force_tolerance=0.01, frame_interval=1000),
        variations=Variations(strains=(0.01,), rattles=(0.05,)),
    )
    relaxed = [record for record in found.walkers if record.kind == "relaxation"]
    assert [record.name for record in relaxed] == ["cell, relaxation", "cell, strain 1, relaxation"]
    assert all(record.converged for record in relaxed)
    last = next(frame for frame in found.frames if frame.walker == "cell, relaxation")
    np.testing.assert_allclose(last.configuration.positions, START.positions, atol=0.01)


def test_a_relaxation_stops_where_the_committee_no_longer_knows() -> None:
    class Holed(SpringCommittee):
        def _evaluate(self, here):
            result = super()._evaluate(here)
            near = np.abs(here.positions - self.sites).max() < 0.1
            return replace(result, forces=result.forces * np.array([1.0, 100.0 if near else 1.0])[:, None, None])

    away = START.moved_to(START.positions + 0.3 * np.eye(4, 3))
    found = explored(Holed(START.positions), away, relaxations=Relaxations(frame_interval=1))
    record = found.walkers[-1]
    assert (record.stopped, record.converged) == ("uncertain", False)
    assert record.n_steps > 0
    assert all(frame.uncertainty.largest_force_spread < 1 for frame in found.frames)
    assert found.frames[-1].step == record.n_steps


def test_strained_cells_keep_fractional_coordinates_and_rattled_ones_are_displaced() -> None:
    variations = Variations(strains=(0.02, (0.0, 0.0, 0.0, 0.0, 0.0, 0.01)), rattles=(0.03,), copies=2)
    found = explored(SpringCommittee(START.positions), variations=variations, limits=NO_LIMITS)
    assert len(found.frames) == 3 * 3
    by_name = {frame.walker: frame.configuration for frame in found.frames}
    assert np.linalg.det(by_name["cell, strain 1"].cell) == pytest.approx(1.02**3 * np.linalg.det(START.cell))
    assert np.linalg.det(by_name["cell, strain 2"].cell) == pytest.approx(np.linalg.det(START.cell), rel=2e-4)
    for name in ("cell, strain 1", "cell, strain 2"):
        np.testing.assert_allclose(
            by_name[name].positions @ np.linalg.inv(by_name[name].cell),
            START.positions @ np.linalg.inv(START.cell),
            atol=1e-12,
        )
    moved = by_name["cell, rattle 1"].positions - START.positions
    assert 0.01 < moved.std() < 0.06
    assert len({content_key(one) for one in by_name.values()}) == 9
    assert strained(START, (0.0,) * 6).positions == pytest.approx(START.positions)


def test_walkers_without_known_states_start_with_the_lowest_pattern() -> None:
    committee = SpringCommittee(START.positions, lambda states: 0.1 * (states == (2, 3)))
    uneven = START.positions + 0.02 * np.random.default_rng(0).normal(size=(4, 3))  # no symmetry swaps the two Mn
    hidden = replace(START.moved_to(uneven), oxidation_states=np.array([0, 0, -2, -2]))
    found = explore(
        committee, {"cell": GivenStructure(hidden, states_known=False)}, CHEMISTRY, ExplorationSettings(walks=(SHORT,))
    )
    assert {frame.pattern.states for frame in found.frames} == {(3, 2)}


def test_a_committee_without_spread_is_told() -> None:
    found = explored(SpringCommittee(START.positions, slope=0.0), walks=(SHORT,))
    assert "has collapsed" in found.warnings[0]


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ({}, {"walks": (SHORT,)}, "There is no structure to explore from"),
        ({"a": lattice(2, (2, 2))}, {"walks": (SHORT,)}, "'a' cannot have the states given.*total charge is \\+1"),
        ({"a": lattice(2, (2, 4))}, {"walks": (SHORT,)}, "The state 4 of Mn .* is not allowed"),
        ({"a": START}, {}, "nothing is to be explored"),
        ({"a": START}, {"walks": ({"stages": ()},)}, "at least 1 item"),
        ({"a": START}, {"variations": {"strains": (2.0,)}}, "component beyond 0.3"),
        (
            {"a": START},
            {"walks": ({"stages": ({"n_steps": 1, "temperature": 1, "end_temperature": 2},), "thermostat": "none"},)},
            "a ramp needs a thermostat",
        ),
    ],
)
def test_what_cannot_be_explored_is_refused_in_a_sentence(given, settings, message: str) -> None:
    structures = {name: GivenStructure(one) for name, one in given.items()}
    with pytest.raises((InputError, ValueError), match=message):
        explore(SpringCommittee(START.positions), structures, CHEMISTRY, ExplorationSettings(**settings))


def test_states_that_the_committee_was_not_trained_on_are_refused_before_a_step() -> None:
    walk = SHORT.model_copy(update={"charges": ChargeMoves()})
    more = CHEMISTRY.model_copy(update={"allowed_states": {"Mn": (1, 2, 3, 4)}})
    with pytest.raises(InputError, match=r"The model does not know Mn"):
        explore(
            SpringCommittee(START.positions), {"a": GivenStructure(START)}, more, ExplorationSettings(walks=(walk,))
        )


def test_the_file_keeps_every_digit_and_a_damaged_one_is_told(tmp_path) -> None:
    found = explored(SpringCommittee(START.positions), walks=(SHORT,))
    spins = np.array([5, -4, 0, 0])
    frames = [*found.frames, replace(found.frames[0], configuration=replace(START, spins=spins))]
    path = tmp_path / "frames.npz"
    write_explored(path, frames)
    back = read_explored(path)
    for one, other in zip(frames, back, strict=True):
        assert (one.walker, one.step, one.time, one.temperature) == (
            other.walker,
            other.step,
            other.time,
            other.temperature,
        )
        assert (one.energy, one.energy_spread, one.pattern) == (other.energy, other.energy_spread, other.pattern)
        np.testing.assert_array_equal(one.force_spreads, other.force_spreads)
        np.testing.assert_array_equal(one.configuration.positions, other.configuration.positions)
    assert back[0].configuration.spins is None
    np.testing.assert_array_equal(back[-1].configuration.spins, spins)
    assert back[1].candidate.origin == "cell, walk 1.1"
    assert back[1].candidate.key == frames[1].candidate.key
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(OutputFormatError, match="is damaged or no exploration file"):
        read_explored(path)
