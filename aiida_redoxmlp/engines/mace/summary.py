"""Read a saved committee's description without torch."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.mace.description import MemberFile, read_description
from aiida_redoxmlp.engines.summary import MemberSummary, ModelSummary

__all__ = ("summarise_folder",)

_LENGTH_BYTES = 8


def summarise_folder(folder: Path) -> ModelSummary:
    """Say what a saved committee is, and whether its files are what was saved.

    Raises:
        InputError: if it was written by a newer version of this package.
        ModelIntegrityError: if ``model.json`` is not what was saved.
    """
    description = read_description(folder)
    training = dict(description.training)
    epochs = training.pop("best_epochs", ())
    epochs = epochs if len(epochs) == len(description.members) else [None] * len(description.members)
    return ModelSummary(
        engine=description.engine,
        schema_version=description.schema_version,
        encoding=Encoding.from_dict(description.encoding),
        reference_energies=description.reference_energies,
        dtype=description.dtype,
        architecture=description.architecture.model_dump(mode="json"),
        training=training,
        versions=description.versions,
        members=tuple(
            _member(folder, member, epoch) for member, epoch in zip(description.members, epochs, strict=True)
        ),
    )


def _member(folder: Path, member: MemberFile, best_epoch: int | None) -> MemberSummary:
    path = folder / member.file
    content = path.read_bytes() if path.is_file() else None
    matches = content is not None and hashlib.sha256(content).hexdigest() == member.sha256
    return MemberSummary(
        file=member.file,
        seed=member.seed,
        sha256=member.sha256,
        matches=matches,
        size=None if content is None else len(content),
        numbers=_stored_numbers(content) if content is not None and matches else None,
        best_epoch=best_epoch,
    )


def _stored_numbers(content: bytes) -> int:
    """Count the numbers in a safetensors file: its header is JSON, after the header's length in 8 bytes."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
