from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aiida_redoxmlp.engines.catalogue import ENGINES
from aiida_redoxmlp.engines.registry import MODEL_FILE, get_engine, load_potential
from aiida_redoxmlp.errors import InputError, ModelIntegrityError


def test_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="no engine 'mcae'; the engines are mace"):
        get_engine("mcae")


def test_missing_package_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("aiida_redoxmlp.engines.mace")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"'mace' needs the package 'torch'.*pip install aiida-redoxmlp\[mace\]"):
        get_engine("mace")


def test_fault_inside_an_engine_is_not_taken_for_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "broken", ("aiida_redoxmlp.engines.not_there", "Engine"))
    with pytest.raises(ModuleNotFoundError):
        get_engine("broken")


@pytest.mark.parametrize("module", ["registry", "calculator", "contract", "settings", "mace"])
def test_torch_is_only_loaded_when_an_engine_is_asked_for(module: str) -> None:
    program = f"import sys, aiida_redoxmlp.engines.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no model\.json"):
        load_potential(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "3"])
def test_model_file_that_names_no_engine_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MODEL_FILE).write_text(content)
    with pytest.raises(ModelIntegrityError, match="does not name the engine"):
        load_potential(tmp_path)


def test_model_of_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_text(json.dumps({"engine": "oracle"}))
    with pytest.raises(InputError, match="no engine 'oracle'"):
        load_potential(tmp_path)
