"""``status`` of a search: how far it is while its job runs, and after jobs that were stopped."""

from __future__ import annotations

import json

import pytest
from aiida import orm
from aiida.common import LinkType
from click.testing import CliRunner
from plumpy import ProcessState

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.searching import search_table
from aiida_redoxmlp.runners.search_progress import SearchProgress

STARTED = {"event": "started", "strategy": "evolution", "patterns": 12870, "distinct": 450}
RELAXED = {"event": "relaxed", "done": 8, "of": 20}
RELAXING = {"event": "relaxing", "step": 7, "active": 8, "max_force_ev_per_angstrom": 0.3}


def searching(evaluations, *, run=1, budget=2000):
    return {
        "event": "searching",
        "strategy": "evolution",
        "run": run,
        "of": 4,
        "evaluations": evaluations,
        "budget": budget,
        "lowest_energy_ev": -5430.12346,
    }


def text_of(*entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


@pytest.fixture
def search(aiida_profile_clean, aiida_localhost, tmp_path):
    """A search whose first job was stopped and whose second runs in a folder."""
    chain = orm.WorkChainNode()
    chain.set_process_label("SearchWorkChain")
    chain.store()
    base = orm.WorkChainNode()
    base.base.links.add_incoming(chain, link_type=LinkType.CALL_WORK, link_label="search")
    base.store()
    jobs = []
    for number in (1, 2):
        job = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:redoxmlp.search")
        job.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
        job.base.links.add_incoming(base, link_type=LinkType.CALL_CALC, link_label=f"iteration_{number:02d}")
        job.store()
        job.set_process_state(ProcessState.WAITING)
        jobs.append(job)
    stopped, running = jobs
    retrieved = orm.FolderData()
    text = text_of(STARTED, searching(40), searching(120))
    retrieved.base.repository.put_object_from_bytes(text.encode(), "progress.jsonl")
    retrieved.base.links.add_incoming(stopped, link_type=LinkType.CREATE, link_label="retrieved")
    retrieved.store()
    stopped.set_process_state(ProcessState.FINISHED)
    stopped.set_exit_status(400)
    running.set_remote_workdir(str(tmp_path))
    return chain, running, tmp_path / "progress.jsonl"


def row(node):
    return [cell for column in search_table(node).columns for cell in column._cells]


def test_a_job_that_waits_shows_what_the_one_before_reached(search):
    assert row(search[0]) == ["search", "waits", "evolution", "1/4", "120/2000", "-5430.1235", ""]


def test_a_running_search_shows_evaluations_and_then_relaxations(search):
    chain, _, progress = search
    progress.write_text(text_of(STARTED, searching(450, run=2, budget=None)) + '{"event": "sear')
    assert row(chain)[1:] == ["searches", "evolution", "2/4", "450", "-5430.1235", ""]
    progress.write_text(text_of(STARTED, RELAXED))
    assert row(chain)[1:] == ["relaxes", "evolution", "1/4", "120/2000", "-5430.1235", "8/20"]
    progress.write_text(text_of(STARTED, RELAXED, RELAXING))
    assert row(chain)[-1] == "8, step 7"
    answer = CliRunner().invoke(root, ["status", str(chain.pk)])
    assert answer.exit_code == 0, answer.output
    assert "searches" in answer.output
    assert "relaxes" in answer.output


def test_a_search_that_ended_says_how(search):
    chain, running, _ = search
    running.set_process_state(ProcessState.FINISHED)
    running.set_exit_status(430)
    assert row(chain)[1] == "stopped"
    running.set_exit_status(0)
    assert row(chain)[1] == "done"


def test_nothing_searched_is_no_table(aiida_profile):
    assert search_table(orm.WorkChainNode().store()) is None


def test_stages_follow_the_last_event():
    stages = [
        SearchProgress(text_of(*entries)).stage for entries in ((), (STARTED,), (STARTED, searching(4), RELAXING))
    ]
    assert stages == ["waits", "searches", "relaxes"]
    assert SearchProgress(text_of(RELAXED, {"event": "finished"})).stage == "done"
