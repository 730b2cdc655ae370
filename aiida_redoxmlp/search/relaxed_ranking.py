"""Relaxation of the lowest configurations of a search, batch by batch, and their order afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.checkpoint import Arrays, read_arrays, write_arrays
from aiida_redoxmlp.search.relaxation import Relaxer, relaxed_at_once
from aiida_redoxmlp.search.settings import SearchSettings
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.starting_geometry import StartingGeometry

__all__ = ("Relaxations", "relax_configurations")


@dataclass(frozen=True, eq=False)
class Relaxations:
    """Relaxed configurations, in the order in which they were asked for.

    Attributes:
        rows: the configurations, shape (n_configurations, n_sites).
        orbits: equivalent ones have the same number, shape (n_configurations,).
        energies: eV at the end, shape (n_configurations, n_members).
        positions: of the atoms that are there, in Å, shape (n_atoms, 3) each.
        max_forces: largest component of the mean force at the end in eV/Å, shape (n_configurations,).
        converged: whether that is within the tolerance, shape (n_configurations,).
        steps: number of displacements, shape (n_configurations,).
    """

    rows: NDArray[np.int8]
    orbits: NDArray[np.int64]
    energies: NDArray[np.float64]
    positions: tuple[NDArray[np.float64], ...]
    max_forces: NDArray[np.float64]
    converged: NDArray[np.bool_]
    steps: NDArray[np.int64]

    @property
    def order(self) -> NDArray[np.int64]:
        """Places of the configurations in ascending committee mean energy."""
        order: NDArray[np.int64] = np.argsort(self.energies.mean(axis=1), kind="stable")
        return order

    @property
    def lowest_of_orbits(self) -> NDArray[np.int64]:
        """Place of the lowest member of each orbit, in ascending committee mean energy."""
        order = self.order
        _, first = np.unique(self.orbits[order], return_index=True)
        lowest: NDArray[np.int64] = order[np.sort(first)]
        return lowest


def relax_configurations(
    space: ConfigurationSpace,
    rows: NDArray[np.int8],
    orbits: NDArray[np.int64],
    potential: CommitteePotential,
    settings: SearchSettings,
    *,
    checkpoint: Path | None = None,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Relaxations | None:
    """Relax configurations in batches whose composition depends on nothing that could change on a resumption.

    Args:
        space: the configurations.
        rows: those to relax, shape (n_configurations, n_sites).
        orbits: number of each one's orbit, shape (n_configurations,).
        potential: the committee.
        settings: tolerance, steps and starting geometries.
        checkpoint: npz file to store finished batches in, and to resume from where it exists.
        on_progress: sees a dictionary after every step and every batch.
        should_stop: asked after every step.

    Returns:
        The relaxations, or None when they were stopped.

    Raises:
        InputError: if the checkpoint is of other relaxations, or a starting geometry has no finite energy.
    """
    done = _Batches(checkpoint, _fingerprint(space, rows, settings))
    start = StartingGeometry(space, settings.pre_distortion, settings.rattle, settings.seed)
    relaxer = Relaxer(potential, force_tolerance=settings.force_tolerance, max_steps=settings.max_steps)
    report, stop = on_progress or (lambda _: None), should_stop or (lambda: False)

    def on_step(step: int, active: int, force: float) -> None:
        report({"event": "relaxing", "step": step, "active": active, "max_force_ev_per_angstrom": force})
        if stop():
            raise _StoppedError

    size = relaxed_at_once(potential.device, len(space.parent))
    for number, first in enumerate(range(0, len(rows), size)):
        if number < len(done.batches):
            continue
        encode = potential.encoding.with_usual_spins
        try:
            found = relaxer.relax([encode(start.of(row)) for row in rows[first : first + size]], on_step=on_step)
        except _StoppedError:
            return None
        done.add(
            {
                "energies": np.array([one.evaluation.energies for one in found]),
                "positions": np.concatenate([one.configuration.positions for one in found]),
                "n_atoms": np.array([len(one.configuration) for one in found]),
                "max_forces": np.array([one.max_force for one in found]),
                "converged": np.array([one.converged for one in found]),
                "steps": np.array([one.steps for one in found]),
            }
        )
        report({"event": "relaxed", "done": min(first + size, len(rows)), "of": len(rows)})
        if stop():
            return None
    return done.relaxations(rows, orbits)


class _StoppedError(Exception):
    """A relaxation was asked to stop within a batch."""


@dataclass
class _Batches:
    """Finished batches, stored after each."""

    path: Path | None
    fingerprint: str
    batches: list[Arrays] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        stored = read_arrays(self.path)
        if str(stored.pop("fingerprint", "")) != self.fingerprint:
            raise InputError(f"{self.path} is a checkpoint of other relaxations; remove it or give another file.")
        numbers = sorted({int(name.partition(".")[0]) for name in stored})
        self.batches = [
            {name.partition(".")[2]: array for name, array in stored.items() if name.startswith(f"{number}.")}
            for number in numbers
        ]

    def add(self, batch: Arrays) -> None:
        self.batches.append(batch)
        if self.path is not None:
            named = {f"{n}.{name}": array for n, one in enumerate(self.batches) for name, array in one.items()}
            write_arrays(self.path, {"fingerprint": np.array(self.fingerprint), **named})

    def relaxations(self, rows: NDArray[np.int8], orbits: NDArray[np.int64]) -> Relaxations:
        joined = {name: np.concatenate([batch[name] for batch in self.batches]) for name in self.batches[0]}
        ends: Sequence[int] = np.cumsum(joined["n_atoms"])[:-1].tolist()
        return Relaxations(
            rows,
            orbits,
            energies=joined["energies"],
            positions=tuple(np.split(joined["positions"], ends)),
            max_forces=joined["max_forces"],
            converged=joined["converged"],
            steps=joined["steps"],
        )


def _fingerprint(space: ConfigurationSpace, rows: NDArray[np.int8], settings: SearchSettings) -> str:
    """Return what has to be the same for finished relaxations to be taken."""
    names = ("force_tolerance", "max_steps", "pre_distortion", "rattle", "seed")
    return json.dumps([settings.model_dump(include=set(names)), space.parent.positions.tolist(), rows.tolist()])
