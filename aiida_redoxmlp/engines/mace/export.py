"""Write a committee for other programs: one file a member, what the numbers stand for, and an example."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.backend import torch
from aiida_redoxmlp.engines.mace.deployable import deployable_encoding, deployable_network, with_stand_ins
from aiida_redoxmlp.engines.mace.export_texts import lammps_example, mace_example, readme, torch_sim_example
from aiida_redoxmlp.engines.mace.lammps import write_lammps_file
from aiida_redoxmlp.engines.mace.potential import MaceCommittee
from aiida_redoxmlp.engines.number_table import NumberRow, number_table
from aiida_redoxmlp.errors import InputError

__all__ = ("EXPORT_FORMATS", "export_committee")

_Writer = Callable[[Any, Encoding, Path], None]
_Example = Callable[[Sequence[NumberRow], Sequence[str]], str]


def _write_model_file(network: Any, encoding: Encoding, path: Path) -> None:
    """Write a ``.model`` file as mace-torch does: a pickle of its own classes only."""
    torch.save(with_stand_ins(network, encoding), path)


_FORMATS: dict[str, tuple[str, _Writer, str, _Example]] = {
    "mace": ("member_{}.model", _write_model_file, "example.py", mace_example),
    "torch-sim": ("member_{}.model", _write_model_file, "example.py", torch_sim_example),
    "lammps": ("member_{}-lammps.pt", write_lammps_file, "in.lammps", lammps_example),
}
EXPORT_FORMATS = tuple(_FORMATS)
"""Formats of other programs."""


def export_committee(potential: MaceCommittee, folder: Path, *, format_name: str, members: Sequence[int]) -> None:
    """Write members to an empty folder, with ``species.json``, ``README.md`` and an example.

    Args:
        potential: the committee.
        folder: an existing, empty folder.
        format_name: one of :data:`EXPORT_FORMATS`.
        members: which members, from 0.

    Raises:
        InputError: if the format cannot hold this potential.
    """
    pattern, write, example_name, example = _FORMATS[format_name]
    encoding = deployable_encoding(potential)
    if encoding.resolves_spins and format_name != "lammps":
        raise InputError(
            f"The format {format_name} cannot hold the encoding {potential.encoding.name!r}: its energy is a mean over "
            "two directions of all spins, and such a file is evaluated once; export lammps, or folder for ASE."
        )
    files = [pattern.format(member) for member in members]
    for member, name in zip(members, files, strict=True):
        write(deployable_network(potential, member), encoding, folder / name)
    rows = number_table(encoding)
    content = {
        "format": format_name,
        "encoding": potential.encoding.name,
        "r_max": potential.description.architecture.r_max,
        "species": [asdict(row) for row in rows],
        "files": [
            {
                "file": name,
                "member": member,
                "seed": potential.seeds[member],
                "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            }
            for member, name in zip(members, files, strict=True)
        ],
    }
    (folder / "species.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / example_name).write_text(example(rows, files), encoding="utf-8")
    (folder / "README.md").write_text(readme(format_name, rows, files, example_name), encoding="utf-8")
