"""``launch search``: what is refused before anything is submitted, and what becomes of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.search_config import SearchRunConfig
from aiida_redoxmlp.cli.search_inputs import search_builder
from aiida_redoxmlp.errors import ConfigurationError, InputError

STRUCTURE = Path(__file__).parents[2] / "examples" / "structures" / "beta-Li0.5MnPO4.cif"

WITH_V = {"u": {"Mn-3d": 4.5}, "v": [{"between": ["Mn-3d", "O-2p"], "value": 0.5, "nearest": True}]}
EXCHANGED = {"allowed": {"Mn": ["Mn2+", "Mn3+"], "Li": ["Li+", "Mn2+"]}, "composition": {"Li": 1}}


@pytest.fixture
def config(tmp_path, pseudo_family, aiida_code_installed, saved_model):
    aiida_code_installed(label="redoxmlp", filepath_executable="/bin/true")
    aiida_code_installed(label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true")

    def write(**changes):
        path = tmp_path / "search.yaml"
        content = {
            "material": "β-Li½MnPO4",
            "structure": str(STRUCTURE),
            "redox": {"allowed_states": {"Mn": [2, 3]}},
            "hubbard": {"u": {"Mn-3d": 4.5}},
            "pseudo_family": "redoxmlp-demo/PBEsol",
            "protocol": "demo",
            "model": "model",
            "codes": {"redoxmlp": "redoxmlp", "pw": "pw"},
            **changes,
        }
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return load_config(path, SearchRunConfig)

    return write


def test_the_file_becomes_a_search_with_its_checks(config):
    builder = search_builder(config(search={"strategy": {"name": "evolution"}, "budget": 300}))
    settings = builder.search.job.settings.get_dict()
    assert (settings["strategy"]["name"], settings["budget"], settings["max_steps"]) == ("evolution", 300, 100)
    assert builder.check.pw.pw.parameters["CONTROL"]["calculation"] == "scf"
    without = search_builder(config(codes={"redoxmlp": "redoxmlp", "pw": None}))
    assert "check" not in without or not without.check.pseudos


def test_lithium_is_searched_with_a_space(config):
    space = {"allowed": {"Mn": ["Mn2+", "Mn3+"], "Li": ["Li+", "X"]}, "composition": {"Li": 1}}
    assert search_builder(config(space=space)).space["composition"] == {"Li": 1}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"search": {"strategy": {"name": "guess"}}}, ConfigurationError, "strategy"),
        ({"search": {"n_relaxd": 3}}, ConfigurationError, "n_relaxd"),
        ({"space": {"allowed": {"Mn": ["Mn3+"]}}}, InputError, "the nearest they reach is"),
        ({"hubbard": WITH_V, "space": EXCHANGED}, InputError, "cannot follow elements that change places"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_it_is_submitted(config, changes, error, says):
    with pytest.raises(error, match=says):
        search_builder(config(**changes))


def test_dry_run_submits_nothing(config, tmp_path):
    config()
    answer = CliRunner().invoke(root, ["launch", "search", "--config", str(tmp_path / "search.yaml"), "--dry-run"])
    assert answer.exit_code == 0, answer.output
    assert "nothing was submitted" in answer.output
