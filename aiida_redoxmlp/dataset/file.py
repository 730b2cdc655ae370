"""The dataset file: one compressed numpy archive, however many frames."""

from __future__ import annotations

import io
import itertools
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("SCHEMA_VERSION", "read_dataset", "write_dataset")

SCHEMA_VERSION = 1

_EPOCH = (1980, 1, 1, 0, 0, 0)
_COMPRESSION_LEVEL = 6

_Arrays = dict[str, NDArray[Any]]


def write_dataset(path: Path | str, frames: Iterable[Frame]) -> None:
    """Write frames to ``path``; the same frames always give the same bytes, so files can be compared by hash.

    Layout (schema version 1): arrays over frames (``energies``, ``cells``, ``margins`` …), arrays over atoms and over
    redox sites of all frames one after the other, with the numbers of entries a frame in ``n_atoms``,
    ``n_redox_sites``, ``n_eigenvalue_sets``; ``stresses`` has rows only for frames that have a stress.
    """
    arrays = _pack(tuple(frames))
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, arrays[name], version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # one value on every platform
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, buffer.getvalue(), compresslevel=_COMPRESSION_LEVEL)


def read_dataset(path: Path | str) -> tuple[Frame, ...]:
    """Read what :func:`write_dataset` wrote; nothing in the file is ever unpickled.

    Raises:
        InputError: if there is no such file, or its schema is newer than this package.
        OutputFormatError: if the file is damaged or no dataset.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise InputError(f"There is no dataset file {path}; give the path of one.") from error
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OutputFormatError(
            f"{path} is damaged or no dataset file; give a file written by this package's write_dataset."
        ) from error
    version = int(arrays["schema_version"]) if "schema_version" in arrays else 0
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version}, this package reads up to {SCHEMA_VERSION}; update aiida-redoxmlp."
        )
    try:
        return _unpack(arrays)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise OutputFormatError(
            f"{path} lacks arrays of a dataset or their lengths disagree; "
            "give a file written by this package's write_dataset."
        ) from error


def _pack(frames: tuple[Frame, ...]) -> _Arrays:
    configurations = [frame.configuration for frame in frames]
    stresses = [frame.stress for frame in frames if frame.stress is not None]
    sets = [eigenvalues for frame in frames for eigenvalues in frame.eigenvalues]
    return {
        "schema_version": np.array(SCHEMA_VERSION, dtype="<i8"),
        "n_atoms": _integers(len(one) for one in configurations),
        "numbers": _joined([one.numbers for one in configurations], "<i8", ()),
        "oxidation_states": _joined([one.oxidation_states for one in configurations], "<i8", ()),
        "positions": _joined([one.positions for one in configurations], "<f8", (3,)),
        "forces": _joined([frame.forces for frame in frames], "<f8", (3,)),
        "cells": _joined([one.cell[None] for one in configurations], "<f8", (3, 3)),
        "energies": np.array([frame.energy for frame in frames], dtype="<f8"),
        "has_stress": np.array([frame.stress is not None for frame in frames], dtype=bool),
        "stresses": _joined([stress[None] for stress in stresses], "<f8", (3, 3)),
        "n_redox_sites": _integers(len(frame.redox_sites) for frame in frames),
        "redox_sites": _integers(site for frame in frames for site in frame.redox_sites),
        "n_confidences": _integers(len(frame.confidences) for frame in frames),
        "confidences": _joined([frame.confidences for frame in frames], "<f8", ()),
        "n_eigenvalue_sets": _integers(len(frame.eigenvalues) for frame in frames),
        "eigenvalue_shapes": _joined([np.array([one.shape]) for one in sets], "<i8", (2,)),
        "eigenvalues": _joined([one.ravel() for one in sets], "<f8", ()),
        "margins": np.array([frame.margin for frame in frames], dtype="<f8"),
        "naive_closed": np.array([frame.naive_closed for frame in frames], dtype=bool),
        "ambiguous": np.array([frame.ambiguous for frame in frames], dtype=bool),
        "total_charges": _integers(frame.total_charge for frame in frames),
        "steps": _integers(frame.step for frame in frames),
        "groups": _texts(frame.group for frame in frames),
        "sources": _texts(frame.source for frame in frames),
    }


def _unpack(arrays: _Arrays) -> tuple[Frame, ...]:
    counts = arrays["n_atoms"]
    per_atom = {name: _parts(arrays[name], counts) for name in ("numbers", "oxidation_states", "positions", "forces")}
    redox_sites = _parts(arrays["redox_sites"], arrays["n_redox_sites"])
    confidences = _parts(arrays["confidences"], arrays["n_confidences"])
    shapes = arrays["eigenvalue_shapes"]
    flat = _parts(arrays["eigenvalues"], shapes.prod(axis=1))
    sets = [values.reshape(shape) for values, shape in zip(flat, shapes, strict=True)]
    ends = [0, *itertools.accumulate(arrays["n_eigenvalue_sets"].tolist())]
    if ends[-1] != len(sets) or arrays["has_stress"].sum() != len(arrays["stresses"]):
        raise ValueError("the numbers of entries a frame do not add up")
    stresses = iter(arrays["stresses"])
    return tuple(
        Frame(
            configuration=Configuration(
                numbers=per_atom["numbers"][index],
                positions=per_atom["positions"][index],
                cell=arrays["cells"][index],
                oxidation_states=per_atom["oxidation_states"][index],
            ),
            energy=float(arrays["energies"][index]),
            forces=per_atom["forces"][index],
            stress=next(stresses) if arrays["has_stress"][index] else None,
            redox_sites=tuple(redox_sites[index].tolist()),
            eigenvalues=tuple(sets[ends[index] : ends[index + 1]]),
            confidences=confidences[index],
            margin=float(arrays["margins"][index]),
            naive_closed=bool(arrays["naive_closed"][index]),
            ambiguous=bool(arrays["ambiguous"][index]),
            total_charge=int(arrays["total_charges"][index]),
            group=str(arrays["groups"][index]),
            step=int(arrays["steps"][index]),
            source=str(arrays["sources"][index]),
        )
        for index in range(len(counts))
    )


def _integers(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), dtype="<i8")


def _texts(values: Iterable[str]) -> NDArray[np.str_]:
    collected = list(values)
    width = max([1, *map(len, collected)])
    return np.array(collected, dtype=f"<U{width}")


def _joined(parts: Sequence[NDArray[Any]], dtype: str, tail: tuple[int, ...]) -> NDArray[Any]:
    """Concatenate along the first axis; without parts the array is empty but has its shape."""
    if not parts:
        return np.empty((0, *tail), dtype=dtype)
    return np.ascontiguousarray(np.concatenate(parts), dtype=dtype)


def _parts(values: NDArray[Any], counts: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Cut an array into consecutive parts of the given lengths."""
    if counts.sum() != len(values):
        raise ValueError("the numbers of entries a frame do not add up")
    return np.split(values, np.cumsum(counts)[:-1]) if len(counts) else []
