"""Splits that keep neighbours of one trajectory on one side."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError

__all__ = ("split_tail",)


def split_tail(frames: Sequence[Frame], fraction: float) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Cut off the last share of every trajectory as a block.

    Successive ionic steps are nearly the same structure, so a random split would test on what was trained on.
    A group of two or more frames gives at least one frame to either side. Groups of a single frame are no
    neighbours of each other: the last share of those groups goes to the tail, at least one if the tail would else
    be empty. The split depends on the frames and their order only.

    Args:
        frames: the frames to split.
        fraction: share of the tail, between 0 and 1.

    Returns:
        Head and tail, each in the order given. The tail of a single frame is empty.

    Raises:
        InputError: if the fraction is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise InputError(f"A split fraction of {fraction} leaves one side empty; give a number between 0 and 1.")
    tail: set[int] = set()
    singles: list[Frame] = []
    for group in Dataset(frames).groups.values():
        if len(group) == 1:
            singles.append(group[0])
            continue
        size = min(max(round(fraction * len(group)), 1), len(group) - 1)
        tail.update(id(frame) for frame in group[-size:])
    size = round(fraction * len(singles))
    if not tail:
        size = min(max(size, 1), len(singles) - 1) if singles else 0
    tail.update(id(frame) for frame in singles[len(singles) - size :])
    return (
        tuple(frame for frame in frames if id(frame) not in tail),
        tuple(frame for frame in frames if id(frame) in tail),
    )
