"""Write a saved committee for other programs, or as a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from aiida_redoxmlp.engines.registry import MODEL_FILE, engine_of, get_engine, summarise
from aiida_redoxmlp.errors import InputError, ModelIntegrityError

__all__ = ("FOLDER_FORMAT", "export_model")

FOLDER_FORMAT = "folder"
"""Our own format: safetensors and ``model.json``."""


def export_model(source: Path, target: Path, format_name: str, member: int | None = None) -> list[str]:
    """Write a saved committee to a new folder.

    Args:
        source: the folder a committee was saved to.
        target: the folder to make, which may be there if it is empty.
        format_name: :data:`FOLDER_FORMAT`, or one that the committee's engine knows.
        member: only this one, counted from 0.

    Returns:
        The names of the files written.

    Raises:
        InputError: if the target is not empty, the member or the format does not exist, or cannot hold the potential.
        ModelIntegrityError: if the files are not what was saved.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is not an empty folder; export to a new one.")
    if format_name == FOLDER_FORMAT and member is None:
        _copy(source, target)
    else:
        _write(source, target, format_name, member)
    return sorted(path.name for path in target.iterdir())


def _copy(source: Path, target: Path) -> None:
    """Copy the files as they are, so that all hashes stay."""
    summary = summarise(source)
    if summary.broken:
        raise ModelIntegrityError(
            f"{source / summary.broken[0]} is missing or does not match the hash it was saved with; take the model "
            "from its source again."
        )
    target.mkdir(parents=True, exist_ok=True)
    for name in (MODEL_FILE, *(one.file for one in summary.members)):
        shutil.copyfile(source / name, target / name)


def _write(source: Path, target: Path, format_name: str, member: int | None) -> None:
    engine = get_engine(engine_of(source))
    if format_name not in (FOLDER_FORMAT, *engine.export_formats):
        known = ", ".join((FOLDER_FORMAT, *engine.export_formats))
        raise InputError(f"The engine {engine.name} has no format {format_name!r}; its formats are {known}.")
    potential = engine.load(source)
    chosen = range(potential.n_members) if member is None else (member,)
    one = potential if member is None else potential.member(member)
    there = target.exists()
    target.mkdir(parents=True, exist_ok=True)
    try:
        if format_name == FOLDER_FORMAT:
            one.save(target)
        else:
            engine.export(potential, target, format_name=format_name, members=tuple(chosen))
    except InputError:
        if not there:
            target.rmdir()
        raise
