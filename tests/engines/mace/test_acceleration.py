"""cuEquivariance: the same potential by other code. On a CPU its own fallback runs, without NVIDIA's kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("mace")

from aiida_redoxmlp.engines.mace import acceleration
from aiida_redoxmlp.engines.mace.engine import MaceEngine
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.testing import toy_frames

pytestmark = pytest.mark.engine
FRAMES = toy_frames(6)
SMALL = {"r_max": 3.5, "num_channels": 4, "radial_mlp": (8,), "readout_width": 4, "num_radial_basis": 4}


def trained(folder: Path, **changes: object) -> object:
    settings = TrainingSettings.model_validate(
        {"seeds": [1], "max_epochs": 3, "device": "cpu", "architecture": SMALL, **changes}
    )
    return MaceEngine().train(FRAMES[:4], FRAMES[4:], settings, checkpoint_folder=folder)


@pytest.mark.parametrize("encoding", ["species", "embedding+spin"])
def test_training_with_and_without_it_ends_at_the_same_potential(tmp_path: Path, encoding: str) -> None:
    pytest.importorskip("cuequivariance_torch")
    plain = trained(tmp_path / "plain", encoding=encoding)
    other = trained(tmp_path / "cue", encoding=encoding, cuequivariance=True)
    for one, two in zip(plain.history, other.history, strict=True):  # type: ignore[attr-defined]
        assert two["loss_train"] == pytest.approx(one["loss_train"], rel=1e-5)
    here = [frame.configuration for frame in FRAMES]
    for one, two in zip(plain.potential.evaluate(here), other.potential.evaluate(here), strict=True):  # type: ignore[attr-defined]
        np.testing.assert_allclose(two.energies, one.energies, rtol=1e-7)
        np.testing.assert_allclose(two.forces, one.forces, atol=1e-4)
    other.potential.save(tmp_path / "model")  # type: ignore[attr-defined]
    loaded = MaceEngine().load(tmp_path / "model").evaluate(here[:1])[0]
    np.testing.assert_array_equal(loaded.forces, other.potential.evaluate(here[:1])[0].forces)  # type: ignore[attr-defined]


def test_without_the_package_it_is_refused_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceleration, "_PACKAGE", "no_such_package")
    with pytest.raises(InputError, match="cuequivariance-torch is not installed where the job runs"):
        trained(tmp_path, cuequivariance=True)


@pytest.mark.parametrize("mode", ["frozen", "low_rank"])
def test_modes_that_train_some_weights_only_are_refused(mode: str) -> None:
    with pytest.raises(ValidationError, match="cuequivariance trains every weight"):
        TrainingSettings(cuequivariance=True, fine_tuning={"mode": mode})
