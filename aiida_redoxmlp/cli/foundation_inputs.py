"""The nodes that a training learns and starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida import orm

from aiida_redoxmlp.cli.foundation_config import FoundationConfig
from aiida_redoxmlp.cli.profile import load_node
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.errors import InputError

__all__ = ("find_dataset", "foundation_inputs")


def foundation_inputs(config: FoundationConfig) -> dict[str, Any]:
    """Return the nodes ``foundation`` and ``replay``, None where they are not given.

    Raises:
        InputError: if there is no such node or file.
        OutputFormatError: if the file of frames is damaged.
    """
    return {
        "foundation": None if config.model is None else _find_model(config.model),
        "replay": None if config.replay is None else find_dataset(config.replay, "foundation.replay"),
    }


def find_dataset(named: int | str, key: str) -> DatasetData:
    """Return a stored dataset, or an unstored one with the frames of a file.

    Args:
        named: PK, UUID or label, or a file.
        key: the key that names it.

    Raises:
        InputError: if there is no such node or file.
        OutputFormatError: if the file is damaged.
    """
    if str(named).endswith(".npz"):
        return DatasetData.from_frames(read_dataset(Path(str(named))))
    try:
        node = load_node(str(named))
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
    if not isinstance(node, DatasetData):
        raise InputError(
            f"{key} is <{named}>, a {node.__class__.__name__} and not a dataset; give the PK, UUID or label of a "
            "`redoxmlp.dataset` node, such as a work chain's output `dataset`."
        )
    return node


def _find_model(named: int | str) -> ModelData | orm.SinglefileData:
    """Return a stored model, or an unstored node with a model's folder or file."""
    if str(named).endswith(".model"):
        file = Path(str(named))
        if not file.is_file():
            raise InputError(f"foundation.model is {file}, which is no file; give a `.model` file of MACE.")
        return orm.SinglefileData(file.absolute())
    found = ModelData.find(named)
    return ModelData.from_folder(found) if isinstance(found, Path) else found
