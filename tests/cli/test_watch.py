"""How the state of a process is told."""

from __future__ import annotations

import io

import pytest
from aiida import orm
from aiida.common import LinkType
from plumpy import ProcessState
from rich.console import Console

from aiida_redoxmlp.cli.watch import describe, watch


@pytest.fixture
def paused_job(aiida_localhost):
    chain = orm.WorkChainNode().store()
    job = orm.CalcJobNode(computer=aiida_localhost)
    job.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
    job.base.links.add_incoming(chain, link_type=LinkType.CALL_CALC, link_label="iteration_01")
    job.store()
    job.set_process_state(ProcessState.WAITING)
    job.set_process_status("Pausing after failed transport task: submit_calculation failed 5 times consecutively")
    job.pause()
    return job


def test_a_job_that_waits_for_its_cluster_says_so(paused_job):
    assert describe(paused_job).startswith("paused: submit_calculation failed 5 times")


def test_watching_tells_a_pause_once(paused_job):
    chain = paused_job.caller
    chain.set_process_state(ProcessState.FINISHED)
    chain.set_exit_status(0)
    told = io.StringIO()
    watch(chain, Console(file=told, width=200))
    assert told.getvalue().count("paused: submit_calculation failed") == 1
