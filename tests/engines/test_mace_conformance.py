from __future__ import annotations

import pytest

from aiida_redoxmlp.engines.fine_tuning import FineTuning
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


@pytest.mark.engine
class TestMaceFineTunedNaively(EngineConformance):
    settings = SETTINGS.model_copy(update={"max_epochs": 8, "encoding": "embedding", "fine_tuning": FineTuning()})


@pytest.mark.engine
class TestMaceFineTunedWithFrozenLayers(EngineConformance):
    settings = SETTINGS.model_copy(update={"max_epochs": 8, "fine_tuning": FineTuning(mode="frozen")})


# Spins part from small differences in a fine-tuning: the two Mn have to see each other well within the cutoff.
FAR_SIGHTED = SETTINGS.model_copy(
    update={"max_epochs": 8, "architecture": {**SETTINGS.architecture, "r_max": 3.8}},
)


@pytest.mark.engine
class TestMaceFineTunedAtLowRank(EngineConformance):
    settings = FAR_SIGHTED.model_copy(
        update={"encoding": "species+spin", "fine_tuning": FineTuning(mode="low_rank", rank=2)}
    )


@pytest.mark.engine
class TestMaceFineTunedWithReplay(EngineConformance):
    settings = FAR_SIGHTED.model_copy(update={"encoding": "embedding+spin", "fine_tuning": FineTuning(mode="replay")})
