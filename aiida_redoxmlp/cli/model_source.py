"""A model as a folder on disk, from a node or from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiida_redoxmlp.data.model import ModelData

__all__ = ("opened_model",)


@contextmanager
def opened_model(identifier: str) -> Iterator[tuple[Path, ModelData | None]]:
    """Give the files of a model as a folder, and its node where it is one.

    Raises:
        InputError: if there is no such model.
    """
    found = ModelData.find(identifier)
    if isinstance(found, Path):
        yield found, None
        return
    with found.as_folder() as folder:
        yield folder, found
