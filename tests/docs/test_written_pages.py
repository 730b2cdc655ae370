"""README, CHANGELOG and docs say only what is there: commands, options, keys, files."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from aiida.cmdline.commands.cmd_verdi import verdi
from click.testing import CliRunner

from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.cli import root
from aiida_redoxmlp.cli.active_learning_config import ActiveLearningRunConfig
from aiida_redoxmlp.cli.campaign_config import CampaignConfig
from aiida_redoxmlp.cli.dynamics_config import DynamicsRunConfig
from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig
from aiida_redoxmlp.cli.search_config import SearchRunConfig
from aiida_redoxmlp.cli.train_config import TrainRunConfig
from aiida_redoxmlp.dynamics.settings import DynamicsSettings
from aiida_redoxmlp.engines.fine_tuning import FineTuning
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.search.settings import SearchSettings
from aiida_redoxmlp.workchains.protocols import load_protocol

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [
    CHECKOUT / "README.md",
    CHECKOUT / "examples" / "README.md",
    *sorted(page for page in (CHECKOUT / "docs").rglob("*.md") if "_build" not in page.parts),
]
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_OUTPUT_DIRECTIVE = re.compile(r"^```\{redoxmlp-output\} (.*)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_ENTRY = {"aiida-redoxmlp": root, "verdi": verdi}


def blocks(language):
    return [
        pytest.param(content, id=f"{page.relative_to(CHECKOUT)}-{number}")
        for page in PAGES
        for number, (_, found, content) in enumerate(_BLOCK.findall(page.read_text(encoding="utf-8")))
        if found == language
    ]


def command_lines():
    lines = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for _, language, content in _BLOCK.findall(text):
            if language == "bash":
                lines += [(page, line.strip()) for line in content.replace("\\\n", " ").splitlines()]
        lines += [(page, f"aiida-redoxmlp {line}") for line in _OUTPUT_DIRECTIVE.findall(text)]
    return [(page, line) for page, line in lines if line.partition(" ")[0] in {*_ENTRY, "make", "python3"}]


def check_command(command, arguments, name):
    """Resolve subcommands, then let click's own parser refuse options the command does not have."""
    context = click.Context(command, info_name=name)
    parser = command.make_parser(context)
    if isinstance(command, click.Group):
        parser.allow_interspersed_args = False
    _, rest, _ = parser.parse_args(list(arguments))
    if isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, f"{name} has no command {rest[0]}"
        check_command(found, rest[1:], f"{name} {rest[0]}")
    else:
        assert not rest, f"{name} takes no further arguments {rest}"


def commands_of(*names):
    return [
        pytest.param(line, id=f"{page.relative_to(CHECKOUT)}: {line}")
        for page, line in command_lines()
        if line.partition(" ")[0] in names
    ]


@pytest.mark.parametrize("line", commands_of("aiida-redoxmlp", "verdi"))
def test_commands_and_options_in_code_blocks_exist(line):
    program, *arguments = shlex.split(line, comments=True)
    check_command(_ENTRY[program], arguments, program)


def test_a_misspelt_option_would_be_noticed():
    with pytest.raises(click.UsageError):
        check_command(root, ["launch", "campaign", "--conifg", "x.yaml"], "aiida-redoxmlp")
    with pytest.raises(AssertionError):
        check_command(root, ["lanuch"], "aiida-redoxmlp")


@pytest.mark.parametrize("line", commands_of("make"))
def test_make_targets_exist(line):
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for word in shlex.split(line)[1:] if "=" not in word}
    assert named <= targets


def test_make_targets_of_the_readme_exist():
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", (CHECKOUT / "README.md").read_text(encoding="utf-8")))
    assert named >= {"demo", "test"}
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("line", commands_of("python3"))
def test_scripts_in_code_blocks_exist(line):
    assert (CHECKOUT / shlex.split(line)[1]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_relative_links_exist(page):
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    missing = [
        link
        for link in links
        if not link.endswith(".png")
        and not any((page.parent / candidate).exists() for candidate in (link, f"{link}.md"))
    ]
    assert missing == []


def test_the_plot_of_the_readme_is_there():
    (plot,) = re.findall(r"!\[[^]]+\]\(([^)]+\.png)\)", (CHECKOUT / "README.md").read_text(encoding="utf-8"))
    assert (CHECKOUT / plot).is_file(), f"copy figures/oxidation_states.png of a demonstration to {plot}"


@pytest.mark.parametrize("content", blocks("python"))
def test_python_blocks_compile_and_their_imports_exist(content):
    tree = ast.parse(content)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aiida_redoxmlp"):
            module = importlib.import_module(node.module)
            assert [one.name for one in node.names if not hasattr(module, one.name)] == []


@pytest.mark.parametrize("content", blocks("yaml"))
def test_yaml_blocks_have_only_known_keys(content, request):
    given = yaml.safe_load(content)
    if "hubbard.md" in request.node.callspec.id:
        hubbard = HubbardRunConfig.model_validate(given)
        settings = load_protocol("hubbard", hubbard.protocol, hubbard.overrides)
        load_protocol("label", hubbard.protocol, {**settings["scf"], **(settings["relax"] or {})})
        load_protocol("hp", hubbard.protocol, settings["hp"])
        return
    if "how-to/dynamics.md" in request.node.callspec.id:
        assert set(given) <= set(DynamicsRunConfig.model_fields)
        example = yaml.safe_load((CHECKOUT / "examples" / "dynamics-limnpo4.yaml").read_text(encoding="utf-8"))
        dynamics = DynamicsRunConfig.model_validate({**example, **given})
        settings = load_protocol("dynamics", dynamics.protocol, dynamics.laid_over())
        moves = load_protocol("trajectory", dynamics.protocol, settings["trajectory"])["dynamics"]
        DynamicsSettings.model_validate(moves)
        return
    if any(page in request.node.callspec.id for page in ("how-to/training.md", "how-to/fine-tuning.md")):
        training = TrainRunConfig.model_validate(given)
        TrainingSettings.model_validate(load_protocol("train", training.protocol, training.laid_over())["settings"])
        return
    if "how-to/patterns.md" in request.node.callspec.id:
        search = SearchRunConfig.model_validate(given)
        SearchSettings.model_validate(load_protocol("search", search.protocol, search.laid_over())["settings"])
        return
    if "how-to/active-learning.md" in request.node.callspec.id:
        example = yaml.safe_load((CHECKOUT / "examples" / "active_learning.yaml").read_text(encoding="utf-8"))
        loop = ActiveLearningRunConfig.model_validate({**example, **given})
        settings = load_protocol("active_learning", loop.protocol, loop.laid_over())
        ExplorationSettings.model_validate(settings["explore"])
        TrainingSettings.model_validate(settings["training"])
        if settings["warm_start"] is not None:
            FineTuning.model_validate(settings["warm_start"])
        return
    assert set(given) <= set(CampaignConfig.model_fields)
    example = yaml.safe_load((CHECKOUT / "examples" / "demo.yaml").read_text(encoding="utf-8"))
    config = CampaignConfig.model_validate({**example, **given})
    settings = load_protocol("campaign", config.protocol, config.overrides)
    load_protocol("label", config.protocol, settings["label"])
    load_protocol("train", config.protocol, settings["committee"])


def test_every_json_key_of_occupations_is_described():
    output = CHECKOUT / "tests" / "fixtures" / "pw" / "scf_afm" / "pw.out"
    printed = CliRunner().invoke(root, ["occupations", str(output), "--json"])
    content = json.loads(printed.stdout)
    guide = (CHECKOUT / "docs" / "how-to" / "occupations.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", "\n".join(line for line in guide.splitlines() if line.startswith("|"))))
    assert described >= {*content, *content["steps"][0]}
