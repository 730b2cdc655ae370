"""A second call is instant, a changed or moved environment is completed or made again."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import pytest
from steps.progress import ALREADY_THERE, DONE, StepError
from steps.virtual_environment import VirtualEnvironment, find_interpreter, version_of

PYTHON = Path(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    folder = tmp_path_factory.mktemp("made")
    environment = VirtualEnvironment(folder / "env", PYTHON, (), ("a pyproject",), folder / "log")
    assert environment.ensure() == DONE
    return environment


@pytest.mark.engine
def test_second_call_does_nothing(made: VirtualEnvironment) -> None:
    made.log.unlink(missing_ok=True)
    assert made.ensure() == ALREADY_THERE
    assert not made.log.exists()


@pytest.mark.engine
def test_a_changed_pyproject_completes_the_environment_without_starting_over(
    made: VirtualEnvironment,
) -> None:
    mark = made.folder / "kept"
    mark.touch()
    changed = dataclasses.replace(made, depends_on=("another pyproject",))
    assert not changed.is_current
    assert changed.ensure() == DONE
    assert mark.exists()
    assert made.ensure() == DONE


@pytest.mark.engine
def test_a_copied_environment_is_made_again(made: VirtualEnvironment, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "env", symlinks=True)
    copy = dataclasses.replace(made, folder=tmp_path / "env", log=tmp_path / "log")
    assert not copy.is_current
    assert copy.ensure() == DONE
    first_line = (copy.folder / "bin" / "pip").read_text(encoding="utf-8").splitlines()[0]
    assert str(tmp_path) in first_line


@pytest.mark.engine
def test_a_package_that_does_not_exist_is_named_with_its_log(made: VirtualEnvironment, tmp_path: Path) -> None:
    absent = ("--no-index", "--find-links", str(tmp_path), "no-such-package-of-redoxmlp")
    broken = dataclasses.replace(made, installs=(absent,), log=tmp_path / "log")
    with pytest.raises(StepError, match="no-such-package-of-redoxmlp") as failure:
        broken.ensure()
    assert "No matching distribution" in str(failure.value)
    assert not broken.is_current


def test_a_command_that_only_prints_advice_is_not_an_interpreter(tmp_path: Path) -> None:
    shim = tmp_path / "python3.11"
    shim.write_text("#!/bin/sh\necho 'python3.11: command not found' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    assert version_of(shim) is None
    assert version_of(tmp_path / "absent") is None


def test_the_running_python_is_preferred_when_it_fits() -> None:
    assert find_interpreter((sys.version_info.minor, 1), "a test") == PYTHON


def test_no_fitting_python_is_one_sentence_with_a_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    with pytest.raises(StepError, match=r"No Python 3\.1, 3\.2 .* for a test") as failure:
        find_interpreter((1, 2), "a test")
    assert "python3-venv" in failure.value.remedy
