"""The engines by name; an engine's own packages are imported only when it is asked for."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

from aiida_redoxmlp.engines.catalogue import ENGINES, SUMMARIES, require_engine
from aiida_redoxmlp.engines.contract import CommitteePotential, Engine
from aiida_redoxmlp.engines.summary import ModelSummary
from aiida_redoxmlp.errors import InputError, ModelIntegrityError

__all__ = ("MODEL_FILE", "engine_of", "get_engine", "load_potential", "summarise")

MODEL_FILE = "model.json"
"""Every engine's model folder has this file; its key ``engine`` names the engine."""


def get_engine(name: str) -> Engine:
    """Return the engine called ``name``.

    Raises:
        InputError: for an unknown name, or when the packages the engine stands on are not installed.
    """
    require_engine(name)
    module_name, class_name = ENGINES[name]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "aiida_redoxmlp":
            raise
        raise InputError(
            f"The engine {name!r} needs the package {error.name!r}, which is not installed here; "
            f"run: pip install aiida-redoxmlp[{name}]"
        ) from error
    return cast("Engine", getattr(module, class_name)())


def load_potential(folder: Path, device: str = "cpu") -> CommitteePotential:
    """Load a committee saved by any engine, after checking its hashes.

    Args:
        folder: what :meth:`CommitteePotential.save` wrote.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

    Raises:
        InputError: if the folder holds no model, or the engine is unknown or not installed.
        ModelIntegrityError: if the files are not what was saved.
    """
    return get_engine(engine_of(folder)).load(Path(folder), device=device)


def engine_of(folder: Path) -> str:
    """Return the name of the engine that saved a committee.

    Raises:
        InputError: if the folder holds no model.
        ModelIntegrityError: if its file does not say.
    """
    path = Path(folder) / MODEL_FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no {MODEL_FILE}; give the folder a committee was saved to.")
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["engine"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelIntegrityError(
            f"{path} does not name the engine it belongs to; take the model from its source again."
        ) from error


def summarise(folder: Path) -> ModelSummary:
    """Say what a saved committee is, without the packages of its engine.

    Raises:
        InputError: if the folder holds no model, one of an unknown engine, or one of a newer schema.
        ModelIntegrityError: if its description is not what was saved; weights that are not are told in the summary.
    """
    name = engine_of(folder)
    require_engine(name)
    module_name, function = SUMMARIES[name]
    read: Callable[[Path], ModelSummary] = getattr(importlib.import_module(module_name), function)
    return read(Path(folder))
