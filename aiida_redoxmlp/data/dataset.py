"""Data node for a set of labelled frames."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiida import orm

from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.file import read_dataset, write_dataset
from aiida_redoxmlp.dataset.frame import Frame

__all__ = ("DatasetData",)


class DatasetData(orm.SinglefileData):
    """Labelled frames in one compressed file, however many there are.

    The attributes repeat what one queries for: number of frames, ambiguous frames, elements, species, patterns.
    """

    DEFAULT_FILENAME = "dataset.npz"

    @classmethod
    def from_frames(cls, frames: Sequence[Frame]) -> DatasetData:
        """Return an unstored node that holds the frames."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / cls.DEFAULT_FILENAME
            write_dataset(path, frames)
            node = cls(io.BytesIO(path.read_bytes()), filename=cls.DEFAULT_FILENAME)
        node.base.attributes.set_many(Dataset(frames).summary())
        return node

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames, read from the file."""
        with self.base.repository.as_path(self.filename) as path:
            return read_dataset(path)

    @property
    def n_frames(self) -> int:
        """Number of frames, without reading the file."""
        return int(self.base.attributes.get("n_frames"))

    @property
    def n_ambiguous(self) -> int:
        """Number of ambiguous frames, without reading the file."""
        return int(self.base.attributes.get("n_ambiguous"))

    def summary(self) -> dict[str, Any]:
        """What the dataset holds, without reading the file."""
        return {key: value for key, value in self.base.attributes.items() if key != "filename"}
