from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.active_learning.exploration.exploring import explore
from aiida_redoxmlp.active_learning.exploration.settings import (
    ChargeMoves,
    ExplorationSettings,
    Limits,
    Relaxations,
    Stage,
    Variations,
    Walk,
)
from aiida_redoxmlp.active_learning.exploration.starting_points import GivenStructure
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from tests.active_learning.exploration.spring_committee import SpringCommittee, lattice

START = lattice(4, (2, 3, 3, 2))
AWAY = START.moved_to(START.positions + 0.1 * np.eye(8, 3))
CHEMISTRY = RedoxChemistry(total_charge=2, allowed_states={"Mn": (2, 3)})
SETTINGS = ExplorationSettings(
    walks=(
        Walk(
            stages=(Stage(n_steps=20, temperature=300.0, end_temperature=1200.0), Stage(n_steps=10, temperature=900.0)),
            charges=ChargeMoves(interval=3),
            copies=2,
            frame_interval=7,
        ),
        Walk(
            stages=(Stage(n_steps=17, temperature=300.0),),
            charges=ChargeMoves(mode="adiabatic", interval=5),
            thermostat="none",
        ),
    ),
    variations=Variations(strains=(0.01,), rattles=(0.02,)),
    relaxations=Relaxations(frame_interval=3),
    limits=Limits(force_spread=0.1, energy_jump=None),
    checkpoint_interval=0.0,
)


class Stopping:
    """Says stop once, after some questions."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


def run(settings=SETTINGS, *, start=AWAY, cost=0.02, **where):
    committee = SpringCommittee(START.positions, lambda states: cost * (states[0] == 3), slope=0.5)
    return explore(committee, {"cell": GivenStructure(start)}, CHEMISTRY, settings, **where)


def require_same(one, other) -> None:
    assert one.walkers == other.walkers
    assert one.warnings == other.warnings
    for first, second in zip(one.frames, other.frames, strict=True):
        assert (first.walker, first.step, first.energy, first.temperature) == (
            second.walker,
            second.step,
            second.energy,
            second.temperature,
        )
        np.testing.assert_array_equal(first.configuration.positions, second.configuration.positions)
        np.testing.assert_array_equal(first.configuration.oxidation_states, second.configuration.oxidation_states)


@pytest.fixture(scope="module")
def unbroken():
    return run()


def test_the_seed_decides_everything(unbroken) -> None:
    require_same(run(), unbroken)
    other = run(SETTINGS.model_copy(update={"seed": 1}))
    assert other.frames[-1].energy != unbroken.frames[-1].energy
    kinds = {record.kind for record in unbroken.walkers}
    assert kinds == {"start", "relaxation", "walk"}
    assert {record.stopped for record in unbroken.walkers} == {None, "uncertain"}


@pytest.mark.parametrize("after", [2, 20])
def test_an_exploration_that_is_stopped_again_and_again_ends_like_an_unbroken_one(unbroken, tmp_path, after) -> None:
    stops = 0
    while not (found := run(checkpoints=tmp_path, should_stop=Stopping(after + 5 * stops))).complete:
        stops += 1
        assert stops < 100
    assert stops
    require_same(found, unbroken)
    require_same(run(checkpoints=tmp_path), unbroken)


class _KilledError(Exception):
    pass


def test_one_that_is_killed_between_checkpoints_repeats_what_was_not_stored(unbroken, tmp_path) -> None:
    def killed(entry) -> None:
        if entry["event"] == "exploring" and entry["steps"] > 20:
            raise _KilledError

    rare = SETTINGS.model_copy(update={"checkpoint_interval": 1e9})
    with pytest.raises(_KilledError):
        run(checkpoints=tmp_path, on_progress=killed)
    require_same(run(rare, checkpoints=tmp_path), unbroken)


def test_a_walker_does_not_depend_on_the_walkers_beside_it(unbroken) -> None:
    fewer = run(SETTINGS.model_copy(update={"walks": SETTINGS.walks[:1], "relaxations": None}))
    for name in ("cell, walk 1.2", "cell, strain 1, rattle 1, walk 1.1"):
        first, second = ([f.energy for f in found.frames if f.walker == name] for found in (fewer, unbroken))
        assert first == second
        assert first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": SETTINGS.model_copy(update={"seed": 7})}, "is a checkpoint of other structures, other settings"),
        ({"start": START}, "is a checkpoint of other structures"),
        ({"cost": 0.5}, "an exploration with another model"),
    ],
)
def test_checkpoints_of_something_else_are_refused(tmp_path, changes, message) -> None:
    start = replace(AWAY, oxidation_states=lattice(4, (3, 2, 2, 3)).oxidation_states)
    run(start=start, checkpoints=tmp_path, should_stop=Stopping(5))
    with pytest.raises(InputError, match=message):
        run(**{"start": start, **changes}, checkpoints=tmp_path)
