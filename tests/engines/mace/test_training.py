from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mace")

import safetensors
import torch

from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.mace.checkpoint import Progress, read_checkpoint, write_checkpoint
from aiida_redoxmlp.engines.mace.engine import MaceEngine
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError, ModelIntegrityError, TrainingDivergedError
from aiida_redoxmlp.testing import toy_frames

TINY = {"r_max": 3.0, "num_channels": 2, "max_L": 0, "radial_mlp": [4], "num_radial_basis": 3, "readout_width": 2}
SETTINGS = TrainingSettings(seeds=(7,), max_epochs=2, device="cpu", architecture=TINY)


@pytest.mark.engine
def test_label_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    frames = toy_frames(3)
    broken = replace(frames[0], forces=np.full((4, 3), np.nan))
    with pytest.raises(TrainingDivergedError, match=r"member 0 \(seed 7\) diverged in epoch 1.*learning_rate"):
        MaceEngine().train([broken, frames[1]], frames[2:], SETTINGS, checkpoint_folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.engine
def test_patience_ends_a_training_that_no_longer_improves_and_keeps_the_best(tmp_path: Path) -> None:
    frames = toy_frames(3)
    # Labels of opposite sign: what is learned from one side can only hurt on the other.
    against = [replace(frames[2], forces=-3 * frames[2].forces, configuration=frames[0].configuration)]
    settings = SETTINGS.model_copy(update={"max_epochs": 60, "patience": 3, "learning_rate": 0.05, "batch_size": 1})
    result = MaceEngine().train(frames[:2], against, settings, checkpoint_folder=tmp_path)
    assert len(result.history) < 60
    losses = [entry["loss_validation"] for entry in result.history]
    assert result.best_epochs == [1 + int(np.argmin(losses))]
    assert len(losses) == result.best_epochs[0] + 3
    (evaluation,) = result.potential.evaluate([against[0].configuration])
    error = np.abs(evaluation.mean_forces - against[0].forces).mean()
    assert error == pytest.approx(result.history[result.best_epochs[0] - 1]["force_mae_ev_per_angstrom"])


@pytest.mark.engine
def test_training_leaves_the_random_state_and_the_types_of_its_caller(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    MaceEngine().train(toy_frames(1), toy_frames(1, seed=1), SETTINGS, checkpoint_folder=tmp_path)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_default_dtype() is torch.float32
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.engine
def test_model_folder_holds_weights_and_json_only(tmp_path: Path) -> None:
    result = MaceEngine().train(toy_frames(1), toy_frames(1, seed=1), SETTINGS, checkpoint_folder=tmp_path / "c")
    result.potential.save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["member_0.safetensors", "model.json"]
    assert {path.suffix for path in (tmp_path / "c").iterdir()} == {".safetensors"}
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    assert description["members"][0]["seed"] == 7
    assert description["encoding"]["stand_ins"] == {"Mn2+": 25, "Mn3+": 118, "O2-": 8}
    assert description["training"]["settings"]["max_epochs"] == 2
    with pytest.raises(InputError, match="not empty"):
        result.potential.save(tmp_path / "model")


def test_training_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 and 0 were given"):
        MaceEngine().train(toy_frames(2), [], SETTINGS, checkpoint_folder=tmp_path)


def test_cutoff_without_neighbours_is_refused(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"architecture": {"r_max": 0.5}})
    with pytest.raises(InputError, match=r"r_max = 0\.5"):
        MaceEngine().train(toy_frames(1), toy_frames(1), settings, checkpoint_folder=tmp_path)


@pytest.mark.parametrize(("key", "value"), [("num_chanels", 8), ("r_max", -1.0), ("max_L", "s")])
def test_architecture_that_mace_does_not_have_is_refused(key: str, value: object) -> None:
    with pytest.raises(InputError, match=f"'{key}' of MACE cannot be used.*num_channels"):
        MaceArchitecture.read({key: value})


def test_checkpoint_brings_everything_back(tmp_path: Path) -> None:
    progress = Progress(epoch=5, best_epoch=4, best_loss=0.1 + 0.2, history=[{"epoch": 1, "loss": 1 / 3}])
    tensors = {"a/b": torch.rand(3, 2, dtype=torch.float64), "count": torch.tensor(7.0), "none": torch.empty(0)}
    write_checkpoint(tmp_path / "member.safetensors", "f", progress, tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["member.safetensors"]
    read = read_checkpoint(tmp_path / "member.safetensors", "f")
    assert read is not None
    assert read[0] == progress
    assert all(torch.equal(read[1][name], tensor) for name, tensor in tensors.items())


def test_checkpoint_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "member.safetensors"
    write_checkpoint(path, "f", Progress(), {"a": torch.rand(100)})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ModelIntegrityError, match="delete it to train this member from the start"):
        read_checkpoint(path, "f")
    safetensors.torch.save_file({"a": torch.rand(2)}, path)
    with pytest.raises(ModelIntegrityError):
        read_checkpoint(path, "f")


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "none.safetensors", "f") is None
