"""The classes that splits keep in proportion: the redox patterns of each composition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from ase.symbols import Symbols

from aiida_redoxmlp.dataset.frame import Frame

__all__ = ("ordered_trajectories", "pattern_names", "shuffle_key", "times_of")


def pattern_names(frames: Sequence[Frame]) -> list[str]:
    """Return the pattern of every frame, such as ``(2,3)``; with its formula where there are several compositions."""
    formulas = [_formula(frame.configuration.numbers.astype("<i8").tobytes()) for frame in frames]
    labels = [frame.pattern.label for frame in frames]
    if len(set(formulas)) < 2:
        return labels
    return [f"{formula} {label}" for formula, label in zip(formulas, labels, strict=True)]


@lru_cache(maxsize=1024)
def _formula(numbers: bytes) -> str:
    return str(Symbols(np.frombuffer(numbers, dtype="<i8")).get_chemical_formula(mode="hill"))


def shuffle_key(seed: int, name: str) -> str:
    """Return a sort key that shuffles names in the same way on every machine."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def ordered_trajectories(frames: Sequence[Frame]) -> dict[str, list[int]]:
    """Return the indices of each trajectory's frames in order of time, whatever the order of the frames."""
    collected: dict[str, list[int]] = {}
    for index, frame in enumerate(frames):
        collected.setdefault(frame.group, []).append(index)
    for members in collected.values():
        steps = {frames[index].step for index in members}
        unique = len(steps) == len(members)
        members.sort(key=lambda index: (frames[index].step, "" if unique else frames[index].content_hash))
    return {name: collected[name] for name in sorted(collected)}


def times_of(frames: Sequence[Frame]) -> list[int]:
    """Return the ionic steps of a trajectory in order; where steps occur twice, the numbers of its frames."""
    steps = [frame.step for frame in frames]
    return steps if len(set(steps)) == len(steps) else list(range(len(steps)))
