"""Foundation models in the YAML files of trainings and campaigns."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aiida_redoxmlp.cli.campaign_config import CampaignConfig
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.inputs import campaign_builder
from aiida_redoxmlp.cli.train_config import TrainRunConfig
from aiida_redoxmlp.cli.train_inputs import train_builder
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.dataset.file import write_dataset
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.testing.toy import toy_frames

EXAMPLES = Path(__file__).parents[2] / "examples"
NAIVE = {"fine_tuning": {"mode": "naive"}}
REPLAY = {"fine_tuning": {"mode": "replay"}}
TRUSTED = {"fine_tuning": {"trust_pickle": True}}


@pytest.fixture
def training(tmp_path, aiida_profile_clean, aiida_code_installed, make_committee):
    """Read a training's file, beside which are frames, a model of this package and one of MACE."""
    aiida_code_installed(label="redoxmlp", filepath_executable="/bin/true")
    write_dataset(tmp_path / "frames.npz", toy_frames(4))
    make_committee().save(tmp_path / "earlier")
    make_committee("embedding").save(tmp_path / "embedding")
    (tmp_path / "mace.model").write_bytes(b"pickle")

    def read(foundation, **settings):
        path = tmp_path / "train.yaml"
        content = {"material": "toy", "dataset": "frames.npz", "protocol": "fast", "foundation": foundation}
        path.write_text(yaml.safe_dump({**content, "settings": settings}), encoding="utf-8")
        return train_builder(load_config(path, TrainRunConfig))

    return read


def test_a_training_starts_from_a_folder_or_a_node(training):
    from_folder = training({"model": "earlier"}, **NAIVE).job.foundation.store()
    assert (from_folder.encoding, from_folder.base.attributes.get("n_members")) == ("species", 2)
    from_folder.label = "an earlier one"
    for named in (from_folder.pk, from_folder.uuid, "an earlier one"):
        assert training({"model": named}, **NAIVE).job.foundation.uuid == from_folder.uuid


def test_a_training_starts_from_a_file_that_is_trusted(training):
    builder = training({"model": "mace.model"}, **TRUSTED)
    assert builder.job.foundation.get_content(mode="rb") == b"pickle"
    assert "replay" not in builder.job


def test_frames_to_replay_are_a_file_or_a_node(training):
    replay = training({"model": "earlier", "replay": "frames.npz"}, **REPLAY).job.replay.store()
    assert replay.n_frames == 4
    assert training({"model": "earlier", "replay": replay.pk}, **REPLAY).job.replay.uuid == replay.uuid


@pytest.mark.parametrize(
    ("foundation", "settings", "told"),
    [
        ({"model": "earlier"}, {}, "the settings have no fine_tuning"),
        ({}, NAIVE, "no foundation model is given"),
        ({"model": "mace.model"}, NAIVE, "trust_pickle"),
        ({"model": "absent.model"}, TRUSTED, "absent.model, which is no file"),
        ({"model": "frames"}, NAIVE, "There is no folder and no node 'frames'"),
        ({"model": "earlier"}, REPLAY, "needs a replay dataset"),
        ({"model": "earlier", "replay": "absent.npz"}, REPLAY, "absent.npz"),
        ({"model": "embedding"}, NAIVE, "embeds oxidation states, and the encoding 'species' does not"),
    ],
)
def test_what_cannot_be_started_from_is_one_sentence(training, foundation, settings, told):
    with pytest.raises(InputError, match=told):
        training(foundation, **settings)


@pytest.fixture
def campaign(tmp_path, pseudo_family, aiida_code_installed):
    """Read a campaign's file with a foundation model that knows the elements given."""
    for label in ("pw", "redoxmlp"):
        aiida_code_installed(label=label, filepath_executable="/bin/true")
    content = yaml.safe_load((EXAMPLES / "demo.yaml").read_text(encoding="utf-8"))
    content["structure"] = str(EXAMPLES / content["structure"])

    def read(encoding, species):
        node = ModelData()
        node.base.attributes.set_many({"engine": "mace", "encoding": encoding, "species": list(species)})
        path = tmp_path / "campaign.yaml"
        training = {**NAIVE, "encoding": encoding}
        changes = {"foundation": {"model": node.store().pk}, "overrides": {"training": training}}
        path.write_text(yaml.safe_dump({**content, **changes}, allow_unicode=True), encoding="utf-8")
        return node, campaign_builder(load_config(path, CampaignConfig))

    return read


def test_both_trainings_of_a_campaign_start_from_it(campaign):
    node, builder = campaign("species", ["Li+", "Mn2+", "Mn3+", "O2-", "P5+"])
    assert builder.train.job.foundation.uuid == builder.baseline.job.foundation.uuid == node.uuid


def test_a_baseline_cannot_start_from_embedded_states(campaign):
    node, builder = campaign("embedding", ["Li+", "Mn2+", "O2-", "P5+"])
    assert builder.train.job.foundation.uuid == node.uuid
    assert "foundation" not in builder.baseline.job
    assert builder.baseline.job.settings.get_dict()["fine_tuning"] is None


def test_a_campaign_is_refused_a_model_that_lacks_an_element(campaign):
    with pytest.raises(InputError, match="does not know P; it knows Li, Mn, O"):
        campaign("species", ["Li+", "Mn2+", "O2-"])
