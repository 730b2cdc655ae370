from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mace")

from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.dataset.split import split_tail
from aiida_redoxmlp.engines.fine_tuning import FineTuning
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError, NoGpuError, OutOfMemoryError, TrainingInterruptedError
from aiida_redoxmlp.runners import train
from aiida_redoxmlp.runners.command import EXIT_DIVERGED, EXIT_INTERRUPTED, EXIT_NO_GPU, EXIT_OUT_OF_MEMORY, main
from aiida_redoxmlp.runners.jobs import (
    INPUT_FILE,
    MODEL_FOLDER,
    OUTPUT_FILE,
    PROGRESS_FILE,
    EvaluateJob,
    EvaluateOutput,
    TrainJob,
    TrainOutput,
)
from aiida_redoxmlp.testing import toy_frames

SETTINGS = TrainingSettings(
    seeds=(5, 6),
    max_epochs=3,
    device="cpu",
    architecture={
        "r_max": 3.0,
        "num_channels": 2,
        "max_L": 0,
        "radial_mlp": [4],
        "num_radial_basis": 3,
        "readout_width": 2,
    },
)


def progress(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / PROGRESS_FILE).read_text().splitlines()]


@pytest.mark.engine
def test_training_then_evaluation_through_files_alone(tmp_path: Path) -> None:
    doubtful = [replace(frame, ambiguous=True) for frame in toy_frames(2, seed=3, group="doubtful")]
    frames = (*toy_frames(8), *doubtful)
    write_dataset(tmp_path / "dataset.npz", frames)
    (tmp_path / INPUT_FILE).write_text(TrainJob(settings=SETTINGS, validation_fraction=0.25).model_dump_json())
    assert main(["train", str(tmp_path)]) == 0

    trained = TrainOutput.model_validate_json((tmp_path / OUTPUT_FILE).read_text())
    assert (trained.n_training_frames, trained.n_validation_frames) == (6, 2)
    assert (trained.engine, trained.encoding, trained.seeds) == ("mace", "species", [5, 6])
    assert trained.species == ["Mn2+", "Mn3+", "O2-"]
    assert {"mace-torch", "torch", "aiida-redoxmlp", "python"} <= set(trained.versions)
    epochs = [entry for entry in progress(tmp_path) if "epoch" in entry]
    assert [(entry["member"], entry["epoch"]) for entry in epochs] == [(m, e) for m in (0, 1) for e in (1, 2, 3)]
    assert all(entry["job"] == "train" for entry in epochs)

    _, validation = split_tail(frames[:8], 0.25)
    results = load_potential(tmp_path / MODEL_FOLDER).evaluate([frame.configuration for frame in validation])
    errors = [np.abs(one.mean_forces - frame.forces).mean() for one, frame in zip(results, validation, strict=True)]
    assert trained.force_mae_ev_per_angstrom == pytest.approx(np.mean(errors))

    (tmp_path / INPUT_FILE).write_text(EvaluateJob(allowed_states={"Mn": [2, 3]}).model_dump_json())
    assert main(["evaluate", str(tmp_path)]) == 0
    compared = EvaluateOutput.model_validate_json((tmp_path / OUTPUT_FILE).read_text())
    assert len(compared.frames) == 10
    assert compared.pattern_recovery is not None


@pytest.mark.engine
def test_job_started_again_in_its_folder_goes_on(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset.npz", toy_frames(4))
    (tmp_path / INPUT_FILE).write_text(TrainJob(settings=SETTINGS).model_dump_json())
    train.run(tmp_path)
    weights = (tmp_path / MODEL_FOLDER / "member_1.safetensors").read_bytes()
    (tmp_path / OUTPUT_FILE).unlink()
    (tmp_path / train.CHECKPOINT_FOLDER / "member_1_seed_6.safetensors").unlink()
    (tmp_path / PROGRESS_FILE).unlink()
    train.run(tmp_path)
    assert [entry["member"] for entry in progress(tmp_path) if "epoch" in entry] == [1, 1, 1]
    assert (tmp_path / MODEL_FOLDER / "member_1.safetensors").read_bytes() == weights
    assert (tmp_path / OUTPUT_FILE).is_file()


@pytest.mark.engine
def test_diverged_training_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = list(toy_frames(3))
    frames[0] = replace(frames[0], forces=1e200 * frames[0].forces)
    write_dataset(tmp_path / "dataset.npz", frames)
    (tmp_path / INPUT_FILE).write_text(TrainJob(settings=SETTINGS).model_dump_json())
    assert main(["train", str(tmp_path)]) == EXIT_DIVERGED
    assert capsys.readouterr().err.splitlines()[-1].startswith("Diverged: Committee member 0 (seed 5)")
    assert not (tmp_path / OUTPUT_FILE).exists()


@pytest.mark.engine
def test_job_starts_from_a_stored_model_and_replays(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset.npz", toy_frames(4))
    blind = SETTINGS.model_copy(update={"encoding": "none", "seeds": (5,)})
    (tmp_path / INPUT_FILE).write_text(TrainJob(settings=blind).model_dump_json())
    train.run(tmp_path)
    (tmp_path / MODEL_FOLDER).rename(tmp_path / "foundation")
    (tmp_path / train.CHECKPOINT_FOLDER / "member_0_seed_5.safetensors").unlink()
    write_dataset(tmp_path / "replay.npz", toy_frames(3, seed=8))
    settings = SETTINGS.model_copy(update={"seeds": (5,), "fine_tuning": FineTuning(mode="replay")})
    job = TrainJob(settings=settings, foundation="foundation", replay="replay.npz")
    (tmp_path / INPUT_FILE).write_text(job.model_dump_json())
    train.run(tmp_path)
    trained = TrainOutput.model_validate_json((tmp_path / OUTPUT_FILE).read_text())
    assert (trained.encoding, trained.n_replay_frames) == ("species", 3)
    assert trained.warnings == []
    description = json.loads((tmp_path / MODEL_FOLDER / "model.json").read_text())
    assert description["training"]["settings"]["fine_tuning"]["mode"] == "replay"
    assert len(description["training"]["foundation"]) == 64


@pytest.mark.engine
def test_one_pattern_trains_with_a_warning(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset.npz", toy_frames(6)[::2])
    settings = SETTINGS.model_copy(update={"seeds": (5,), "max_epochs": 1})
    (tmp_path / INPUT_FILE).write_text(TrainJob(settings=settings).model_dump_json())
    train.run(tmp_path)
    (warning,) = TrainOutput.model_validate_json((tmp_path / OUTPUT_FILE).read_text()).warnings
    assert "one redox pattern, (2,3), so which pattern is lowest cannot be learned" in warning


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"foundation": "nowhere"}, "no 'nowhere' to start from"),
        ({"foundation": "dataset.npz"}, "a pickle, and loading it runs the code"),
        ({"replay": "replay.npz"}, "needs|replay dataset is given"),
    ],
)
def test_job_that_contradicts_itself_is_refused_before_anything_is_read(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    write_dataset(tmp_path / "dataset.npz", toy_frames(4))
    settings = SETTINGS.model_copy(update={"fine_tuning": FineTuning()})
    (tmp_path / INPUT_FILE).write_text(
        TrainJob(settings=settings, **{"foundation": "dataset.npz", **changes}).model_dump_json()
        if "replay" not in changes
        else TrainJob(settings=SETTINGS, **changes).model_dump_json()
    )
    with pytest.raises(InputError, match=message):
        train.run(tmp_path)
    assert not (tmp_path / PROGRESS_FILE).exists()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OutOfMemoryError("One frame alone does not fit."), EXIT_OUT_OF_MEMORY, "Out of memory: One frame"),
        (NoGpuError("No GPU here."), EXIT_NO_GPU, "No GPU: No GPU here."),
        (TrainingInterruptedError("SIGTERM stopped it."), EXIT_INTERRUPTED, "Interrupted: SIGTERM"),
    ],
)
def test_every_ending_has_a_code_and_words_of_its_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    words: str,
) -> None:
    def end(_: Path) -> None:
        raise error

    monkeypatch.setattr(train, "run", end)
    assert main(["train", str(tmp_path)]) == code
    assert capsys.readouterr().err.splitlines()[-1].startswith(words)


def test_dataset_without_frames_to_trust_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset.npz", [replace(frame, ambiguous=True) for frame in toy_frames(5)])
    (tmp_path / INPUT_FILE).write_text(TrainJob(settings=SETTINGS).model_dump_json())
    with pytest.raises(InputError, match="5 frames of which 0 can be trusted"):
        train.run(tmp_path)


def test_unknown_engine_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset.npz", toy_frames(4))
    settings = SETTINGS.model_copy(update={"engine": "oracle"})
    (tmp_path / INPUT_FILE).write_text(TrainJob(settings=settings).model_dump_json())
    with pytest.raises(InputError, match="no engine 'oracle'"):
        train.run(tmp_path)
    assert not (tmp_path / PROGRESS_FILE).exists()
