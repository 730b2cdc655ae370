"""Arrays of many structures in one compressed file, the same bytes for the same arrays."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError, OutputFormatError

__all__ = ("Arrays", "integers", "joined", "parts", "read_archive", "texts", "write_archive")

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_COMPRESSION_LEVEL = 6


def write_archive(path: Path | str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as ``numpy.load`` reads them; the same arrays always give the same bytes."""
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, arrays[name], version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # one value on every platform
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, buffer.getvalue(), compresslevel=_COMPRESSION_LEVEL)


def read_archive(path: Path | str, *, kind: str, writer: str) -> Arrays:
    """Read what :func:`write_archive` wrote; nothing in the file is ever unpickled.

    Args:
        path: the file.
        kind: what it should be, for errors.
        writer: function that writes such files, for errors.

    Raises:
        InputError: if there is no such file.
        OutputFormatError: if it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise InputError(f"There is no {kind} file {path}; give the path of one.") from error
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OutputFormatError(
            f"{path} is damaged or no {kind} file; give a file written by this package's {writer}."
        ) from error


def integers(values: Iterable[int]) -> NDArray[np.int64]:
    """Return integers as an array of one byte order."""
    return np.array(list(values), dtype="<i8")


def texts(values: Iterable[str]) -> NDArray[np.str_]:
    """Return texts as an array that needs no pickle."""
    collected = list(values)
    width = max([1, *map(len, collected)])
    return np.array(collected, dtype=f"<U{width}")


def joined(arrays: Sequence[NDArray[Any]], dtype: str, tail: tuple[int, ...]) -> NDArray[Any]:
    """Concatenate along the first axis; without arrays the result is empty but has its shape."""
    if not arrays:
        return np.empty((0, *tail), dtype=dtype)
    return np.ascontiguousarray(np.concatenate(arrays), dtype=dtype)


def parts(values: NDArray[Any], counts: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Cut an array into consecutive parts of the given lengths.

    Raises:
        ValueError: if the lengths do not add up.
    """
    if counts.sum() != len(values):
        raise ValueError("the numbers of entries a frame do not add up")
    return np.split(values, np.cumsum(counts)[:-1]) if len(counts) else []
