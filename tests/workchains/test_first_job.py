"""Waiting for the first job of a process."""

from __future__ import annotations

import asyncio

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.common.datastructures import CalcJobState
from plumpy import ProcessState

from aiida_redoxmlp.workchains.first_job import first_job_submitted


@pytest.fixture
def label(aiida_profile, aiida_localhost):
    """A process with a job that is uploaded, and the job."""
    process = orm.WorkChainNode().store()
    base, job = orm.WorkChainNode(), orm.CalcJobNode(computer=aiida_localhost)
    base.base.links.add_incoming(process, link_type=LinkType.CALL_WORK, link_label="pw_1")
    base.store()
    job.base.links.add_incoming(base, link_type=LinkType.CALL_CALC, link_label="iteration_01")
    job.store()
    job.set_state(CalcJobState.UPLOADING)
    return process, job


def waited(process, patience):
    return asyncio.run(first_job_submitted(process, patience, interval=0.01))


def test_it_waits_until_the_job_is_submitted_but_not_for_ever(label):
    process, job = label
    assert not waited(process, 0.05)
    job.set_state(CalcJobState.WITHSCHEDULER)
    assert waited(process, 60)


def test_it_does_not_wait_for_what_has_ended(label):
    process, _ = label
    process.set_process_state(ProcessState.FINISHED)
    assert waited(process, 60)
