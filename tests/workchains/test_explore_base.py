"""What is tried when the job of an exploration ends too early, and what its job gets."""

from __future__ import annotations

import json

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from plumpy import ProcessState

from aiida_redoxmlp.active_learning.label_book import LabelBook, LabelRecord
from aiida_redoxmlp.active_learning.records import LoopMemory
from aiida_redoxmlp.calculations.explore import ExploreCalculation
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.runners.explore_job import ExploreJob
from aiida_redoxmlp.runners.jobs import INPUT_FILE
from aiida_redoxmlp.workchains.explore_base import ExploreBaseWorkChain

EXIT = ExploreCalculation.exit_codes
STATES = [2, 3, 5, -2, -2, -2, -2, 5, -2, -2, -2, -2, 1]
WALK = {"stages": [{"n_steps": 100, "temperature": 300.0}]}


@pytest.fixture
def job_inputs(aiida_profile, aiida_code_installed, demo_atoms, saved_model, chemistry):
    def make(**changes):
        structure = orm.StructureData(ase=demo_atoms)
        return {
            "code": aiida_code_installed(label="runner", filepath_executable="/bin/true"),
            "structures": {"half": structure, "free": structure},
            "model": ModelData.from_folder(saved_model),
            "oxidation_states": {"half": orm.List(STATES)},
            "chemistry": orm.Dict(chemistry),
            "settings": orm.Dict({"walks": [WALK]}),
            **changes,
        }

    return make


@pytest.fixture
def process(job_inputs):
    inputs = {"job": job_inputs(), "max_iterations": orm.Int(4)}
    made = instantiate_process(get_manager().get_runner(), ExploreBaseWorkChain, **inputs)
    made.setup()
    return made


@pytest.fixture
def stopped(make_calculation, aiida_localhost):
    def make(process, exit_code, *entries):
        process.ctx.iteration += 1
        progress = "".join(json.dumps(entry) + "\n" for entry in entries)
        node = make_calculation("redoxmlp.explore", {"progress.jsonl": progress} if progress else {})
        folder = orm.RemoteData(computer=aiida_localhost, remote_path=f"/scratch/{node.pk}")
        folder.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="remote_folder")
        folder.store()
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(exit_code.status)
        node.set_exit_message(exit_code.format(reason="a reason", reached="after 9 of 100 steps").message)
        return node

    return make


def test_a_stopped_job_goes_on_from_its_checkpoints_unless_two_store_nothing(process, stopped):
    job = stopped(process, EXIT.ERROR_OUT_OF_WALLTIME, {"event": "exploring", "steps": 9, "of": 100})
    assert process.handle_stop(job).exit_code.status == 0
    assert process.ctx.inputs.parent_folder.uuid == job.outputs.remote_folder.uuid
    (entry,) = orm.Log.collection.get_logs_for(process.node)
    assert entry.message.endswith("Exploration goes on from its checkpoints (restart 1 of at most 3).")
    assert process.handle_stop(stopped(process, EXIT.ERROR_KILLED, {"event": "started"})).exit_code.status == 0
    ended = process.handle_stop(stopped(process, EXIT.ERROR_KILLED))
    assert ended.exit_code.status == ExploreBaseWorkChain.exit_codes.ERROR_NO_PROGRESS.status


def test_memory_that_ran_out_is_asked_for(process, stopped):
    ended = process.handle_stop(stopped(process, EXIT.ERROR_OUT_OF_MEMORY, {"event": "exploring"}))
    assert ended.exit_code.status == ExploreBaseWorkChain.exit_codes.ERROR_UNRECOVERABLE.status
    assert ended.exit_code.message.endswith("Ask for more memory, or for fewer walkers.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"walks": []}}, "nothing is to be explored"),
        ({"settings": {"walks": [WALK], "limits": {"closest": 2}}}, "closest"),
        ({"chemistry": {"total_charge": 9}}, "the nearest they reach is|cannot have the states given"),
        ({"oxidation_states": {"half": [2, 3]}}, "2 oxidation states for 13 atoms"),
        ({"oxidation_states": {"other": STATES}}, "given for 'other', but the structures are free, half"),
    ],
)
def test_what_cannot_be_explored_is_refused_before_a_job_waits_for_it(job_inputs, changes, message):
    ports = ExploreCalculation.spec().inputs
    states = {name: orm.List(one) for name, one in changes.get("oxidation_states", {}).items()}
    given = {name: orm.Dict(one) for name, one in changes.items() if name != "oxidation_states"}
    refused = ports.validate(ports.pre_process(job_inputs(**given, **({"oxidation_states": states} if states else {}))))
    assert any(part in str(refused) for part in message.split("|"))


def test_a_job_that_selects_as_well_gets_what_is_labelled_and_what_was_asked(job_inputs, make_frame):
    asked = LabelRecord(name="a", key="k", iteration=0, outcome="failed", wanted=[2, 3])
    selection = {
        "settings": orm.Dict({"selection": {"n_labels": 3}}),
        "memory": orm.Dict(LoopMemory(labels=LabelBook(records={"k": asked})).model_dump(mode="json")),
        "dataset": DatasetData.from_frames([make_frame()]),
    }
    process = instantiate_process(get_manager().get_runner(), ExploreCalculation, **job_inputs(selection=selection))
    with SandboxFolder() as folder:
        calc_info = process.prepare_for_submission(folder)
        names = set(folder.get_content_list())
        with folder.open(INPUT_FILE) as handle:
            job = ExploreJob.model_validate_json(handle.read())
    assert "dataset.npz" in names
    assert "selection.json" in calc_info.retrieve_list
    assert (job.selection.frames, job.selection.dataset) == (["frames.npz"], "dataset.npz")
    assert (job.selection.settings.selection.n_labels, job.selection.labels.keys) == (3, {"k"})
    assert set(job.selection.structures.values()) <= names


def test_a_selection_that_the_committee_cannot_make_is_refused(job_inputs, monkeypatch):
    monkeypatch.setattr(ModelData, "encoding", "none")
    ports = ExploreCalculation.spec().inputs
    inputs = job_inputs(selection={"settings": orm.Dict({"selection": {"strategy": "redox_aware"}})})
    assert "needs a potential that tells oxidation states apart" in str(ports.validate(ports.pre_process(inputs)))


def test_the_job_gets_its_files_and_the_checkpoints_of_the_one_before(job_inputs, aiida_localhost):
    before = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/before")
    inputs = job_inputs(parent_folder=before)
    process = instantiate_process(get_manager().get_runner(), ExploreCalculation, **inputs)
    with SandboxFolder() as folder:
        calc_info = process.prepare_for_submission(folder)
        names = set(folder.get_content_list())
        with folder.open(INPUT_FILE) as handle:
            job = ExploreJob.model_validate_json(handle.read())
        states = {}
        for name, one in job.structures.items():
            with folder.open(one.file) as handle:
                states[name] = json.load(handle)["oxidation_states"]
    assert {INPUT_FILE, "structure_half.json", "structure_free.json", "model"} <= names
    assert {name: one.states_known for name, one in job.structures.items()} == {"free": False, "half": True}
    assert states == {"half": STATES, "free": [0, 0, *STATES[2:]]}
    assert "frames.npz" in calc_info.retrieve_list
    ((computer, source, target),) = calc_info.remote_copy_list
    assert (computer, source, target) == (aiida_localhost.uuid, "/scratch/before/checkpoints", "checkpoints")
