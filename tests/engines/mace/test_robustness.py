"""What may happen to a training on its way: little memory, signals, checkpoints that are cut off."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mace")

import torch

from aiida_redoxmlp.engines.mace import training as loop
from aiida_redoxmlp.engines.mace.backend import choose_device, is_out_of_memory
from aiida_redoxmlp.engines.mace.checkpoint import read_checkpoint
from aiida_redoxmlp.engines.mace.engine import MaceEngine
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError, NoGpuError, OutOfMemoryError, TrainingInterruptedError
from aiida_redoxmlp.testing import toy_frames

TINY = {"r_max": 3.0, "num_channels": 2, "max_L": 0, "radial_mlp": [4], "num_radial_basis": 3, "readout_width": 2}
SETTINGS = TrainingSettings(seeds=(7,), max_epochs=3, device="cpu", batch_size=4, architecture=TINY)
FRAMES = toy_frames(10, stress=True)


def trained(folder: Path, settings: TrainingSettings = SETTINGS, **more: Any) -> Any:
    return MaceEngine().train(FRAMES[:8], FRAMES[8:], settings, checkpoint_folder=folder, **more)


def energies(result: Any) -> np.ndarray:
    return np.array([one.energies for one in result.potential.evaluate([frame.configuration for frame in FRAMES])])


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A device on which only some frames fit together; ``limit`` says how many."""
    memory = {"limit": 2, "refusals": 0}
    measure = loop.measure_errors

    def limited(network: Any, labelled: Any, *arguments: Any, **options: Any) -> Any:
        if len(labelled) > memory["limit"]:
            memory["refusals"] += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return measure(network, labelled, *arguments, **options)

    monkeypatch.setattr(loop, "measure_errors", limited)
    return memory


@pytest.mark.engine
def test_training_with_little_memory_takes_the_same_steps_with_fewer_frames_at_once(
    tmp_path: Path, small_memory: dict[str, int]
) -> None:
    events: list[dict[str, Any]] = []
    result = trained(tmp_path / "small", on_event=events.append)
    assert [event["event"] for event in events] == ["out_of_memory"]
    assert (events[0]["frames_at_once"], events[0]["batch_size"]) == (2, 4)
    assert "going on with 2" in events[0]["message"]
    assert small_memory["refusals"] == 1
    small_memory["limit"] = 99
    large = trained(tmp_path / "large")
    np.testing.assert_allclose(energies(result), energies(large), atol=1e-9)
    for one, other in zip(result.history, large.history, strict=True):
        assert one["loss_train"] == pytest.approx(other["loss_train"], rel=1e-9)


@pytest.mark.engine
def test_training_that_goes_on_remembers_what_fits(tmp_path: Path, small_memory: dict[str, int]) -> None:
    def die(entry: dict[str, Any]) -> None:
        if entry["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, on_epoch=die)
    events: list[dict[str, Any]] = []
    result = trained(tmp_path, on_event=events.append)
    assert events == []
    assert small_memory["refusals"] == 1
    assert [entry["epoch"] for entry in result.history] == [1, 2, 3]


@pytest.mark.engine
def test_one_frame_that_does_not_fit_ends_the_training_in_one_sentence(
    tmp_path: Path, small_memory: dict[str, int]
) -> None:
    small_memory["limit"] = 0
    with pytest.raises(OutOfMemoryError, match=r"One frame alone does not fit .*Tried to allocate.* r_max"):
        trained(tmp_path)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("x"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (MemoryError(), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_only_memory_is_taken_for_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


@pytest.mark.engine
def test_frames_at_once_decide_the_memory_and_not_the_course(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    settings = SETTINGS.model_copy(update={"frames_at_once": 3})
    parts = trained(tmp_path / "parts", settings)
    np.testing.assert_allclose(energies(parts), energies(whole), atol=1e-9)
    again = trained(tmp_path / "whole", settings)
    np.testing.assert_array_equal(energies(again), energies(whole))


@pytest.mark.engine
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_stops_the_training_after_a_checkpoint_and_nothing_is_lost(tmp_path: Path, number: int) -> None:
    before = signal.getsignal(number)
    unbroken = trained(tmp_path / "unbroken")

    def send(entry: dict[str, Any]) -> None:
        if entry["epoch"] == 2:
            os.kill(os.getpid(), number)

    with pytest.raises(TrainingInterruptedError, match=r"SIG\w+ stopped .* in epoch 3 of committee member 0 .*epoch 2"):
        trained(tmp_path / "c", on_epoch=send)
    assert signal.getsignal(number) is before
    seen: list[int] = []
    resumed = trained(tmp_path / "c", on_epoch=lambda entry: seen.append(entry["epoch"]))
    assert seen == [3]
    np.testing.assert_array_equal(energies(resumed), energies(unbroken))


@pytest.mark.engine
def test_every_epoch_leaves_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "member_0_seed_7.safetensors"
    sizes = []
    trained(tmp_path, on_epoch=lambda entry: sizes.append((entry["epoch"], path.stat().st_mtime_ns)))
    assert [epoch for epoch, _ in sizes] == [1, 2, 3]
    assert len({when for _, when in sizes}) == 3
    with pytest.raises(InputError, match="other settings or data"):
        read_checkpoint(path, "another training")


@pytest.mark.engine
def test_bootstrap_gives_every_member_a_sample_of_its_own_and_one_description(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"bootstrap": True, "seeds": (7, 8), "max_epochs": 1})
    both = trained(tmp_path / "both", settings)
    alone = trained(tmp_path / "alone", settings.model_copy(update={"seeds": (8,)}))
    plain = trained(tmp_path / "plain", SETTINGS.model_copy(update={"max_epochs": 1}))
    np.testing.assert_array_equal(energies(alone)[:, 0], energies(both)[:, 1])
    for name in ("reference_energies", "scale", "shift", "avg_num_neighbors", "encoding"):
        values = {str(getattr(one.potential.description, name)) for one in (both, alone, plain)}
        assert len(values) == 1, name
    assert both.history[0]["loss_train"] != plain.history[0]["loss_train"]


@pytest.mark.engine
def test_stress_is_learned_where_frames_have_it(tmp_path: Path) -> None:
    some = [replace(one, stress=None) if one.step < 2 else one for one in FRAMES]
    settings = SETTINGS.model_copy(
        update={
            "stress_weight": 100.0,
            "energy_weight": 0.0,
            "force_weight": 0.0,
            "max_epochs": 20,
            "learning_rate": 0.05,
            "batch_size": 2,
            "architecture": {**TINY, "r_max": 4.0, "num_channels": 4, "radial_mlp": [8], "num_radial_basis": 6},
        }
    )
    result = MaceEngine().train(some[:8], FRAMES[8:], settings, checkpoint_folder=tmp_path)
    errors = [entry["stress_mae_ev_per_angstrom3"] for entry in result.history]
    assert min(errors) < 0.5 * errors[0]
    said = result.potential.evaluate([one.configuration for one in FRAMES[8:]], stress=True)
    differences = [np.asarray(one.stresses)[0] - frame.stress for one, frame in zip(said, FRAMES[8:], strict=True)]
    assert np.abs(differences).mean() == pytest.approx(errors[result.best_epochs[0] - 1], rel=1e-9)


def test_stress_that_no_frame_has_is_refused(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"stress_weight": 1.0})
    with pytest.raises(InputError, match="stress_weight is 1, but no training frame has a stress"):
        MaceEngine().train(toy_frames(2), toy_frames(2), settings, checkpoint_folder=tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_gpu_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path) -> None:
    assert choose_device("auto").type == "cpu"
    with pytest.raises(NoGpuError, match=r"device 'cuda' was asked for, but torch .* finds no GPU"):
        MaceEngine().train([], [], SETTINGS.model_copy(update={"device": "cuda"}), checkpoint_folder=tmp_path)
