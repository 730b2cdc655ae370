"""The command line as a user meets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from aiida import orm
from click.testing import CliRunner

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.data.model import ModelData

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def invoke():
    def run(*arguments):
        return CliRunner().invoke(root, [str(one) for one in arguments])

    return run


@pytest.fixture
def config(tmp_path):
    content = yaml.safe_load((EXAMPLES / "demo.yaml").read_text(encoding="utf-8"))
    content["structure"] = str(EXAMPLES / content["structure"])

    def write(**changes):
        path = tmp_path / "campaign.yaml"
        path.write_text(yaml.safe_dump({**content, **changes}, allow_unicode=True), encoding="utf-8")
        return path

    return write


@pytest.fixture
def codes(aiida_profile_clean, aiida_code_installed):
    aiida_code_installed(label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true")
    aiida_code_installed(label="redoxmlp", filepath_executable="/bin/true")


def test_every_command_has_help(invoke):
    answer = invoke("--help")
    assert answer.exit_code == 0
    for command in ("launch", "model", "occupations", "query", "report", "setup", "status"):
        assert command in answer.output
        assert invoke(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"redox": {"allowed_states": {"Mn": [2]}}}, "the nearest they reach is"),
        ({"redox": {"allowed_states": {"Mn": [2, 12]}}}, r"Mn"),
        ({"redox": {"allowed_states": {"Xx": [2]}}}, "'Xx' is not a chemical symbol"),
        ({"redox": {"fixed_states": {"Mn": 2}}}, "has no redox site"),
        ({"magnetic_order": [1, 1, -1]}, "does not fit the 2 redox sites"),
        ({"hubbard": {"u": {"Fe-3d": 4.0}}}, "the structure has no Fe"),
        ({"hubbard": {"u": {"Mn": 4.0}}}, "write element and shell"),
        ({"structure": "absent.cif"}, "cannot be read"),
        ({"pseudo_family": "absent"}, "'absent' is not installed"),
        ({"codes": {"pw": "nowhere@localhost"}}, "There is no code 'nowhere@localhost'"),
        ({"overrides": {"trainig": {}}}, "'trainig' of the workflow campaign is not known"),
        ({"protocl": "demo"}, "'protocl' is not known"),
        ({"protocol": "fast"}, "or set hubbard.self_consistent to false"),
        ({"resources": {"training": {"gpus": 1}}}, "has the scheduler core.direct, and only core.slurm is asked for"),
        ({"resources": {"dft": {"partition": "cpu"}}}, "resources.dft.partition is 'cpu', but the computer localhost"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_submitted(invoke, config, codes, changes, told):
    path = config(**changes)
    answer = invoke("launch", "campaign", "--config", path)
    assert answer.exit_code == 2
    assert told in answer.output
    assert "Traceback" not in answer.output
    assert orm.QueryBuilder().append(orm.ProcessNode).count() == 0


def test_the_codes_that_there_are_are_told(invoke, config, codes):
    orm.Int(1).store()
    answer = invoke("launch", "campaign", "--config", config(codes={"pw": "nowhere@localhost"}))
    (known,) = re.findall(r"known are ([^:]*):", answer.output)
    stored = orm.QueryBuilder().append(orm.InstalledCode).all(flat=True)
    assert known.split(", ") == sorted(code.full_label for code in stored)


def test_status_without_campaign_says_how_to_get_one(invoke, aiida_profile_clean):
    answer = invoke("status")
    assert answer.exit_code == 2
    assert "aiida-redoxmlp launch" in answer.output


def test_lineage_of_something_else_is_refused(invoke, aiida_profile_clean):
    node = orm.Int(1).store()
    answer = invoke("query", "lineage", node.pk)
    assert answer.exit_code == 2
    assert "not a model" in answer.output
    assert "There is no node '99999'" in invoke("query", "lineage", "99999").output


def test_lineage_of_a_model_nothing_taught_is_empty(invoke, aiida_profile_clean, tmp_path):
    (tmp_path / "model.json").write_text(
        '{"engine": "mace", "encoding": {"name": "none", "stand_ins": {}}, "members": []}'
    )
    model = ModelData.from_folder(tmp_path).store()
    answer = invoke("query", "lineage", model.uuid, "--json")
    assert answer.exit_code == 0
    assert answer.output.strip() == "[]"


def test_setup_registers_an_executable_once(invoke, aiida_profile_clean, aiida_localhost):
    answer = invoke("setup", "code", "pw", "true", "--computer", aiida_localhost.label)
    assert answer.exit_code == 0, answer.output
    assert orm.load_code(f"pw@{aiida_localhost.label}").default_calc_job_plugin == "quantumespresso.pw"
    again = invoke("setup", "code", "pw", "true", "--computer", aiida_localhost.label)
    assert again.exit_code == 2
    assert "is there already" in again.output


def test_setup_refuses_what_is_not_there(invoke, aiida_profile_clean, aiida_localhost):
    answer = invoke("setup", "code", "pw", "no-such-program", "--computer", aiida_localhost.label)
    assert answer.exit_code == 2
    assert "is not an executable" in answer.output
    assert "no computer 'nowhere'" in invoke("setup", "code", "pw", "true", "--computer", "nowhere").output
