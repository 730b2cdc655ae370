"""The built package, installed where the checkout cannot be seen, has everything that the checkout has."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.engine  # builds and starts other Pythons: seconds a test, no engine

_LOAD_ENTRY_POINTS = """
import json, sys
from importlib.metadata import distribution
loaded = {}
for entry_point in distribution("aiida-redoxmlp").entry_points:
    loaded[f"{entry_point.group}:{entry_point.name}"] = sys.modules[entry_point.load().__module__].__file__
json.dump(loaded, sys.stdout)
"""


def _build(source: Path, target: Path, kind: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(target.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _declared_entry_points() -> set[str]:
    with (CHECKOUT / "pyproject.toml").open("rb") as stream:
        project: dict[str, Any] = tomllib.load(stream)["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    return {f"{group}:{name}" for group, entries in groups.items() for name in entries}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(CHECKOUT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def fresh_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, which borrows the dependencies, not the editable package."""
    environment = tmp_path_factory.mktemp("fresh") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    install = [
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
        wheel,
    ]
    subprocess.run([sys.executable, "-m", *install], check=True, capture_output=True)
    # A folder in a .pth file is put on the path; its own .pth files, the editable install's, are not read.
    (site_packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return python


def test_every_file_of_the_package_arrives_as_a_real_file(wheel: Path) -> None:
    package = CHECKOUT / "aiida_redoxmlp"
    expected = {
        str("aiida_redoxmlp" / Path(folder).relative_to(package) / file)
        for folder, _, files in os.walk(package, followlinks=True)
        for file in files
        if not file.endswith(".pyc")
    }
    contents = _contents(wheel)
    assert "aiida_redoxmlp/workchains/campaign.py" in expected
    assert expected == {name for name in contents if not name.split("/")[0].endswith(".dist-info")}
    link = CHECKOUT / "workchains" / "campaign.py"
    assert contents["aiida_redoxmlp/workchains/campaign.py"] == link.read_bytes()


def test_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    sdist = _build(CHECKOUT, tmp_path / "sdist", "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked")  # noqa: S202 - built just above
    unpacked = next((tmp_path / "unpacked").iterdir())
    assert _contents(_build(unpacked, tmp_path / "wheel", "wheel")) == _contents(wheel)


def test_wheel_declares_the_entry_points_of_pyproject(wheel: Path) -> None:
    contents = _contents(wheel)
    text = next(data for name, data in contents.items() if name.endswith("entry_points.txt")).decode()
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    assert {f"{group}:{name}" for group in parser.sections() for name in parser[group]} == _declared_entry_points()


def test_every_entry_point_loads_from_the_installed_wheel(fresh_python: Path, tmp_path: Path) -> None:
    answer = subprocess.run(
        [fresh_python, "-c", _LOAD_ENTRY_POINTS],
        cwd=tmp_path,
        env={**os.environ, "AIIDA_PATH": str(tmp_path), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    loaded: dict[str, str] = json.loads(answer.stdout.splitlines()[-1])
    assert set(loaded) == _declared_entry_points()
    assert {name for name, file in loaded.items() if not Path(file).is_relative_to(fresh_python.parents[1])} == set()
