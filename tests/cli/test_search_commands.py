"""``launch search``: what is refused before anything is submitted, and what becomes of the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily
from click.testing import CliRunner

from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.search_config import SearchRunConfig
from aiida_redoxmlp.cli.search_inputs import search_builder
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import ConfigurationError, InputError

EXAMPLES = Path(__file__).parents[2] / "examples"
STRUCTURE = EXAMPLES / "structures" / "beta-Li0.5MnPO4.cif"

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


@pytest.fixture
def cluster(pseudo_family, aiida_code_installed, aiida_computer, tmp_path):
    """What the examples name: a family with cutoffs, codes on a cluster, a model."""
    family = CutoffsPseudoPotentialFamily(label="SSSP/1.3/PBEsol/efficiency").store()
    family.add_nodes(list(pseudo_family.nodes))
    cutoffs = {element: {"cutoff_wfc": 50.0, "cutoff_rho": 400.0} for element in family.elements}
    family.set_cutoffs(cutoffs, "normal", unit="Ry")
    for label, plugin in (("redoxmlp", None), ("pw", "quantumespresso.pw")):
        computer = aiida_computer(
            label="cluster-gpu" if label == "redoxmlp" else "cluster-cpu", scheduler_type="core.slurm"
        )
        aiida_code_installed(
            label=label, default_calc_job_plugin=plugin, computer=computer, filepath_executable="/bin/true"
        )
    folder = tmp_path / "made-up"
    folder.mkdir()
    content = {"engine": "mace", "encoding": {"name": "species", "stand_ins": {"Mn2+": 25}}, "members": [1, 2]}
    (folder / "model.json").write_text(json.dumps(content))
    model = ModelData.from_folder(folder)
    model.label = "my-model"
    model.store()


@pytest.mark.parametrize(
    ("name", "n_atoms", "strategy"),
    [("limnpo4", 112, "surrogate"), ("linio2", 48, "exhaustive"), ("nmc811", 120, "evolution")],
)
def test_the_examples_can_be_launched(cluster, name, n_atoms, strategy):
    path = EXAMPLES / f"search-{name}.yaml"
    answer = CliRunner().invoke(root, ["launch", "search", "--config", str(path), "--dry-run"])
    assert answer.exit_code == 0, answer.output
    builder = search_builder(load_config(path, SearchRunConfig))
    assert len(builder.structure.sites) == n_atoms
    assert builder.search.job.settings["strategy"]["name"] == strategy
    assert builder.check.pw.pw.parameters["SYSTEM"]["ecutwfc"] == 50.0


def test_a_supercell_repeats_the_structure_and_the_lattice(config):
    builder = search_builder(config(supercell="2x1x1", lattice=str(STRUCTURE)))
    assert len(builder.structure.sites) == len(builder.lattice.sites) == 26
    assert len(builder.structure.hubbard.parameters) == 4


@pytest.mark.parametrize("given", ["2x2", [2, 2, 1], "0x1x1", 4])
def test_a_supercell_that_is_none_is_one_sentence(config, given):
    with pytest.raises(ConfigurationError, match="is not understood; write three numbers from 1 on, such as 2x2x1"):
        config(supercell=given)


def test_dry_run_submits_nothing(config, tmp_path):
    config()
    answer = CliRunner().invoke(root, ["launch", "search", "--config", str(tmp_path / "search.yaml"), "--dry-run"])
    assert answer.exit_code == 0, answer.output
    assert "nothing was submitted" in answer.output
