from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory

from aiida_redoxmlp.cli.resources_config import Resources
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.runners.jobs import TrainJob
from aiida_redoxmlp.workchains.train import TrainWorkChain


@pytest.fixture
def inputs(aiida_profile, aiida_code_installed, make_frame):
    return {
        "code": aiida_code_installed(filepath_executable="/bin/true"),
        "dataset": DatasetData.from_frames([make_frame(step) for step in range(4)]),
        "settings": {"seeds": [1, 2], "max_epochs": 3},
    }


def prepare(inputs, folder):
    process = instantiate_process(get_manager().get_runner(), CalculationFactory("redoxmlp.train"), **inputs)
    return process.prepare_for_submission(folder)


def test_job_file_holds_the_typed_settings_and_every_frame(inputs):
    with SandboxFolder() as folder:
        info = prepare(inputs, folder)
        job = TrainJob.model_validate_json(Path(folder.get_abs_path("input.json")).read_text())
        assert job.settings.seeds == (1, 2)
        assert job.settings.max_epochs == 3
        assert len(read_dataset(Path(folder.get_abs_path("dataset.npz")))) == 4
    assert list(info.codes_info[0].cmdline_params) == ["train"]
    assert "model" in info.retrieve_list


def test_misspelt_setting_is_refused_before_submission(inputs):
    inputs["settings"] = {"max_epoch": 3}
    with SandboxFolder() as folder, pytest.raises(ValueError, match="'max_epoch' is not known"):
        prepare(inputs, folder)


@pytest.mark.parametrize("calculation", ["redoxmlp.train", "redoxmlp.evaluate"])
def test_frames_without_forces_are_refused_before_submission(inputs, make_frame, calculation):
    bad = replace(make_frame(5), forces=np.full((13, 3), np.nan))
    inputs["dataset"] = DatasetData.from_frames([make_frame(4), bad])
    if calculation == "redoxmlp.evaluate":
        inputs = {key: inputs[key] for key in ("code", "dataset")} | {"model": ModelData()}
    with pytest.raises(ValueError, match="1 of 2 frames without usable forces, such as step 5 of run"):
        instantiate_process(get_manager().get_runner(), CalculationFactory(calculation), **inputs)


def test_repeated_seeds_are_refused(inputs):
    inputs["settings"] = orm.Dict({"seeds": [1, 1]})
    with SandboxFolder() as folder, pytest.raises(ValueError, match="repeat"):
        prepare(inputs, folder)


def test_a_job_that_goes_on_takes_the_checkpoints_and_nothing_else(inputs, aiida_localhost):
    with SandboxFolder() as folder:
        assert not prepare(inputs, folder).remote_copy_list
        assert Path(folder.get_abs_path("checkpoints")).is_dir()
    inputs["parent_folder"] = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/before")
    with SandboxFolder() as folder:
        info = prepare(inputs, folder)
        assert not Path(folder.get_abs_path("checkpoints")).exists()
    assert info.remote_copy_list == [(aiida_localhost.uuid, "/scratch/before/checkpoints", "checkpoints")]
    assert not info.remote_symlink_list


def test_checkpoints_on_another_computer_are_refused(inputs, aiida_computer):
    elsewhere = aiida_computer(label="other-cluster", hostname="other-cluster")
    inputs["parent_folder"] = orm.RemoteData(computer=elsewhere, remote_path="/scratch/before")
    with SandboxFolder() as folder, pytest.raises(ValueError, match="on other-cluster, but the code runs on localhost"):
        prepare(inputs, folder)


def test_the_job_runs_in_a_container_with_a_gpu(inputs, aiida_computer, tmp_path, monkeypatch):
    computer = aiida_computer(label="cluster", scheduler_type="core.slurm", transport_type="core.local")
    computer.configure()
    inputs["code"] = orm.ContainerizedCode(
        label="redoxmlp-container",
        computer=computer,
        image_name="redoxmlp.sif",
        filepath_executable="/opt/redoxmlp/bin/redoxmlp-run",
        engine_command="apptainer exec --nv --bind $PWD:$PWD {image_name}",
    ).store()
    resources = Resources(partition="gpu", gpus=1, gpu_type="h100", memory_gb=32, walltime_s=3600, account="mine")
    builder = TrainWorkChain.get_builder_from_protocol(
        inputs["code"], inputs["dataset"], protocol="fast", options=resources.options()
    )
    inputs = builder.job._inputs(prune=True)
    inputs["metadata"].update(dry_run=True, store_provenance=False)
    monkeypatch.chdir(tmp_path)
    run_get_node(CalculationFactory("redoxmlp.train"), **inputs)
    (script,) = tmp_path.glob("submit_test/*/_aiidasubmit.sh")
    lines = script.read_text().splitlines()
    for wanted in ("--gres=gpu:h100:1", "--partition=gpu", "--account=mine", "--mem=32768", "--time=01:00:00"):
        assert f"#SBATCH {wanted}" in lines
    (run,) = [line for line in lines if "redoxmlp-run" in line]
    assert "apptainer" in run
    assert "'--nv'" in run
    assert "'redoxmlp.sif'" in run
    assert "'/opt/redoxmlp/bin/redoxmlp-run' 'train'" in run


@pytest.fixture
def stored_model(aiida_profile, tmp_path):
    """A model node as a training writes it; the weights are made up."""

    def make(species=("Mn2+", "Li+", "P5+", "O2-"), engine="mace"):
        folder = tmp_path / f"{engine}-{len(species)}"
        folder.mkdir()
        encoding = {"name": "species", "stand_ins": dict.fromkeys(species, 1)}
        (folder / "model.json").write_text(json.dumps({"engine": engine, "encoding": encoding, "members": [{}]}))
        (folder / "member_0.safetensors").write_bytes(b"weights")
        return ModelData.from_folder(folder)

    return make


def test_stored_foundation_and_replayed_frames_are_written_to_the_jobs_folder(inputs, make_frame, stored_model):
    inputs["settings"] = {"fine_tuning": {"mode": "replay"}}
    inputs["foundation"] = stored_model()
    inputs["replay"] = DatasetData.from_frames([make_frame(9)])
    with SandboxFolder() as folder:
        prepare(inputs, folder)
        job = TrainJob.model_validate_json(Path(folder.get_abs_path("input.json")).read_text())
        assert sorted(path.name for path in Path(folder.get_abs_path(job.foundation)).iterdir()) == [
            "member_0.safetensors",
            "model.json",
        ]
        assert [frame.step for frame in read_dataset(Path(folder.get_abs_path(job.replay)))] == [9]


def test_trusted_file_of_another_program_is_written_to_the_jobs_folder(inputs):
    inputs["settings"] = {"fine_tuning": {"trust_pickle": True}}
    inputs["foundation"] = orm.SinglefileData(io.BytesIO(b"pickle"), filename="mace.model")
    with SandboxFolder() as folder:
        prepare(inputs, folder)
        job = TrainJob.model_validate_json(Path(folder.get_abs_path("input.json")).read_text())
        assert Path(folder.get_abs_path(job.foundation)).read_bytes() == b"pickle"
        assert job.replay is None


@pytest.mark.parametrize(
    ("settings", "foundation", "message"),
    [
        ({}, "stored", "the settings have no fine_tuning"),
        ({"fine_tuning": {}}, None, "no foundation model is given"),
        ({"fine_tuning": {}}, "file", "trust_pickle"),
        ({"fine_tuning": {"foundation_name": "small", "trust_pickle": True}}, "stored", "'small' as well"),
        ({"fine_tuning": {"mode": "replay"}}, "stored", "needs a replay dataset"),
        ({"fine_tuning": {}}, "dataset", "The foundation is a dataset"),
        ({"fine_tuning": {}}, "iron", "does not know Mn; it knows Fe, Li, O, P"),
        ({"fine_tuning": {}}, "deepmd", "of the engine 'deepmd', but the training's is 'mace'"),
    ],
)
def test_what_cannot_be_started_from_is_refused_before_submission(inputs, stored_model, settings, foundation, message):
    inputs["settings"] = settings
    given = {
        "stored": stored_model,
        "file": lambda: orm.SinglefileData(io.BytesIO(b"pickle"), filename="mace.model"),
        "dataset": lambda: inputs["dataset"],
        "iron": lambda: stored_model(("Fe2+", "Li+", "P5+", "O2-", "Fe3+")),
        "deepmd": lambda: stored_model(engine="deepmd"),
    }
    if foundation is not None:
        inputs["foundation"] = given[foundation]()
    with pytest.raises(ValueError, match=message):
        instantiate_process(get_manager().get_runner(), CalculationFactory("redoxmlp.train"), **inputs)
