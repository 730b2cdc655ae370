from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory

from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.runners.jobs import TrainJob


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
