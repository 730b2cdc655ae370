"""What a saved committee is, for people: the same for every engine, without its packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.number_table import number_table

__all__ = ("MemberSummary", "ModelSummary")


@dataclass(frozen=True)
class MemberSummary:
    """One committee member's file.

    Attributes:
        file: its name.
        seed: the seed it grew from.
        sha256: the hash it was saved with.
        matches: whether the file still has that hash.
        size: bytes; None where the file is missing.
        numbers: numbers stored in it, weights and constants; None where the file is not what was saved.
        best_epoch: the epoch whose weights were kept, where the training said so.
    """

    file: str
    seed: int
    sha256: str
    matches: bool
    size: int | None
    numbers: int | None
    best_epoch: int | None = None


@dataclass(frozen=True, eq=False)
class ModelSummary:
    """A saved committee.

    Attributes:
        engine: name of its engine.
        schema_version: of its ``model.json``.
        encoding: how species become what the engine takes.
        reference_energies: eV, of each of the encoding's ``model_numbers``.
        dtype: floating-point type of the weights.
        architecture: the engine's settings.
        training: what the training left: settings, numbers of frames, where it started.
        versions: distributions it was trained with.
        members: the members' files.
    """

    engine: str
    schema_version: int
    encoding: Encoding
    reference_energies: tuple[float, ...]
    dtype: str
    architecture: Mapping[str, Any]
    training: Mapping[str, Any]
    versions: Mapping[str, str]
    members: tuple[MemberSummary, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """Names of the files that are missing or not what was saved."""
        return tuple(member.file for member in self.members if not member.matches)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable description; energies in eV, masses in u, sizes in bytes."""
        energies = dict(zip(self.encoding.model_numbers, self.reference_energies, strict=True))
        return {
            "engine": self.engine,
            "encoding": self.encoding.name,
            "species": [
                {**asdict(row), "reference_energy": energies[row.atomic_number]} for row in number_table(self.encoding)
            ],
            "embeddings": [asdict(channel) for channel in self.encoding.channels],
            "members": [asdict(member) for member in self.members],
            "dtype": self.dtype,
            "architecture": dict(self.architecture),
            "training": dict(self.training),
            "versions": dict(self.versions),
            "schema_version": self.schema_version,
        }
