from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aiida_redoxmlp.cli.campaign_config import CampaignConfig
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.resources_config import Resources
from aiida_redoxmlp.errors import ConfigurationError

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def content():
    return yaml.safe_load((EXAMPLES / "demo.yaml").read_text(encoding="utf-8"))


def write(tmp_path, content):
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", [EXAMPLES / "demo.yaml", EXAMPLES / "demo-slurm.yaml"], ids=lambda path: path.name)
def test_every_example_is_valid(path):
    assert load_config(path, CampaignConfig).structure.exists()


def test_misspelt_key_is_named_with_what_is_allowed(tmp_path, content):
    content["psuedo_family"] = content.pop("pseudo_family")
    with pytest.raises(ConfigurationError) as failure:
        load_config(write(tmp_path, content), CampaignConfig)
    message = str(failure.value)
    assert "campaign.yaml" in message
    assert "'psuedo_family' is not known" in message
    assert "Did you mean 'pseudo_family'?" in message


def test_misspelt_key_of_a_section_is_named_with_its_path(tmp_path, content):
    content["redox"]["total_chrage"] = 0
    with pytest.raises(ConfigurationError, match=r"redox\.total_chrage.*Did you mean 'total_charge'"):
        load_config(write(tmp_path, content), CampaignConfig)


def test_value_that_is_not_allowed_is_told_with_the_alternatives(tmp_path, content):
    content["protocol"] = "fats"
    with pytest.raises(ConfigurationError, match=r"protocol: .*'demo', 'fast', 'balanced' or 'stringent'.*'fats'"):
        load_config(write(tmp_path, content), CampaignConfig)


def test_missing_file_broken_yaml_and_empty_file_are_one_sentence_each(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml", CampaignConfig)
    (tmp_path / "twice.yaml").write_text("protocol: demo\nprotocol: fast\n")
    with pytest.raises(ConfigurationError, match="'protocol' is given twice; give it once"):
        load_config(tmp_path / "twice.yaml", CampaignConfig)
    (tmp_path / "broken.yaml").write_text("a: [1,")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        load_config(tmp_path / "broken.yaml", CampaignConfig)
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ConfigurationError, match="holds no keys"):
        load_config(tmp_path / "empty.yaml", CampaignConfig)


def test_structure_is_found_beside_the_configuration(tmp_path, content):
    assert load_config(write(tmp_path, content), CampaignConfig).structure == tmp_path / content["structure"]


def test_gpus_become_a_gres_request():
    options = Resources(gpus=2, gpu_type="h100", partition="gpu", walltime_s=600, cores_per_process=4).options()
    assert options["custom_scheduler_commands"] == "#SBATCH --gres=gpu:h100:2"
    assert options["queue_name"] == "gpu"
    assert options["max_wallclock_seconds"] == 600
    assert options["resources"]["num_cores_per_mpiproc"] == 4
    assert options["environment_variables"]["OMP_NUM_THREADS"] == "4"


def test_memory_account_and_quality_of_service_are_the_schedulers():
    options = Resources(memory_gb=1.5, account="mine", qos="long").options()
    assert options["max_memory_kb"] == 1536 * 1024
    assert (options["account"], options["qos"]) == ("mine", "long")
    assert "custom_scheduler_commands" not in options


def test_cpus_and_memory_are_what_hyperqueue_counts():
    options = Resources(num_cpus=8, memory_mb=16000, walltime_s=600).options()
    assert options["resources"] == {"num_cpus": 8, "memory_mb": 16000}
    assert options["environment_variables"]["OMP_NUM_THREADS"] == "1"
    assert Resources(num_cpus=2).options()["resources"] == {"num_cpus": 2}


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"num_cpus": 8, "nodes": 2}, "num_cpus is 8 and nodes is given as well; give one or the other"),
        ({"num_cpus": 8, "memory_gb": 2}, "num_cpus is 8 and memory_gb is given as well"),
        ({"memory_mb": 100}, "memory_mb is 100, but num_cpus is not given; give it, or memory_gb"),
        ({"num_cpus": 2, "cores_per_process": 4}, "cores_per_process is 4, but num_cpus is 2; give as many CPUs"),
    ],
)
def test_resources_are_counted_in_one_way(tmp_path, content, resources, said):
    content["resources"] = {"dft": resources}
    with pytest.raises(ConfigurationError, match=f"resources\\.dft: {said}"):
        load_config(write(tmp_path, content), CampaignConfig)


def test_a_gpu_type_without_a_number_is_refused(tmp_path, content):
    content["resources"] = {"training": {"gpu_type": "h100"}}
    with pytest.raises(ConfigurationError, match=r"resources\.training: gpu_type is 'h100', but gpus is 0; give the"):
        load_config(write(tmp_path, content), CampaignConfig)


def test_who_asks_for_a_gpu_insists_on_it_unless_a_device_is_named():
    assert Resources(gpus=1).device_for({"max_epochs": 3}) == {"device": "cuda", "max_epochs": 3}
    assert Resources(gpus=1).device_for({"device": "cpu"}) == {"device": "cpu"}
    assert Resources().device_for({}) == {}


@pytest.mark.parametrize(
    ("protocol", "wish", "computes"),
    [("demo", None, False), ("balanced", None, True), ("demo", True, True), ("balanced", False, False)],
)
def test_u_is_computed_unless_the_protocol_or_the_user_says_otherwise(tmp_path, content, protocol, wish, computes):
    content["protocol"] = protocol
    content["hubbard"]["self_consistent"] = wish
    assert load_config(write(tmp_path, content), CampaignConfig).computes_hubbard is computes
