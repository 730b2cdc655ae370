"""Checkpoints of an exploration: what changes in one file that is replaced, frames in files that are added."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.active_learning.exploration.frames import ExploredFrame, read_explored, write_explored
from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings
from aiida_redoxmlp.active_learning.exploration.snapshot import Snapshot
from aiida_redoxmlp.active_learning.exploration.starting_points import GivenStructure, StartingPoint
from aiida_redoxmlp.active_learning.exploration.stops import Stop
from aiida_redoxmlp.active_learning.exploration.walkers import Walker, WalkerRecord
from aiida_redoxmlp.dataset.archive import joined, parts
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.search.checkpoint import Arrays, generator_from, generator_state, read_arrays, write_arrays

__all__ = ("Storage", "Stored", "fingerprint_of")

_STATE_FILE = "exploration.npz"
_PER_ATOM = {"positions": (3,), "velocities": (3,), "forces": (3,), "force_spreads": (), "states": ()}
_NUMBERS = ("energy", "energy_spread", "temperature", "step")
_COUNTS = ("kept_step", "n_frames", "tried", "accepted")


@dataclass(eq=False)
class Stored:
    """Everything that a stopped exploration goes on from, besides its walkers.

    Attributes:
        points: the starting points, with states.
        trusted: whether each is within the limits.
        first_energies: eV, of all members at the first starting point.
        records: of starting points and relaxations that are done.
        n_relaxed: starting points that were relaxed.
        frames: all that were kept.
    """

    points: list[StartingPoint]
    trusted: list[bool]
    first_energies: list[float]
    records: list[WalkerRecord] = field(default_factory=list)
    n_relaxed: int = 0
    frames: list[ExploredFrame] = field(default_factory=list)


def fingerprint_of(
    structures: Mapping[str, GivenStructure], chemistry: RedoxChemistry, settings: ExplorationSettings
) -> str:
    """Return what has to be the same for a checkpoint to be taken."""
    digest = hashlib.sha256()
    digest.update(settings.model_dump_json(exclude={"checkpoint_interval", "device"}).encode())
    digest.update(chemistry.model_dump_json().encode())
    for name, given in structures.items():
        atoms = given.configuration
        digest.update(f"{name} {given.states_known} {atoms.spins is None}".encode())
        for array in (atoms.numbers, atoms.positions, atoms.cell, atoms.oxidation_states, atoms.spins):
            digest.update(np.asarray([] if array is None else array, dtype="<f8").tobytes())
    return digest.hexdigest()


class Storage:
    """The checkpoints of one exploration, if it has a folder for them."""

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self._folder, self._fingerprint = folder, fingerprint
        self._n_parts = self._n_stored = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def _state(self) -> Path | None:
        return None if self._folder is None else self._folder / _STATE_FILE

    @property
    def exists(self) -> bool:
        """Whether there is something to go on from."""
        return self._state is not None and self._state.exists()

    def write(self, stored: Stored, walkers: Sequence[Walker]) -> None:
        """Store everything; frames that are stored already are not written again."""
        if self._folder is None or self._state is None:
            return
        fresh = stored.frames[self._n_stored :]
        if fresh:
            write_explored(self._part(self._n_parts), fresh)
            self._n_parts, self._n_stored = self._n_parts + 1, len(stored.frames)
        text = {
            "fingerprint": self._fingerprint,
            "n_parts": self._n_parts,
            "trusted": stored.trusted,
            "first_energies": stored.first_energies,
            "records": [record.model_dump(mode="json") for record in stored.records],
            "n_relaxed": stored.n_relaxed,
            "counts": [{name: getattr(walker, name) for name in _COUNTS} for walker in walkers],
            "stops": [None if walker.stop is None else asdict(walker.stop) for walker in walkers],
        }
        point_states = [point.configuration.oxidation_states for point in stored.points]
        write_arrays(
            self._state,
            {
                "exploration": np.array(json.dumps(text)),
                "point_states": joined(point_states, "<i8", ()),
                **_of(walkers),
            },
        )

    def restore(self, points: Sequence[StartingPoint], encoding: Encoding) -> tuple[Stored, Arrays]:
        """Read everything besides the walkers, which :meth:`restore_walkers` brings where they were.

        Args:
            points: the starting points without states.
            encoding: that of the potential.

        Raises:
            InputError: if the checkpoint is of another exploration.
        """
        if self._state is None:
            raise InputError("There is no folder with checkpoints to go on from; give one.")
        arrays = read_arrays(self._state)
        text = json.loads(str(arrays["exploration"])) if "exploration" in arrays else {}
        if text.get("fingerprint") != self._fingerprint:
            raise InputError(
                f"{self._state} is a checkpoint of other structures, other settings or no exploration; remove the "
                f"folder {self._folder} to start anew, or give another."
            )
        self._n_parts = int(text["n_parts"])
        frames = [frame for part in range(self._n_parts) for frame in read_explored(self._part(part))]
        self._n_stored = len(frames)
        states = parts(arrays["point_states"], np.array([len(point.configuration) for point in points]))
        return (
            Stored(
                points=[_with_states(point, own, encoding) for point, own in zip(points, states, strict=True)],
                trusted=text["trusted"],
                first_energies=text["first_energies"],
                records=[WalkerRecord.model_validate(record) for record in text["records"]],
                n_relaxed=int(text["n_relaxed"]),
                frames=frames,
            ),
            arrays,
        )

    @staticmethod
    def restore_walkers(walkers: Sequence[Walker], arrays: Arrays, encoding: Encoding) -> None:
        """Bring new walkers where the stored ones were."""
        text: dict[str, Any] = json.loads(str(arrays["exploration"]))
        counts = np.array([len(walker.point.configuration) for walker in walkers], dtype=np.int64)
        per_atom = {name: parts(arrays[f"walkers.{name}"], counts) for name in _PER_ATOM}
        for index, walker in enumerate(walkers):
            start = _with_states(walker.point, per_atom["states"][index], encoding).configuration
            energy, energy_spread, temperature, step = arrays["walkers.numbers"][index].tolist()
            walker.snapshot = Snapshot(
                configuration=start.moved_to(per_atom["positions"][index]),
                energy=energy,
                forces=per_atom["forces"][index],
                energy_spread=energy_spread,
                force_spreads=per_atom["force_spreads"][index],
                temperature=temperature,
                step=int(step),
            )
            walker.velocities = per_atom["velocities"][index]
            walker.random = generator_from(arrays["walkers.random"][index])
            for name, value in text["counts"][index].items():
                setattr(walker, name, value)
            stop = text["stops"][index]
            walker.stop = None if stop is None else Stop(**stop)

    def _part(self, number: int) -> Path:
        return (self._folder or Path()) / f"frames_{number:04d}.npz"


def _of(walkers: Sequence[Walker]) -> Arrays:
    """Return the arrays of all walkers, one after another."""
    columns: dict[str, list[NDArray[Any]]] = {
        "positions": [walker.snapshot.configuration.positions for walker in walkers],
        "velocities": [walker.velocities for walker in walkers],
        "forces": [walker.snapshot.forces for walker in walkers],
        "force_spreads": [walker.snapshot.force_spreads for walker in walkers],
        "states": [walker.snapshot.configuration.oxidation_states for walker in walkers],
    }
    kinds = {name: "<i8" if name == "states" else "<f8" for name in columns}
    rows = [[getattr(walker.snapshot, name) for name in _NUMBERS] for walker in walkers]
    return {
        **{f"walkers.{name}": joined(some, kinds[name], _PER_ATOM[name]) for name, some in columns.items()},
        "walkers.numbers": np.array(rows, dtype="<f8").reshape(len(rows), len(_NUMBERS)),
        "walkers.random": np.array([str(generator_state(walker.random)) for walker in walkers], dtype=np.str_),
    }


def _with_states(point: StartingPoint, states: Any, encoding: Encoding) -> StartingPoint:
    """Return a starting point with other states, and the spins that go with them."""
    spins = point.spins if encoding.resolves_spins else None
    atoms = replace(point.configuration, oxidation_states=np.asarray(states, dtype=np.int64), spins=spins)
    return replace(point, configuration=encoding.with_usual_spins(atoms))
