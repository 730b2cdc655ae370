"""A collection of frames and what can be said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.species import Species

__all__ = ("Dataset",)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Frames in a fixed order.

    Attributes:
        frames: the frames.
    """

    frames: tuple[Frame, ...]

    def __init__(self, frames: Iterable[Frame]) -> None:
        object.__setattr__(self, "frames", tuple(frames))

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.frames)

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames in order."""
        return iter(self.frames)

    @property
    def species(self) -> tuple[Species, ...]:
        """Every (element, oxidation state) that occurs, sorted."""
        found = {
            (int(number), int(state))
            for frame in self.frames
            for number, state in zip(frame.configuration.numbers, frame.configuration.oxidation_states, strict=True)
        }
        return tuple(sorted(Species(chemical_symbols[number], state) for number, state in found))

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The redox patterns DFT found, each once, sorted."""
        return tuple(sorted({frame.pattern for frame in self.frames}))

    @property
    def groups(self) -> dict[str, tuple[Frame, ...]]:
        """The frames of each trajectory, in order of step, groups in order of appearance."""
        collected: dict[str, list[Frame]] = {}
        for frame in self.frames:
            collected.setdefault(frame.group, []).append(frame)
        return {name: tuple(sorted(frames, key=lambda frame: frame.step)) for name, frames in collected.items()}

    def deduplicated(self) -> Dataset:
        """Return the dataset without frames whose content occurred before."""
        unique: dict[str, Frame] = {}
        for frame in self.frames:
            unique.setdefault(frame.content_hash, frame)
        return Dataset(unique.values())

    def trusted(self, *, include_ambiguous: bool = False) -> Dataset:
        """Return the frames to train on: those that are not ambiguous, or all when asked for."""
        return Dataset(frame for frame in self.frames if include_ambiguous or not frame.ambiguous)

    def merge(self, *others: Dataset) -> Dataset:
        """Return this dataset followed by the others, repeated content left out."""
        return Dataset(frame for dataset in (self, *others) for frame in dataset).deduplicated()

    def summary(self) -> dict[str, Any]:
        """Return counts and ranges, ready for JSON; energies in eV per atom, forces in eV/Å."""
        patterns = Counter(frame.pattern.label for frame in self.frames)
        summary: dict[str, Any] = {
            "n_frames": len(self),
            "n_ambiguous": sum(frame.ambiguous for frame in self.frames),
            "n_groups": len({frame.group for frame in self.frames}),
            "species": [species.label for species in self.species],
            "patterns": dict(sorted(patterns.items())),
            "total_charges": sorted({frame.total_charge for frame in self.frames}),
            "sources": sorted({frame.source for frame in self.frames if frame.source}),
        }
        if self.frames:
            energies = [frame.energy / len(frame.configuration) for frame in self.frames]
            summary["energy_range_ev_per_atom"] = [min(energies), max(energies)]
            summary["max_force_ev_per_angstrom"] = max(float(np.abs(frame.forces).max()) for frame in self.frames)
        return summary
