"""How the state of a process is told: a line for what starts, pauses and ends, and no second look at what is over."""

from __future__ import annotations

import io

import pytest
from aiida import orm
from aiida.common import LinkType
from plumpy import ProcessState
from rich.console import Console

from aiida_redoxmlp.cli import watch as watching
from aiida_redoxmlp.cli.watch import describe, watch
from aiida_redoxmlp.provenance.process_tree import walk
from tests.report.process_draft import ProcessDraft, end


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


def test_every_start_and_end_is_one_line_and_what_is_over_is_left_out(aiida_profile, monkeypatch):
    draft = ProcessDraft()
    root = draft.process(orm.WorkChainNode, "CampaignWorkChain", None, "", {})
    label = draft.process(orm.WorkChainNode, "LabelWorkChain", root, "relax_0", {})
    job = draft.process(orm.CalcJobNode, "RedoxPwCalculation", label, "iteration_01", {}, "redoxmlp.pw")
    looked_at = []

    def spied(node, **options):
        for depth, name, called in walk(node, **options):
            looked_at.append(name)
            yield depth, name, called

    events = iter([lambda: None, lambda: (end(job), end(label, 300, "pw.x failed")), lambda: None, lambda: end(root)])
    monkeypatch.setattr(watching, "walk", spied)
    monkeypatch.setattr(watching.time, "sleep", lambda _: next(events)())
    console = Console(width=200, record=True)
    watch(root, console)

    told = [line.partition(" s  ")[2].strip() for line in console.export_text().splitlines()]
    assert [line.rpartition(">")[2].strip() for line in told] == [
        "running",
        "running",
        "failed (300: pw.x failed)",
        "done",
        "done",
    ]
    assert looked_at == ["relax_0", "iteration_01"] * 3  # twice while they ran, and once when they were over
