"""Frames of trajectories that are worth training on: apart in time, and of every redox pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Any

import numpy as np

from aiida_redoxmlp.dataset.autocorrelation import autocorrelation_time, pooled_autocorrelation_time
from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError

__all__ = ("FEWEST_FRAMES", "autocorrelation_time", "decorrelated", "independent_stride")

FEWEST_FRAMES = 10
"""Frames below which a trajectory says nothing about its autocorrelation time."""

_RELIABLE_LENGTH = 10.0
"""Autocorrelation times that a trajectory must last for its estimate to be more than a lower bound."""


@dataclass(frozen=True)
class _Spacing:
    """How far apart, in ionic steps, the frames of a trajectory have to be, and why."""

    stride: int
    inefficiency: float | None
    note: str


def decorrelated(
    dataset: Dataset,
    *,
    minimum_per_pattern: int = 3,
    include_ambiguous: bool = False,
    fallback_stride: int = 5,
    relaxations: Collection[str] = (),
) -> tuple[Dataset, dict[str, Any]]:
    """Keep frames of each trajectory that are at least one statistical inefficiency apart.

    The statistical inefficiency g = 2τ is that of the potential energy or of the largest force of a frame,
    whichever is the slower; energies and forces are taken relative to their means over each stretch of one redox
    pattern, so that a switch is not taken for slow memory. Of every stretch the first frame is kept (the first after
    each switch), then each that follows the one kept before by g or more. A pattern left with fewer than
    ``minimum_per_pattern`` frames gets more, always the one farthest in time from those kept. Content that occurred
    before, in whichever trajectory, is left out first. The result depends on the frames and their order only.

    Args:
        dataset: frames of any number of trajectories (:attr:`Frame.group`).
        minimum_per_pattern: frames each pattern of a trajectory keeps, if it has that many.
        include_ambiguous: keep ambiguous frames as well; they always count for the autocorrelation.
        fallback_stride: ionic steps between the frames of trajectories too short to have their autocorrelation time
            estimated, and of relaxations.
        relaxations: groups that are relaxations, whose energies only fall and so have no autocorrelation time. Their
            steps are counted from the last, which is the relaxed structure and is kept.

    Returns:
        The frames kept, in their order, and a summary ready for JSON: ``n_frames``, ``n_kept``, ``n_duplicates`` and
        ``groups``, for each group with ``n_frames``, ``n_ambiguous``, ``inefficiency`` (in ionic steps; null where it
        was not estimated), ``stride`` (ionic steps), ``kept`` (number of frames by pattern) and ``note``, a sentence
        where there is something to know.

    Raises:
        InputError: if a number is too small, or a group of ``relaxations`` does not exist.
    """
    _check(dataset, minimum_per_pattern, fallback_stride, relaxations)
    unique = dataset.deduplicated()
    chosen: set[int] = set()
    groups: dict[str, Any] = {}
    for name, frames in unique.groups.items():
        relaxation = name in relaxations
        spacing = _fallback(frames, fallback_stride, relaxation) or _estimated(frames)
        eligible = [frame for frame in frames if include_ambiguous or not frame.ambiguous]
        kept = _apart(eligible, spacing.stride, backwards=relaxation)
        kept = _with_minimum(eligible, kept, minimum_per_pattern)
        chosen.update(id(frame) for frame in kept)
        groups[name] = {
            "n_frames": len(frames),
            "n_ambiguous": sum(frame.ambiguous for frame in frames),
            "inefficiency": spacing.inefficiency,
            "stride": spacing.stride,
            "kept": dict(sorted(Counter(frame.pattern.label for frame in kept).items())),
            "note": spacing.note,
        }
    result = Dataset(frame for frame in unique if id(frame) in chosen)
    return result, {
        "n_frames": len(dataset),
        "n_kept": len(result),
        "n_duplicates": len(dataset) - len(unique),
        "groups": groups,
    }


def independent_stride(frames: Sequence[Frame], fallback_stride: int = 5) -> int:
    """Return after how many ionic steps the frames of a trajectory are independent, estimated as for subsampling.

    Args:
        frames: frames of one trajectory, in order of time.
        fallback_stride: what to return for fewer than :data:`FEWEST_FRAMES` frames.
    """
    return (_fallback(frames, fallback_stride, False) or _estimated(frames)).stride


def _check(dataset: Dataset, minimum_per_pattern: int, fallback_stride: int, relaxations: Collection[str]) -> None:
    if minimum_per_pattern < 0:
        raise InputError(f"minimum_per_pattern is {minimum_per_pattern}; give 0 or more frames.")
    if fallback_stride < 1:
        raise InputError(f"fallback_stride is {fallback_stride}; give 1 or more ionic steps.")
    unknown = sorted(set(relaxations) - set(dataset.groups))
    if unknown:
        raise InputError(f"{unknown[0]!r} of relaxations is no group of the dataset; it has {sorted(dataset.groups)}.")


def _fallback(frames: Sequence[Frame], stride: int, relaxation: bool) -> _Spacing | None:
    if relaxation:
        return _Spacing(stride, None, f"A relaxation: every {stride}th ionic step, counted from the last.")
    if len(frames) < FEWEST_FRAMES:
        note = (
            f"{len(frames)} frames are too few for an autocorrelation time, which takes {FEWEST_FRAMES}: "
            f"every {stride}th ionic step."
        )
        return _Spacing(stride, None, note)
    return None


def _estimated(frames: Sequence[Frame]) -> _Spacing:
    inefficiency = max(1.0, 2.0 * _slowest_time(frames))
    spacing = float(np.median(np.diff([frame.step for frame in frames])))
    note = ""
    if len(frames) < _RELIABLE_LENGTH * inefficiency:
        note = (
            f"{len(frames)} frames are fewer than {_RELIABLE_LENGTH:.0f} statistical inefficiencies, which is then "
            "likely underestimated; a longer trajectory would tell."
        )
    return _Spacing(max(1, ceil(round(inefficiency * spacing, 6))), inefficiency * spacing, note)


def _slowest_time(frames: Sequence[Frame]) -> float:
    """Autocorrelation time in frames of the energy or of the largest force; one that never changes tells nothing."""
    energies = [frame.energy for frame in frames]
    forces = [float(np.linalg.norm(frame.forces, axis=1).max()) for frame in frames]
    changing = [series for series in (energies, forces) if min(series) < max(series)]
    return max(pooled_autocorrelation_time(_stretches(frames, series)) for series in changing or [energies])


def _stretches(frames: Sequence[Frame], series: Sequence[float]) -> list[list[float]]:
    """Cut a series where the pattern changes; frames in doubt belong to the stretch they are in."""
    stretches: list[list[float]] = [[]]
    current = next((frame.pattern for frame in frames if not frame.ambiguous), None)
    for frame, value in zip(frames, series, strict=True):
        if not frame.ambiguous and frame.pattern != current:
            stretches.append([])
            current = frame.pattern
        stretches[-1].append(value)
    return stretches


def _apart(frames: Sequence[Frame], stride: int, *, backwards: bool) -> list[Frame]:
    """Return the first frame of each stretch of one pattern, and those at least a stride apart.

    Backwards the last of each stretch is where the strides are counted from.
    """
    kept: list[Frame] = []
    for number, (_, stretch) in enumerate(groupby(frames, key=lambda frame: frame.pattern)):
        ordered = list(stretch)
        last = None
        for frame in reversed(ordered) if backwards else ordered:
            if last is None or abs(frame.step - last) >= stride or (number and frame is ordered[0]):
                kept.append(frame)
                last = frame.step
    return kept


def _with_minimum(frames: Sequence[Frame], kept: Sequence[Frame], minimum: int) -> list[Frame]:
    """Add frames of patterns that have too few, each the farthest from those kept of its pattern."""
    result = list(kept)
    taken = {id(frame) for frame in kept}
    for pattern in sorted({frame.pattern for frame in frames}):
        have = [frame.step for frame in kept if frame.pattern == pattern]
        left = [frame for frame in frames if frame.pattern == pattern and id(frame) not in taken]
        while len(have) < minimum and left:
            steps = np.array([frame.step for frame in left])
            farthest = int(np.abs(steps[:, None] - np.array(have)).min(axis=1).argmax())
            have.append(left[farthest].step)
            result.append(left.pop(farthest))
    return result
