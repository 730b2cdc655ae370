"""The dataset file: one compressed numpy archive, however many frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from aiida_redoxmlp.dataset.archive import Arrays, integers, joined, parts, read_archive, texts, write_archive
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("SCHEMA_VERSION", "read_dataset", "write_dataset")

SCHEMA_VERSION = 1


def write_dataset(path: Path | str, frames: Iterable[Frame]) -> None:
    """Write frames to ``path``; the same frames always give the same bytes, so files can be compared by hash.

    Layout (schema version 1): arrays over frames (``energies``, ``cells``, ``margins`` …), arrays over atoms and over
    redox sites of all frames one after the other, with the numbers of entries a frame in ``n_atoms``,
    ``n_redox_sites``, ``n_eigenvalue_sets``; ``stresses`` has rows only for frames that have a stress.
    """
    write_archive(path, _pack(tuple(frames)))


def read_dataset(path: Path | str) -> tuple[Frame, ...]:
    """Read what :func:`write_dataset` wrote; nothing in the file is ever unpickled.

    Raises:
        InputError: if there is no such file, or its schema is newer than this package.
        OutputFormatError: if the file is damaged or no dataset.
    """
    arrays = read_archive(path, kind="dataset", writer="write_dataset")
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


def _pack(frames: tuple[Frame, ...]) -> Arrays:
    configurations = [frame.configuration for frame in frames]
    stresses = [frame.stress for frame in frames if frame.stress is not None]
    sets = [eigenvalues for frame in frames for eigenvalues in frame.eigenvalues]
    return {
        "schema_version": np.array(SCHEMA_VERSION, dtype="<i8"),
        "n_atoms": integers(len(one) for one in configurations),
        "numbers": joined([one.numbers for one in configurations], "<i8", ()),
        "oxidation_states": joined([one.oxidation_states for one in configurations], "<i8", ()),
        "positions": joined([one.positions for one in configurations], "<f8", (3,)),
        "forces": joined([frame.forces for frame in frames], "<f8", (3,)),
        "cells": joined([one.cell[None] for one in configurations], "<f8", (3, 3)),
        "energies": np.array([frame.energy for frame in frames], dtype="<f8"),
        "has_stress": np.array([frame.stress is not None for frame in frames], dtype=bool),
        "stresses": joined([stress[None] for stress in stresses], "<f8", (3, 3)),
        "n_redox_sites": integers(len(frame.redox_sites) for frame in frames),
        "redox_sites": integers(site for frame in frames for site in frame.redox_sites),
        "n_confidences": integers(len(frame.confidences) for frame in frames),
        "confidences": joined([frame.confidences for frame in frames], "<f8", ()),
        "n_eigenvalue_sets": integers(len(frame.eigenvalues) for frame in frames),
        "eigenvalue_shapes": joined([np.array([one.shape]) for one in sets], "<i8", (2,)),
        "eigenvalues": joined([one.ravel() for one in sets], "<f8", ()),
        "margins": np.array([frame.margin for frame in frames], dtype="<f8"),
        "naive_closed": np.array([frame.naive_closed for frame in frames], dtype=bool),
        "ambiguous": np.array([frame.ambiguous for frame in frames], dtype=bool),
        "total_charges": integers(frame.total_charge for frame in frames),
        "steps": integers(frame.step for frame in frames),
        "groups": texts(frame.group for frame in frames),
        "sources": texts(frame.source for frame in frames),
    }


def _unpack(arrays: Arrays) -> tuple[Frame, ...]:
    counts = arrays["n_atoms"]
    per_atom = {name: parts(arrays[name], counts) for name in ("numbers", "oxidation_states", "positions", "forces")}
    redox_sites = parts(arrays["redox_sites"], arrays["n_redox_sites"])
    confidences = parts(arrays["confidences"], arrays["n_confidences"])
    shapes = arrays["eigenvalue_shapes"]
    flat = parts(arrays["eigenvalues"], shapes.prod(axis=1))
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
