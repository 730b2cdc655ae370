"""Frames of other trajectories that are nearly the same structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_redoxmlp.dataset.frame import Frame

__all__ = ("TWIN_DISTANCE", "twins_of")

TWIN_DISTANCE = 0.02
"""Largest difference (Å) of a coordinate between structures that tell a potential the same: a few steps of dynamics."""


def twins_of(frames: Sequence[Frame], others: Sequence[Frame]) -> list[int]:
    """Return which frames have, in another trajectory of ``others``, nearly the same structure with the same states.

    Structures are compared as they are, without symmetry: what is looked for is dynamics that began with the last
    structure of a relaxation, or a run that was started twice.

    Args:
        frames: frames to look at.
        others: frames to compare with; those of a frame's own trajectory do not count.

    Returns:
        Positions in ``frames``, ascending.
    """
    kinds: dict[bytes, list[int]] = {}
    for index, frame in enumerate(others):
        kinds.setdefault(_kind(frame), []).append(index)
    trees = {
        kind: cKDTree(np.array([_coordinates(others[index]) for index in members])) for kind, members in kinds.items()
    }
    twins = []
    for position, frame in enumerate(frames):
        kind = _kind(frame)
        if kind in trees:
            near = trees[kind].query_ball_point(_coordinates(frame), TWIN_DISTANCE, p=np.inf)
            if any(others[kinds[kind][index]].group != frame.group for index in near):
                twins.append(position)
    return twins


def _kind(frame: Frame) -> bytes:
    configuration = frame.configuration
    return configuration.numbers.astype("<i8").tobytes() + configuration.oxidation_states.astype("<i8").tobytes()


def _coordinates(frame: Frame) -> NDArray[np.float64]:
    """Positions and cell vectors in Å, in one row."""
    coordinates: NDArray[np.float64] = np.concatenate(
        [frame.configuration.positions.ravel(), frame.configuration.cell.ravel()]
    )
    return coordinates
