"""The generated reference has every key, port, exit code and element of the code."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
import yaml
from generated_reference.annotations import type_in_words
from generated_reference.markdown import table
from generated_reference.models import model_keys, model_table, sections_below
from generated_reference.processes import exit_code_table, input_table, outline_text, output_table
from generated_reference.tables import entry_point_table, fixed_state_table, redox_element_table
from pydantic import BaseModel

from aiida_redoxmlp.calculations.train import TrainCalculation
from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.active_learning_config import ActiveLearningRunConfig
from aiida_redoxmlp.cli.campaign_config import CampaignConfig
from aiida_redoxmlp.cli.dynamics_config import DynamicsRunConfig
from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig
from aiida_redoxmlp.cli.search_config import SearchRunConfig
from aiida_redoxmlp.cli.train_config import TrainRunConfig
from aiida_redoxmlp.dynamics.settings import DynamicsSettings, Segment
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.workchains.campaign import CampaignWorkChain
from aiida_redoxmlp.workchains.label import LabelWorkChain

CHECKOUT = Path(__file__).resolve().parents[2]
REFERENCE = CHECKOUT / "docs" / "reference"


def yaml_keys(content, known, parent=""):
    """The dotted keys of a YAML file, as deep as the models go."""
    for key, value in content.items():
        yield f"{parent}{key}"
        if isinstance(value, dict) and any(one.startswith(f"{parent}{key}.") for one in known):
            yield from yaml_keys(value, known, f"{parent}{key}.")


@pytest.mark.parametrize("example", sorted((CHECKOUT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_key_of_the_examples_is_in_the_configuration_tables(example):
    configs = {
        "active-learning": ActiveLearningRunConfig,
        "hubbard": HubbardRunConfig,
        "dynamics": DynamicsRunConfig,
        "search": SearchRunConfig,
        "train": TrainRunConfig,
    }
    stem = example.stem.replace("_", "-")
    config = next((config for name, config in configs.items() if name in stem), CampaignConfig)
    known = model_keys(config)
    tables = {"": model_table(config)}
    for model, keys in sections_below(config).items():
        tables.update(dict.fromkeys(keys, model_table(model)))
    keys = list(yaml_keys(yaml.safe_load(example.read_text(encoding="utf-8")), known))
    assert len(keys) > 10
    for key in keys:
        section, _, name = key.rpartition(".")
        assert f"| `{name}` |" in tables[section], key


def test_the_configuration_page_shows_every_file_with_its_sections():
    page = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    assert "campaign_config:CampaignConfig\n:nested:" in page
    assert "hubbard_config:HubbardRunConfig\n:nested:" in page
    assert "dynamics_config:DynamicsRunConfig\n:nested:" in page
    assert "train_config:TrainRunConfig\n:nested:" in page
    assert "search_config:SearchRunConfig\n:nested:" in page
    assert "active_learning_config:ActiveLearningRunConfig\n:nested:" in page


def test_the_command_line_page_shows_the_whole_tree():
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    assert "click:: aiida_redoxmlp.cli:root" in page
    assert ":nested: full" in page
    assert len(root.list_commands(click.Context(root))) > 5


def test_inputs_outputs_and_exit_codes_of_the_campaign_are_all_there():
    spec = CampaignWorkChain.spec()
    inputs, outputs, codes = (make(CampaignWorkChain) for make in (input_table, output_table, exit_code_table))
    assert all(f"`{name}" in inputs for name in spec.inputs if name != "metadata")
    assert all(f"`{name}`" in outputs for name in spec.outputs)
    assert all(f"`{label}`" in codes for label, code in spec.exit_codes.items() if code.status >= 200)
    assert "while(relaxations_left)" in outline_text(CampaignWorkChain)


def test_an_exposed_process_is_named_instead_of_repeated():
    assert "| `pw.*` | namespace | yes | Inputs of `RedoxPwBaseWorkChain`. |" in input_table(LabelWorkChain)
    assert "kpoints" not in input_table(LabelWorkChain)


def test_a_job_has_no_outline():
    assert outline_text(TrainCalculation) == ""


def test_every_redox_element_has_a_row():
    rows = redox_element_table().splitlines()[2:]
    assert [row.split(" | ")[0].lstrip("| ") for row in rows] == list(RedoxTable.default().elements)
    assert "| Mn | 3d | 7 | +2, +3, +4, +7 | redox site | 0.88 | 0.02 |" in rows


def test_spectators_are_listed_by_charge():
    assert "| -2 | O |" in fixed_state_table()


def test_every_work_chain_and_calculation_has_its_tables():
    pages = (REFERENCE / "work-chains.md").read_text(encoding="utf-8")
    pages += (REFERENCE / "calculations.md").read_text(encoding="utf-8")
    for row in entry_point_table().splitlines()[2:]:
        group, _, target = (cell.strip(" `") for cell in row.strip("| ").split(" | "))
        if group in {"aiida.workflows", "aiida.calculations"}:
            assert f"{{aiida-process-tables}} {target}" in pages


def test_a_key_without_description_is_told_by_the_docstring():
    rows = {row.split(" | ")[0].strip("| `"): row for row in model_table(DynamicsSettings).splitlines()[2:]}
    assert set(rows) == set(DynamicsSettings.model_fields)
    assert rows["timestep"].endswith("| fs. |")
    assert "beyond which a run without thermostat is stopped; null for no limit. |" in rows["maximum_drift"]
    assert all(row.rsplit(" | ", 1)[1] != "|" for row in model_table(Segment).splitlines()[2:])


def test_types_are_told_in_words():
    class Inner(BaseModel):
        number: float = 0.5

    class Outer(BaseModel):
        inner: list[Inner]
        names: dict[str, tuple[int, ...]] | None = None

    assert type_in_words(Outer.model_fields["names"].annotation) == "mapping to lists of whole numbers"
    assert "| `inner` | list of sections | required |" in model_table(Outer)
    assert sections_below(Outer) == {Inner: ["inner"]}
    assert list(model_keys(Outer)) == ["inner", "inner.number", "names"]


def test_cells_are_one_line_and_keep_bars_and_options():
    made = table(("a", "b"), [("x | y", "asked for with\n--gres")])
    assert made.splitlines()[-1] == "| x \\| y | asked for with `--gres` |"
