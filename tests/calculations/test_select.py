"""The selection as a job: its files, what is refused before it waits, and its outputs."""

from __future__ import annotations

import io

import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory, ParserFactory

from aiida_redoxmlp.active_learning.label_book import LabelBook, LabelRecord
from aiida_redoxmlp.active_learning.records import LoopMemory
from aiida_redoxmlp.calculations.select import SelectCalculation
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.runners.jobs import INPUT_FILE
from aiida_redoxmlp.runners.select_job import SelectedStructure, SelectJob, SelectOutput

RECORD = LabelRecord(name="a", key="k", iteration=0, outcome="failed", wanted=[2, 3])
COUNTS = dict.fromkeys(
    ("n_candidates", "n_known", "n_uncertain_forces", "n_uncertain_electrons", "n_uncertain", "n_too_far"), 1
)


@pytest.fixture
def job_inputs(aiida_profile, aiida_code_installed, demo_atoms, saved_model, chemistry, make_frame):
    def make(**changes):
        return {
            "code": aiida_code_installed(label="runner", filepath_executable="/bin/true"),
            "frames": {"explore": orm.SinglefileData(io.BytesIO(b"frames"), filename="frames.npz")},
            "model": ModelData.from_folder(saved_model),
            "dataset": DatasetData.from_frames([make_frame()]),
            "structures": {"half": orm.StructureData(ase=demo_atoms)},
            "chemistry": orm.Dict(chemistry),
            "settings": orm.Dict({"selection": {"n_labels": 3}}),
            "memory": orm.Dict(LoopMemory(labels=LabelBook(records={"k": RECORD})).model_dump(mode="json")),
            **changes,
        }

    return make


def test_the_job_gets_frames_labels_and_what_was_asked_before(job_inputs):
    process = instantiate_process(get_manager().get_runner(), SelectCalculation, **job_inputs())
    with SandboxFolder() as folder:
        calc_info = process.prepare_for_submission(folder)
        names = set(folder.get_content_list())
        with folder.open(INPUT_FILE) as handle:
            job = SelectJob.model_validate_json(handle.read())
    assert {"frames_explore.npz", "dataset.npz", "structure_half.json", "model"} <= names
    assert job.labels.keys == {"k"}
    assert (job.frames, job.settings.selection.n_labels) == (["frames_explore.npz"], 3)
    assert calc_info.codes_info[0].cmdline_params == ["select"]
    assert CalculationFactory("redoxmlp.select") is SelectCalculation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"selection": {"band": {"floor": 1, "ceiling": 0.5}}}}, "holds no candidate"),
        ({"chemistry": {"fixed_states": {"Xx": 1}}}, "Xx"),
        ({"memory": {"status": "lost"}}, "status"),
    ],
)
def test_what_cannot_be_selected_is_refused_before_a_job_waits_for_it(job_inputs, changes, message):
    ports = SelectCalculation.spec().inputs
    assert message in str(
        ports.validate(ports.pre_process(job_inputs(**{name: orm.Dict(content) for name, content in changes.items()})))
    )


def test_requests_become_structures_and_the_report_has_no_geometries(make_calculation, demo_atoms):
    one = SelectedStructure(
        name="LiMn2O8P2 (2,3) k",
        key="k",
        structure="half",
        origin="half, walk 1.1 step 20",
        wanted=[2, 3],
        reason="force spread 0.2 eV/Å",
        numbers=demo_atoms.numbers.tolist(),
        positions=demo_atoms.positions.tolist(),
        cell=demo_atoms.cell.tolist(),
    )
    output = SelectOutput(
        strategy="redox_aware",
        n_explored=1,
        requests=[one],
        counts=COUNTS,
        force_spreads_ev_per_angstrom=[0.2],
        doubts=[0.1],
        factors={},
        wall_time_s=1.0,
        device="cpu",
    )
    files = {"output.json": output.model_dump_json(), "stderr.txt": ""}
    node = make_calculation("redoxmlp.select", files)
    outputs, parsed = ParserFactory("redoxmlp.select").parse_from_node(node, store_provenance=False)
    assert parsed.exit_status == 0
    assert outputs["report"]["requests"][0]["wanted"] == [2, 3]
    assert "positions" not in outputs["report"]["requests"][0]
    request = outputs["structures"]["request_0"] if "structures" in outputs else outputs["structures.request_0"]
    assert (request.get_ase().positions == demo_atoms.positions).all()


def test_input_that_the_job_refused_is_told(make_calculation):
    node = make_calculation("redoxmlp.select", {"stderr.txt": "Error: The committee has one member.\n"})
    _, parsed = ParserFactory("redoxmlp.select").parse_from_node(node, store_provenance=False)
    assert (parsed.exit_status, "one member" in parsed.exit_message) == (300, True)
