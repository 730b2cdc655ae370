"""Frames that walkers leave behind, and the file that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.active_learning.candidates import Candidate
from aiida_redoxmlp.active_learning.exploration.snapshot import Snapshot
from aiida_redoxmlp.active_learning.uncertainty import Uncertainty
from aiida_redoxmlp.dataset.archive import Arrays, integers, joined, parts, read_archive, texts, write_archive
from aiida_redoxmlp.errors import InputError, OutputFormatError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.pattern import Pattern

__all__ = ("ExploredFrame", "read_explored", "write_explored")

_SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class ExploredFrame:
    """A structure that a walker met, without a label.

    Attributes:
        configuration: the atoms with the states the walker carried.
        redox_sites: indices of the redox sites, ascending.
        energy: committee mean in eV.
        energy_spread: standard deviation of the energy over the members in eV per atom.
        force_spreads: each atom's force spread in eV/Å, shape (n_atoms,).
        walker: name of the walker.
        step: steps it had made.
        time: fs since its start; 0 for relaxations.
        temperature: instantaneous temperature in K; 0 at rest.
    """

    configuration: Configuration
    redox_sites: tuple[int, ...]
    energy: float
    energy_spread: float
    force_spreads: NDArray[np.float64]
    walker: str
    step: int = 0
    time: float = 0.0
    temperature: float = 0.0

    @classmethod
    def of(cls, snapshot: Snapshot, redox_sites: tuple[int, ...], walker: str, time: float = 0.0) -> ExploredFrame:
        """Return the frame of a walker at one step."""
        return cls(
            configuration=snapshot.configuration,
            redox_sites=redox_sites,
            energy=snapshot.energy,
            energy_spread=snapshot.energy_spread,
            force_spreads=snapshot.force_spreads,
            walker=walker,
            step=snapshot.step,
            time=time,
            temperature=snapshot.temperature,
        )

    @property
    def pattern(self) -> Pattern:
        """The pattern the walker carried."""
        return Pattern.read(self.configuration.oxidation_states, self.redox_sites)

    @property
    def uncertainty(self) -> Uncertainty:
        """The committee's spreads, at the states the walker carried."""
        return Uncertainty(self.force_spreads, self.energy_spread)

    @property
    def candidate(self) -> Candidate:
        """The frame as something DFT could be asked about."""
        return Candidate(self.configuration, self.walker, self.step)


def write_explored(path: Path | str, frames: Iterable[ExploredFrame]) -> None:
    """Write frames to ``path``; the same frames always give the same bytes.

    Layout (schema version 1): arrays over frames (``energies_ev``, ``energy_spreads_ev_per_atom``, ``cells``,
    ``walkers``, ``steps``, ``times_fs``, ``temperatures_k``), arrays over the atoms (``numbers``, ``positions``,
    ``oxidation_states``, ``spins``, ``force_spreads_ev_per_angstrom``) and the redox sites of all frames one after the
    other, with the numbers of entries a frame in ``n_atoms`` and ``n_redox_sites``; spins are 0 where ``has_spins`` is
    false.
    """
    kept = tuple(frames)
    atoms = [frame.configuration for frame in kept]
    write_archive(
        path,
        {
            "explored_schema_version": np.array(_SCHEMA_VERSION, dtype="<i8"),
            "n_atoms": integers(len(one) for one in atoms),
            "numbers": joined([one.numbers for one in atoms], "<i8", ()),
            "positions": joined([one.positions for one in atoms], "<f8", (3,)),
            "oxidation_states": joined([one.oxidation_states for one in atoms], "<i8", ()),
            "has_spins": np.array([one.spins is not None for one in atoms], dtype=bool),
            "spins": joined(
                [np.zeros_like(one.numbers) if one.spins is None else one.spins for one in atoms], "<i8", ()
            ),
            "cells": joined([one.cell[None] for one in atoms], "<f8", (3, 3)),
            "n_redox_sites": integers(len(frame.redox_sites) for frame in kept),
            "redox_sites": integers(site for frame in kept for site in frame.redox_sites),
            "energies_ev": np.array([frame.energy for frame in kept], dtype="<f8"),
            "energy_spreads_ev_per_atom": np.array([frame.energy_spread for frame in kept], dtype="<f8"),
            "force_spreads_ev_per_angstrom": joined([frame.force_spreads for frame in kept], "<f8", ()),
            "walkers": texts(frame.walker for frame in kept),
            "steps": integers(frame.step for frame in kept),
            "times_fs": np.array([frame.time for frame in kept], dtype="<f8"),
            "temperatures_k": np.array([frame.temperature for frame in kept], dtype="<f8"),
        },
    )


def read_explored(path: Path | str) -> tuple[ExploredFrame, ...]:
    """Read what :func:`write_explored` wrote.

    Raises:
        InputError: if there is no such file, or its schema is newer than this package.
        OutputFormatError: if the file is damaged or holds no explored frames.
    """
    arrays = read_archive(path, kind="exploration", writer="write_explored")
    version = int(arrays.get("explored_schema_version", np.array(0)))
    if version > _SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version}, this package reads up to {_SCHEMA_VERSION}; update aiida-redoxmlp."
        )
    try:
        return _unpack(arrays)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise OutputFormatError(
            f"{path} lacks arrays of explored frames or their lengths disagree; give a file written by this package's "
            "write_explored."
        ) from error


def _unpack(arrays: Arrays) -> tuple[ExploredFrame, ...]:
    counts = arrays["n_atoms"]
    names = ("numbers", "positions", "oxidation_states", "spins", "force_spreads_ev_per_angstrom")
    per_atom = {name: parts(arrays[name], counts) for name in names}
    redox_sites = parts(arrays["redox_sites"], arrays["n_redox_sites"])
    frames = []
    for index in range(len(counts)):
        configuration = Configuration(
            numbers=per_atom["numbers"][index],
            positions=per_atom["positions"][index],
            cell=arrays["cells"][index],
            oxidation_states=per_atom["oxidation_states"][index],
        )
        if arrays["has_spins"][index]:
            configuration = replace(configuration, spins=per_atom["spins"][index])
        frames.append(
            ExploredFrame(
                configuration=configuration,
                redox_sites=tuple(redox_sites[index].tolist()),
                energy=float(arrays["energies_ev"][index]),
                energy_spread=float(arrays["energy_spreads_ev_per_atom"][index]),
                force_spreads=per_atom["force_spreads_ev_per_angstrom"][index],
                walker=str(arrays["walkers"][index]),
                step=int(arrays["steps"][index]),
                time=float(arrays["times_fs"][index]),
                temperature=float(arrays["temperatures_k"][index]),
            )
        )
    return tuple(frames)
