"""Loops that go on from an earlier one, ended or killed."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from plumpy import ProcessState

from aiida_redoxmlp.active_learning.records import LoopState
from aiida_redoxmlp.errors import InputError
from tests.workchains.active_learning.loop_by_hand import KEY, ended_with


def test_a_spent_budget_is_extended_by_going_on(start, learning, submitted):
    process = learning(budget={"iterations": 1})
    state = LoopState.model_validate(process.loop_node.get_dict())
    process.begin_iteration()
    process.judge_answers()
    process.end_iteration()
    process.ctx.ending = None
    assert not process.goes_on()
    process.results()
    assert "The budget is spent: 1 of 1 iterations" in process.outputs["conclusion"]["sentence"]
    assert len(state.iterations) == 0
    previous = ended_with({name: process.outputs[name] for name in ("loop", "dataset", "model")})
    again = start(previous=previous, overrides={"budget": {"iterations": 2}})
    assert again.ctx.number == 1
    assert again.goes_on()
    with pytest.raises(InputError, match="has no output `loop`"):
        start(previous=ended_with({}))


def test_a_killed_loop_goes_on_from_what_its_steps_made(start, killed):
    node, newest = killed
    again = start(previous=node)
    assert (again.ctx.number, list(again.ctx.unanswered)) == (1, [KEY])
    assert again.dataset.uuid == newest.uuid
    assert again.can_explore()  # with the committee of its only training


def test_labels_of_atoms_that_no_structure_has_are_not_asked_again(start, killed, demo_structure):
    empty = HubbardStructureData.from_structure(
        orm.StructureData(ase=demo_structure.get_ase()[[atom.symbol != "Li" for atom in demo_structure.get_ase()]])
    )
    again = start(previous=killed[0], structures={"empty": empty})
    assert again.ctx.unanswered == {}
    again.begin_iteration()
    again.prepare_labels()
    assert {one["structure"] for one in again.ctx.waiting} == {"empty"}


def test_a_loop_that_runs_is_not_gone_on_from(start, killed):
    killed[0].set_process_state(ProcessState.RUNNING)
    with pytest.raises(InputError, match=r"still runs; wait for its end, or stop it with `verdi process kill \d+`"):
        start(previous=killed[0])
