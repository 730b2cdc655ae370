"""The typed file ``model.json``: everything about a committee that is not a weight."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture
from aiida_redoxmlp.engines.registry import MODEL_FILE
from aiida_redoxmlp.errors import InputError, ModelIntegrityError

__all__ = ("SCHEMA_VERSION", "MaceDescription", "MemberFile", "read_description", "read_weights", "write_description")

SCHEMA_VERSION: Literal[2] = 2
_HASH_KEY = "sha256"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MemberFile(_Part):
    """One committee member's weights."""

    file: str = Field(pattern=r"^member_\d+\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    seed: int


class MaceDescription(_Part):
    """What is needed to rebuild the networks of a committee by our own code.

    Attributes:
        encoding: :meth:`aiida_redoxmlp.engines.encoding.Encoding.to_dict`.
        reference_energies: E0 of each model number in eV, in the order of the encoding's ``model_numbers``.
        scale: eV, factor of the network's atomic energies.
        shift: eV, added to every atomic energy.
        avg_num_neighbors: mean number of neighbours over the training set.
        training: summary of the training: settings, best epochs, numbers of frames.
    """

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    engine: Literal["mace"] = "mace"
    versions: dict[str, str] = Field(default_factory=dict)
    encoding: dict[str, Any]
    architecture: MaceArchitecture
    reference_energies: tuple[float, ...]
    scale: float
    shift: float
    avg_num_neighbors: float = Field(gt=0)
    dtype: Literal["float32", "float64"]
    members: tuple[MemberFile, ...] = ()
    training: dict[str, Any] = Field(default_factory=dict)


def _hash_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_description(folder: Path, description: MaceDescription) -> None:
    """Write ``model.json``, with a hash over its own content."""
    current = description.model_copy(update={"schema_version": SCHEMA_VERSION})
    content = json.loads(current.model_dump_json())
    text = json.dumps({**content, _HASH_KEY: _hash_of(content)}, indent=2, sort_keys=True)
    (folder / MODEL_FILE).write_text(text + "\n", encoding="utf-8")


def read_description(folder: Path) -> MaceDescription:
    """Read ``model.json``.

    Raises:
        InputError: if it was written by a newer version of this package.
        ModelIntegrityError: if it is not what :func:`write_description` wrote.
    """
    path = folder / MODEL_FILE
    foreign = f"{path} is not the description of a MACE committee; save the model again from its source."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        expected = content.pop(_HASH_KEY)
        version = int(content["schema_version"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelIntegrityError(foreign) from error
    if _hash_of(content) != expected:
        raise ModelIntegrityError(f"{path} was changed after it was saved; take the model from its source again.")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version}, this package reads up to {SCHEMA_VERSION}; update aiida-redoxmlp."
        )
    try:
        return MaceDescription.model_validate(content)
    except ValidationError as error:
        raise ModelIntegrityError(foreign) from error


def read_weights(folder: Path, member: MemberFile) -> bytes:
    """Read a member's weights as they were saved.

    Raises:
        ModelIntegrityError: if the file is missing or is not the one that was saved.
    """
    path = folder / member.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelIntegrityError(f"{path} is missing; take the model from its source again.") from error
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise ModelIntegrityError(
            f"{path} does not match the hash it was saved with; take the model from its source again."
        )
    return content
