"""A committee from a model's folder or a foreign file, without AiiDA."""

from __future__ import annotations

import tempfile
from pathlib import Path

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.engines.registry import get_engine, load_potential
from aiida_redoxmlp.errors import InputError

__all__ = ("load_model", "require_trust")


def require_trust(path: Path, *, trusted: bool) -> None:
    """Refuse a pickle that the user does not trust.

    Raises:
        InputError: if the path is a file and not trusted.
    """
    if not path.is_dir() and not trusted:
        raise InputError(
            f"{path} is a pickle, and loading it runs the code in it; add --trust-pickle if you trust its source."
        )


def load_model(path: Path, device: str, *, trusted: bool = False, head: str | None = None) -> CommitteePotential:
    """Load a committee.

    Args:
        path: folder with a model's files, or a ``.model`` file of MACE.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
        trusted: whether the code in a ``.model`` file may run.
        head: which head of a ``.model`` file.

    Raises:
        InputError: if there is no model, the file is not trusted, or its engine is not installed.
        ModelIntegrityError: if the files of a folder are not what was saved.
    """
    require_trust(path, trusted=trusted)
    if path.is_dir():
        return load_potential(path, device)
    with tempfile.TemporaryDirectory(prefix="redoxmlp-") as scratch:
        folder = Path(scratch) / "model"
        get_engine("mace").load_foreign(path, trusted=trusted, head=head).save(folder)
        return load_potential(folder, device)
