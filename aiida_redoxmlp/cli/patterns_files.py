"""Distinct configurations as JSON, arrays and structures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from ase.io import write

from aiida_redoxmlp.cli.occupations_files import unfinished
from aiida_redoxmlp.search.enumeration import distinct_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("FILES", "PatternJson")


class PatternJson:
    """Writes one JSON document, block by block."""

    def __init__(self, stream: TextIO, facts: Mapping[str, Any]) -> None:
        """Take where to write, and what is known of the space."""
        self._stream, self._facts = stream, facts

    def write(self, space: ConfigurationSpace) -> None:
        """Write the facts and every distinct configuration."""
        labels = [[species.label for species in some] for some in space.allowed]
        head = json.dumps(self._facts, indent=2)
        self._stream.write(head.removesuffix("\n}") + ',\n  "patterns": [')
        separator = "\n    "
        for block in distinct_configurations(space):
            for row, multiplicity in zip(block.rows.tolist(), block.multiplicities.tolist(), strict=True):
                species = [some[choice] for some, choice in zip(labels, row, strict=True)]
                self._stream.write(separator + json.dumps({"species": species, "multiplicity": multiplicity}))
                separator = ",\n    "
        self._stream.write("\n  ]\n}\n")


def _write_json(path: Path, space: ConfigurationSpace, facts: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        PatternJson(stream, facts).write(space)


def _write_npz(path: Path, space: ConfigurationSpace, facts: Mapping[str, Any]) -> None:
    """Write the rows as arrays; a site's labels beyond its allowed species are empty."""
    blocks = list(distinct_configurations(space))
    width = max(len(some) for some in space.allowed)
    labels = [[species.label for species in some] + [""] * (width - len(some)) for some in space.allowed]
    with path.open("wb") as stream:
        np.savez_compressed(
            stream,
            rows=np.concatenate([block.rows for block in blocks]),
            multiplicities=np.concatenate([block.multiplicities for block in blocks]),
            sites=np.array(space.sites),
            allowed=np.array(labels),
            total_charge=np.array(facts["total_charge"]),
        )


def _write_extxyz(path: Path, space: ConfigurationSpace, facts: Mapping[str, Any]) -> None:
    """Write a structure with oxidation states for each configuration."""
    with path.open("w", encoding="utf-8") as stream:
        for block in distinct_configurations(space):
            for row, multiplicity in zip(block.rows, block.multiplicities.tolist(), strict=True):
                atoms = space.configuration(row).to_ase()
                atoms.info.update(multiplicity=multiplicity, total_charge=facts["total_charge"])
                write(stream, atoms, format="extxyz")


def _whole(
    writer: Callable[[Path, ConfigurationSpace, Mapping[str, Any]], None],
) -> Callable[[Path, ConfigurationSpace, Mapping[str, Any]], None]:
    """Let a file be there only once it is whole."""

    def written(path: Path, space: ConfigurationSpace, facts: Mapping[str, Any]) -> None:
        part = unfinished(path)
        try:
            writer(part, space, facts)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    return written


FILES = {".npz": _whole(_write_npz), ".extxyz": _whole(_write_extxyz), ".json": _whole(_write_json)}
"""What writes a file, by its ending."""
