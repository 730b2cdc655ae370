"""A daemon that is killed inside a step leaves children behind; the step that is run again takes them."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine import Process
from aiida.engine.persistence import AiiDAPersister
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from plumpy import ProcessState
from plumpy.persistence import LoadSaveContext

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.workchains.train import TrainWorkChain


@pytest.fixture
def submitted(monkeypatch):
    """Children as AiiDA makes them, without a daemon that runs them."""
    made = []

    def submit(self, process, _=None, **inputs):
        node = orm.WorkChainNode(process_type=process.build_process_type())
        label = inputs["metadata"]["call_link_label"]
        node.base.links.add_incoming(self.node, link_type=LinkType.CALL_WORK, link_label=label)
        node.store()
        node.set_checkpoint("where it begins")
        made.append(node)
        return node

    monkeypatch.setattr(Process, "submit", submit)
    return made


@pytest.fixture
def killed_in_its_step(aiida_profile, aiida_code_installed, make_frame):
    """Return a function that brings a training to its step, as its last checkpoint remembers it."""
    inputs = {
        "job": {
            "code": aiida_code_installed(label="runner", filepath_executable="/bin/true"),
            "dataset": DatasetData.from_frames([make_frame(step, (2, 3)) for step in range(4)]),
            "settings": orm.Dict({"seeds": [1, 2, 3]}),
        },
        "members_per_job": orm.Int(1),
    }
    process = instantiate_process(get_manager().get_runner(), TrainWorkChain, **inputs)
    persister, pid = AiiDAPersister(), process.pid

    def load():
        nonlocal process
        process.close()
        context = LoadSaveContext(runner=get_manager().get_runner())
        process = persister.load_checkpoint(pid).unbundle(context)
        return process

    persister.save_checkpoint(process)
    load.remember = lambda: persister.save_checkpoint(process)
    return load


def test_a_step_that_is_run_again_submits_what_is_missing(killed_in_its_step, submitted):
    killed_in_its_step().run_jobs()
    first = [node.pk for node in submitted]
    assert len(first) == 3
    again = killed_in_its_step()
    running = again.run_jobs()
    assert [node.pk for node in running.values()] == first
    assert len(submitted) == 3
    said = " ".join(entry.message for entry in orm.Log.collection.get_logs_for(again.node))
    assert f"<{first[0]}> was submitted before the daemon stopped" in said


def test_a_step_cut_off_between_two_children_submits_the_others(killed_in_its_step, submitted, monkeypatch):
    process, whole = killed_in_its_step(), Process.submit

    def cut_off(self, process, inputs=None, **kwargs):
        if len(submitted) == 1:
            raise KeyboardInterrupt
        return whole(self, process, inputs, **kwargs)

    monkeypatch.setattr(Process, "submit", cut_off)
    with pytest.raises(KeyboardInterrupt):
        process.run_jobs()
    monkeypatch.setattr(Process, "submit", whole)
    running = killed_in_its_step().run_jobs()
    assert [node.pk for node in running.values()] == [node.pk for node in submitted]
    assert len(submitted) == 3


def test_a_child_that_was_never_whole_is_submitted_again(killed_in_its_step, submitted):
    killed_in_its_step().run_jobs()
    submitted[1].delete_checkpoint()
    submitted[2].delete_checkpoint()
    submitted[2].set_process_state(ProcessState.FINISHED)
    running = list(killed_in_its_step().run_jobs().values())
    assert [running[0].pk, running[2].pk] == [submitted[0].pk, submitted[2].pk]
    assert running[1].pk == submitted[3].pk


def test_a_child_that_is_remembered_is_none_that_was_left_over(killed_in_its_step, submitted):
    killed_in_its_step().run_jobs()
    killed_in_its_step.remember()
    killed_in_its_step().run_jobs()
    assert len(submitted) == 6
