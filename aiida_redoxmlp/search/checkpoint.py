"""Arrays of a search in one npz file, replaced as a whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError

__all__ = ("Arrays", "generator_from", "generator_state", "part", "prefixed", "read_arrays", "write_arrays")

Arrays = dict[str, NDArray[Any]]
"""State by name."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays such that a reader finds either the old file or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    named: dict[str, Any] = dict(arrays)
    with partial.open("wb") as stream:
        np.savez_compressed(stream, **named)
    partial.replace(path)


def read_arrays(path: Path) -> Arrays:
    """Read what :func:`write_arrays` wrote.

    Raises:
        InputError: if the file is none of its.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path} is no checkpoint of a search; remove it to start from the beginning.") from error


def prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return arrays under names that begin with a prefix and a point."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    """Return the arrays of a prefix under their own names."""
    start = f"{prefix}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def generator_state(random: np.random.Generator) -> NDArray[Any]:
    """Return the state of a random generator as an array of one string."""
    return np.array(json.dumps(random.bit_generator.state))


def generator_from(state: NDArray[Any]) -> np.random.Generator:
    """Return the generator whose state :func:`generator_state` returned."""
    random = np.random.default_rng(0)
    random.bit_generator.state = json.loads(str(state))
    return random
