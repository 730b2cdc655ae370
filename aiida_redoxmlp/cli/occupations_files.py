"""``-o``: arrays, JSON and plots of a run, by the ending of the file's name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from aiida_redoxmlp.cli.occupations_json import JsonWriter
from aiida_redoxmlp.cli.occupations_steps import Outcome, ReadStep
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.trajectory_file import require_hdf5, trajectory_arrays, write_hdf5, write_npz
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory

__all__ = ("SUFFIXES", "RunFiles", "check_outputs", "unfinished")

_ARRAYS = {".npz": write_npz, ".h5": write_hdf5, ".hdf5": write_hdf5}
_PLOTS = (".png", ".pdf", ".svg")
_JSON = ".json"
SUFFIXES = (*_ARRAYS, *_PLOTS, _JSON)
"""Endings that are known."""

_RESOLUTION_DPI = 160


def check_outputs(outputs: Sequence[Path], source: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Refuse files that could not be written, before any reading.

    Args:
        outputs: the files to write.
        source: the file that is read.
        suffixes: endings that are known.

    Raises:
        InputError: if an ending is not known, h5py is missing for it, a folder does not exist, or a file is a folder,
            the one that is read, or named twice.
    """
    seen = {source.resolve()}
    for path in outputs:
        if path.suffix.lower() not in suffixes:
            known = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
            raise InputError(f"{path} has an ending that says no format; let it end with {known}.")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise InputError(
                f"{path} cannot be written; name a file in a folder that exists and that you may write to."
            )
        if path.resolve() in seen:
            raise InputError(f"{path} is the file that is read or named twice; give each file a name of its own.")
        seen.add(path.resolve())
        if _ARRAYS.get(path.suffix.lower()) is write_hdf5:
            require_hdf5(path)


class RunFiles:
    """Writes the files of a run; a file is there only once it is whole. Has to be closed."""

    def __init__(self, outputs: Sequence[Path], source: Path, charge: int, table: RedoxTable) -> None:
        """Open the files that are written step by step.

        Args:
            outputs: the files to write.
            source: the file that is read.
            charge: total charge of the cell in units of e.
            table: the table the states are read with.
        """
        self._outputs, self._source, self._charge, self._table = outputs, source, charge, table
        self._open = ExitStack()
        self._json: list[tuple[Path, JsonWriter]] = []
        self.written: list[Path] = []
        """The files that are whole."""
        for path in outputs:
            if path.suffix.lower() == _JSON:
                stream = self._open.enter_context(unfinished(path).open("w", encoding="utf-8"))
                self._json.append((path, JsonWriter(stream, source, charge)))

    def close(self) -> None:
        """Remove what did not get whole."""
        self._open.close()
        for path in self._outputs:
            unfinished(path).unlink(missing_ok=True)

    def add(self, one: ReadStep) -> None:
        """Write a step to the files that take it at once."""
        for _, writer in self._json:
            writer.add(one)

    def finish(self, outcome: Outcome) -> None:
        """Write everything; without a single step arrays and plots have nothing to show and are not written."""
        for path, writer in self._json:
            writer.finish(outcome)
            self.written.append(path)
        self._open.close()
        if outcome.trajectory is not None:
            for path in self._outputs:
                if path.suffix.lower() != _JSON:
                    self._write(path, outcome.trajectory, outcome)
                    self.written.append(path)
        for path in self.written:
            unfinished(path).replace(path)

    def _write(self, path: Path, trajectory: StatesAlongTrajectory, outcome: Outcome) -> None:
        suffix = path.suffix.lower()
        if suffix in _ARRAYS:
            facts = {"source": str(self._source), "total_charge": self._charge, "complete": outcome.complete}
            _ARRAYS[suffix](unfinished(path), trajectory_arrays(trajectory), facts)
            return
        # Drawing takes longer to import than most files to read.
        from aiida_redoxmlp.report.trajectory_plot import plot_trajectory  # noqa: PLC0415

        figure = plot_trajectory(trajectory, self._table, title=self._source.name)
        figure.savefig(unfinished(path), format=suffix[1:], dpi=_RESOLUTION_DPI)


def unfinished(path: Path) -> Path:
    """Return the file to write to until the whole is there."""
    return path.with_name(f".{path.name}.part")
