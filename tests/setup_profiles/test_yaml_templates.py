"""The YAML files work with the verdi of this AiiDA, and every placeholder is documented."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
import yaml
from aiida.cmdline.commands.cmd_verdi import verdi
from jinja2 import UndefinedError
from profile_steps.computers import render
from steps.checkout import Checkout

FOLDER = Checkout.of_this_file().setup_profiles
TEMPLATES = [*sorted(FOLDER.glob("*/*.yaml")), FOLDER / "profile-postgresql-rabbitmq.yaml"]
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")

VALUES: dict[str, str] = {
    "label": "cluster",
    "hostname": "login.cluster.org",
    "ssh_host": "cluster",
    "work_dir": "/scratch/{username}/aiida",
    "cores_per_node": "64",
    "allocation": "labels",
    "slurm_header": "#SBATCH --account=project",
    "pw_executable": "/opt/qe-7.2/bin/pw.x",
    "hp_executable": "/opt/qe-7.2/bin/hp.x",
    "load_quantum_espresso": "module load quantum-espresso/7.2",
    "redoxmlp_executable": "/home/me/redoxmlp/bin/redoxmlp-run",
    "load_redoxmlp": "module load cuda",
    "with_mpi": "false",
    "profile_name": "redoxmlp-production",
    "email": "me@example.org",
    "first_name": "Marie",
    "last_name": "Curie",
    "institution": "Institut du Radium",
    "database_hostname": "localhost",
    "database_port": "5432",
    "database_name": "redoxmlp",
    "database_username": "redoxmlp",
    "database_password": "secret",
    "repository_folder": "/data/redoxmlp",
}


def _name(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def _command_of(path: Path) -> click.Command:
    """The verdi command a file is for."""
    transport = "core.local" if path.parent.name == "localhost" else "core.ssh_async"
    words = {
        "computer.yaml": "computer setup",
        "computer-cpu.yaml": "computer setup",
        "computer-gpu.yaml": "computer setup",
        "computer-configure.yaml": f"computer configure {transport}",
        "profile-postgresql-rabbitmq.yaml": "profile setup core.psql_dos",
    }.get(path.name, "code create core.code.installed")
    command: click.Command = verdi
    for word in words.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command


def test_readme_documents_exactly_the_placeholders_in_use() -> None:
    used = {name for path in TEMPLATES for name in PLACEHOLDER.findall(path.read_text(encoding="utf-8"))}
    rows = [line for line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert used == set(VALUES)
    assert used <= documented


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_every_key_is_an_option_of_verdi_and_every_value_passes_its_type(path: Path) -> None:
    content = render(path, VALUES)
    command = _command_of(path)
    parameters = {parameter.name: parameter for parameter in command.params}
    assert set(content) <= set(parameters)
    context = click.Context(command)
    for key, value in content.items():
        if key not in {
            "computer",
            "profile",
            "mpirun_command",
        }:  # these look at the configuration or at other options
            assert parameters[key].type_cast_value(context, value) is not None


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_missing_value_is_an_error_rather_than_an_empty_string(path: Path) -> None:
    if not PLACEHOLDER.search(path.read_text(encoding="utf-8")):
        return
    with pytest.raises(UndefinedError):
        render(path, {})


class Verdi:
    """Runs verdi on a profile of its own; several commands in one process, since each start takes seconds."""

    _PROGRAM = """
import json, sys
from aiida.cmdline.commands.cmd_verdi import verdi
for arguments in json.loads(sys.argv[1]):
    try:
        verdi(arguments, prog_name="verdi")
    except SystemExit as end:
        if end.code:
            raise
"""

    def __init__(self, home: Path) -> None:
        self._home = home

    def try_all(self, *commands: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        words = [[os.fspath(word) for word in command] for command in commands]
        return subprocess.run(
            [sys.executable, "-c", self._PROGRAM, json.dumps(words)],
            env={**os.environ, "AIIDA_PATH": str(self._home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def __call__(self, *commands: Sequence[str | Path]) -> str:
        answer = self.try_all(*commands)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout


@pytest.fixture(scope="module")
def verdi_alone(tmp_path_factory: pytest.TempPathFactory) -> Verdi:
    home = tmp_path_factory.mktemp("aiida")
    program = Verdi(home)
    owner = ("--email=me@localhost", "--first-name=Marie", "--last-name=Curie", "--institution=Institut")
    kind = ("core.sqlite_dos", "--profile-name=templates", "--broker=none", "--non-interactive")
    program(("profile", "setup", *kind, *owner, "--filepath", home / "storage"))
    return program


def _filled(template: Path, folder: Path, values: dict[str, str]) -> Path:
    """A user's copy of a file, with the placeholders replaced in an editor."""
    text = template.read_text(encoding="utf-8")
    filled = folder / template.name
    filled.write_text(PLACEHOLDER.sub(lambda found: values[found.group(1)], text), encoding="utf-8")
    return filled


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["localhost", "slurm-cpu", "slurm-gpu", "slurm-allocation"])
def test_verdi_makes_computer_and_codes_from_the_files(kind: str, verdi_alone: Verdi, tmp_path: Path) -> None:
    label = "localhost" if kind == "localhost" else f"my-{kind}"
    values = {**VALUES, "label": label}
    transport = "core.local" if kind == "localhost" else "core.ssh_async"
    batch = ("--non-interactive", "--config")
    setup, configure = (
        _filled(FOLDER / kind / name, tmp_path, values) for name in ("computer.yaml", "computer-configure.yaml")
    )
    codes = [_filled(code, tmp_path, values) for code in sorted((FOLDER / kind).glob("code-*.yaml"))]
    names = [code.stem.removeprefix("code-") for code in codes]
    shown = verdi_alone(
        ("computer", "setup", *batch, setup),
        ("computer", "configure", transport, label, *batch, configure),
        *(("code", "create", "core.code.installed", *batch, code) for code in codes),
        *(("code", "show", f"{name}@{label}") for name in names),
        ("computer", "export", "setup", label, tmp_path / "exported.yaml"),
    )
    assert names
    for name in names:
        assert values[f"{name}_executable"] in shown
    stored = yaml.safe_load((tmp_path / "exported.yaml").read_text(encoding="utf-8"))
    assert stored["work_dir"] == values["work_dir"]
    if kind != "localhost":
        lines = stored["prepend_text"].strip().splitlines()
        assert lines[-1] == ("export SLURM_JOB_ID" if kind == "slurm-allocation" else values["slurm_header"])


@pytest.mark.engine
def test_the_production_profile_gets_as_far_as_its_database(verdi_alone: Verdi, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = str(taken.getsockname()[1])
        values = {**VALUES, "database_port": nobody, "repository_folder": str(tmp_path)}
        config = _filled(FOLDER / "profile-postgresql-rabbitmq.yaml", tmp_path, values)
        answer = verdi_alone.try_all(("profile", "setup", "core.psql_dos", "--non-interactive", "--config", config))
    assert answer.returncode != 0
    assert "Usage:" not in answer.stderr
    assert f"port {nobody}" in answer.stdout + answer.stderr
