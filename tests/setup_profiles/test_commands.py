"""bootstrap.py and the Makefile as a user calls them, on a checkout with nothing in it."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from steps.checkout import Checkout

CHECKOUT = Checkout.of_this_file()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout on a bare machine."""
    root = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT.setup_profiles, root / "setup_profiles", ignore=ignore)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(CHECKOUT.root / name, root)
    return root


def _bootstrap(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"SLURM_CONF", "REDOXMLP_PW"}}
    return subprocess.run(
        [sys.executable, root / "setup_profiles" / "bootstrap.py", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_environment_points_into_the_checkout(bare: Path) -> None:
    program = f"{sys.executable} {bare}/setup_profiles/bootstrap.py"
    script = f'eval "$({program} env)"; echo "$AIIDA_PATH"; echo "$PATH"'
    shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown[0] == str(bare / ".aiida")
    assert shown[1].split(":")[:2] == [str(bare / ".venv" / "bin"), str(bare / ".qe" / "bin")]


def test_slurm_is_exported_only_while_it_is_up(bare: Path) -> None:
    assert "SLURM_CONF" not in _bootstrap(bare, "env").stdout
    (bare / ".slurm").mkdir()
    (bare / ".slurm" / "slurm.conf").touch()
    assert f"export SLURM_CONF={bare}/.slurm/slurm.conf" in _bootstrap(bare, "env").stdout


def test_status_and_stop_work_before_anything_is_made(bare: Path) -> None:
    status = _bootstrap(bare, "status")
    assert status.returncode == 0
    assert re.findall(r"not there", status.stdout)
    stop = _bootstrap(bare, "stop")
    assert (stop.returncode, stop.stdout.splitlines()[0]) == (0, "[1/2] AiiDA daemon … there is none")


def test_distclean_removes_what_was_made_and_nothing_else(bare: Path) -> None:
    before = {path.name for path in bare.iterdir()}
    for name in (".venv", ".qe", ".aiida", ".slurm", ".cache", "demo-output"):
        (bare / name).mkdir()
    (bare / ".coverage.fast").touch()
    assert _bootstrap(bare, "distclean").returncode == 0
    assert {path.name for path in bare.iterdir()} == before


@pytest.mark.parametrize("options", [["--pw", "/absent/pw.x"], ["--pw", "relative/pw.x"]])
def test_a_wrong_pw_is_one_sentence_before_anything_is_installed(bare: Path, options: list[str]) -> None:
    refused = _bootstrap(bare, "setup", *options)
    assert refused.returncode == 1
    assert "is not an executable file" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (bare / ".venv").exists()


def test_a_path_with_a_blank_is_refused(bare: Path, tmp_path: Path) -> None:
    moved = bare.rename(tmp_path / "my checkout")
    refused = _bootstrap(moved, "setup")
    assert refused.returncode == 1
    assert "has a blank in it" in refused.stderr


def test_two_bootstraps_of_a_checkout_do_not_mix(bare: Path) -> None:
    (bare / ".cache").mkdir()
    with (bare / ".cache" / "bootstrap.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = _bootstrap(bare, "setup")
    assert refused.returncode == 1
    assert "Another bootstrap" in refused.stderr


def test_an_old_python_can_read_the_sentence_that_asks_for_a_newer_one() -> None:
    source = (CHECKOUT.setup_profiles / "bootstrap.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 4))
    assert "import annotations" not in source
    assert source.index("sys.version_info < (3, 10)") < source.index("from steps")


def test_every_command_of_the_makefile_is_explained_and_expands(bare: Path) -> None:
    help_text = subprocess.run(["make", "-C", bare], capture_output=True, text=True, check=True).stdout
    explained = set(re.findall(r"^  make (\S+) +\S", help_text, re.MULTILINE))
    everyday = {"help", "setup", "demo", "demo-slurm", "hubbard", "dynamics", "test", "test-fast", "lint", "docs"}
    assert explained == everyday | {"stop", "clean", "distclean"}
    for target in explained:
        subprocess.run(["make", "-C", bare, "--dry-run", target], capture_output=True, check=True)


def test_ci_runs_what_a_developer_runs() -> None:
    script = CHECKOUT.root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text(encoding="utf-8")
