"""What is tried when the job of a search ends too early; whole searches through SLURM run in tests/engine_runs."""

from __future__ import annotations

import json

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from plumpy import ProcessState

from aiida_redoxmlp.calculations.search import SearchCalculation
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.runners.jobs import INPUT_FILE
from aiida_redoxmlp.runners.search_job import SearchJob
from aiida_redoxmlp.workchains.search_base import SearchBaseWorkChain

EXIT = SearchCalculation.exit_codes
STATES = [0, 0, 5, -2, -2, -2, -2, 5, -2, -2, -2, -2, 1]
SPACE = {"allowed": {"Mn": ["Mn2+", "Mn3+"]}}


@pytest.fixture
def job_inputs(aiida_profile, aiida_code_installed, demo_atoms, saved_model):
    def make(**changes):
        return {
            "code": aiida_code_installed(label="runner", filepath_executable="/bin/true"),
            "structure": orm.StructureData(ase=demo_atoms),
            "model": ModelData.from_folder(saved_model),
            "oxidation_states": orm.List(STATES),
            "space": orm.Dict(SPACE),
            "settings": orm.Dict({"budget": 50}),
            **changes,
        }

    return make


@pytest.fixture
def process(job_inputs):
    inputs = {"job": job_inputs(), "max_iterations": orm.Int(4)}
    made = instantiate_process(get_manager().get_runner(), SearchBaseWorkChain, **inputs)
    made.setup()
    return made


@pytest.fixture
def stopped(make_calculation, aiida_localhost):
    def make(process, exit_code, *entries):
        process.ctx.iteration += 1
        progress = "".join(json.dumps(entry) + "\n" for entry in entries)
        node = make_calculation("redoxmlp.search", {"progress.jsonl": progress} if progress else {})
        folder = orm.RemoteData(computer=aiida_localhost, remote_path=f"/scratch/{node.pk}")
        folder.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="remote_folder")
        folder.store()
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(exit_code.status)
        node.set_exit_message(exit_code.format(reason="a reason", reached="after 9 evaluations").message)
        return node

    return make


SEARCHING = {"event": "searching", "evaluations": 9}


@pytest.mark.parametrize("label", ["ERROR_OUT_OF_WALLTIME", "ERROR_NODE_FAILURE", "ERROR_KILLED"])
def test_a_stopped_job_goes_on_from_its_checkpoints(process, stopped, label):
    job = stopped(process, EXIT[label], SEARCHING)
    report = process.handle_stop(job)
    assert report.do_break
    assert report.exit_code.status == 0
    assert process.ctx.inputs.parent_folder.uuid == job.outputs.remote_folder.uuid
    (entry,) = orm.Log.collection.get_logs_for(process.node)
    assert entry.message.endswith("Search goes on from its checkpoints (restart 1 of at most 3).")


def test_two_jobs_that_store_nothing_are_enough(process, stopped):
    walltime = EXIT.ERROR_OUT_OF_WALLTIME
    assert process.handle_stop(stopped(process, walltime)).exit_code.status == 0
    assert process.handle_stop(stopped(process, walltime, {"event": "relaxed"})).exit_code.status == 0
    assert process.handle_stop(stopped(process, walltime, {"event": "relaxing"})).exit_code.status == 0
    ended = process.handle_stop(stopped(process, walltime, {"event": "started"}))
    assert ended.exit_code.status == SearchBaseWorkChain.exit_codes.ERROR_NO_PROGRESS.status


def test_memory_that_ran_out_is_asked_for(process, stopped):
    ended = process.handle_stop(stopped(process, EXIT.ERROR_OUT_OF_MEMORY, SEARCHING))
    assert ended.exit_code.status == SearchBaseWorkChain.exit_codes.ERROR_UNRECOVERABLE.status
    assert ended.exit_code.message.endswith("Ask for more memory.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"allowed": {"Mn": ["Mn2+", "Mn3+"]}, "total_charge": 7}}, "the nearest they reach is"),
        ({"space": {"allowed": {"Mn": ["Mn2+"]}, "charge": 0}}, "charge"),
        ({"settings": {"strategy": {"name": "guess"}}}, "strategy"),
        ({"oxidation_states": [0, 0]}, "2 oxidation states for 13 atoms"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_job_waits_for_it(job_inputs, changes, message):
    ports = SearchCalculation.spec().inputs
    refused = ports.validate(
        ports.pre_process(job_inputs(**{key: orm.to_aiida_type(one) for key, one in changes.items()}))
    )
    assert message in str(refused)


def test_the_job_gets_its_files_and_the_checkpoints_of_the_one_before(job_inputs, aiida_localhost, demo_atoms):
    before = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/before")
    inputs = job_inputs(parent_folder=before, lattice=orm.StructureData(ase=demo_atoms))
    process = instantiate_process(get_manager().get_runner(), SearchCalculation, **inputs)
    with SandboxFolder() as folder:
        calc_info = process.prepare_for_submission(folder)
        names = set(folder.get_content_list())
        with folder.open(INPUT_FILE) as handle:
            job = SearchJob.model_validate_json(handle.read())
        with folder.open(job.structure) as handle:
            structure = json.load(handle)
    assert {INPUT_FILE, "structure.json", "lattice.json", "model"} <= names
    assert structure["oxidation_states"] == STATES
    assert (job.settings.budget, job.space.allowed) == (50, SPACE["allowed"])
    ((computer, source, target),) = calc_info.remote_copy_list
    assert (computer, source, target) == (aiida_localhost.uuid, "/scratch/before/checkpoints", "checkpoints")
