from __future__ import annotations

import pytest

from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.testing import EngineConformance

pytest.importorskip("mace")

SETTINGS = TrainingSettings(
    seeds=(1, 2),
    max_epochs=10,
    batch_size=2,
    learning_rate=0.05,
    device="cpu",
    architecture={
        "r_max": 3.0,
        "num_channels": 4,
        "radial_mlp": (8,),
        "num_radial_basis": 4,
        "readout_width": 4,
        "embedding_width": 4,
    },
)


@pytest.mark.engine
class TestMaceSpecies(EngineConformance):
    settings = SETTINGS


@pytest.mark.engine
class TestMaceEmbedding(EngineConformance):
    settings = SETTINGS.model_copy(update={"encoding": "embedding"})


@pytest.mark.engine
class TestMaceSpeciesAndSpin(EngineConformance):
    settings = SETTINGS.model_copy(update={"encoding": "species+spin"})


@pytest.mark.engine
class TestMaceEmbeddingAndSpin(EngineConformance):
    settings = SETTINGS.model_copy(update={"encoding": "embedding+spin"})


@pytest.mark.engine
class TestMaceBaseline(EngineConformance):
    settings = SETTINGS.model_copy(update={"encoding": "none"})
