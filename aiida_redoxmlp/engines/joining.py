"""Joining saved committees into one; needs none of the engines' packages."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from aiida_redoxmlp.engines.catalogue import ENGINES, require_engine
from aiida_redoxmlp.engines.registry import MODEL_FILE
from aiida_redoxmlp.errors import InputError, ModelIntegrityError

__all__ = ("join_committees",)


def join_committees(folders: Sequence[Path], target: Path) -> None:
    """Join committees that differ in nothing but their members, and write the result to an empty folder.

    An engine's folder has a module ``joining`` with a function ``join`` that imports nothing the engine needs.

    Args:
        folders: what :meth:`CommitteePotential.save` wrote, in the order in which the members are wanted.
        target: gets the joined committee.

    Raises:
        InputError: if the committees do not belong together, share a seed, or ``target`` is not empty.
        ModelIntegrityError: if a folder's files are not what was saved.
    """
    names = sorted({_engine_of(folder) for folder in folders})
    if len(names) != 1:
        raise InputError(f"Committees of one engine can be joined, not of {', '.join(names) or 'none'}.")
    require_engine(names[0])
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise InputError(f"{target} is not empty; join the committees in a new folder.")
    package = ENGINES[names[0]][0].rpartition(".")[0]
    importlib.import_module(f"{package}.joining").join(folders, target)


def _engine_of(folder: Path) -> str:
    path = folder / MODEL_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["engine"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelIntegrityError(
            f"{path} does not name the engine it belongs to; take the model from its source again."
        ) from error
