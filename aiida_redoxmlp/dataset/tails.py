"""The ends of trajectories as test sets, with frames left out in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ("Tail", "cut_tail")


@dataclass(frozen=True)
class Tail:
    """The end of a trajectory that is held out; numbers are positions in its order of time.

    Attributes:
        test: frames held out.
        dropped: frames on neither side, as they are too close in time to those held out.
        gap: every frame left is more than this many ionic steps from every frame held out; at least 1.
        patterns: those whose last frames were held out.
    """

    test: frozenset[int]
    dropped: frozenset[int]
    gap: int
    patterns: tuple[str, ...]


def cut_tail(
    names: Sequence[str],
    times: Sequence[int],
    trusted: Sequence[bool],
    wanted: Collection[str],
    fraction: float,
    gap: int,
    elsewhere: Mapping[str, int],
) -> Tail | None:
    """Hold out the last frames of some patterns of one trajectory.

    The gap shrinks, but not below one ionic step, until no more frames are dropped than held out, some are left and
    each pattern is still trained on. A frame that is not trusted goes where the trusted frame nearest in time goes.

    Args:
        names: pattern of each frame, in order of time.
        times: their ionic steps, ascending.
        trusted: whether the label counts.
        wanted: the patterns to hold out.
        fraction: share of the frames of each of them.
        gap: ionic steps to leave out around the frames held out, if the trajectory is long enough.
        elsewhere: number of frames of each pattern that other trajectories give to training.

    Returns:
        The tail with as many of the patterns as can be held out, or None where none can.
    """
    tail = None
    held: set[int] = set()
    for pattern in sorted(wanted):
        own = [index for index, name in enumerate(names) if name == pattern and trusted[index]]
        if not own:
            continue
        more = held | set(own[-max(1, round(fraction * len(own))) :])
        found = _with_gap(names, times, trusted, more, gap, elsewhere)
        if found is not None:
            held = more
            patterns = (pattern,) if tail is None else (*tail.patterns, pattern)
            tail = Tail(*found, patterns)
    return tail


def _with_gap(
    names: Sequence[str],
    times: Sequence[int],
    trusted: Sequence[bool],
    held: Collection[int],
    gap: int,
    elsewhere: Mapping[str, int],
) -> tuple[frozenset[int], frozenset[int], int] | None:
    """Return the frames held out, those dropped and the largest gap that leaves every pattern some training."""
    moments = np.array(times, dtype=np.int64)
    test = _with_doubtful(moments, np.array(trusted, dtype=bool), held)
    distances = np.abs(moments[:, None] - moments[test][None, :]).min(axis=1)
    present = {name for name, counts in zip(names, trusted, strict=True) if counts}
    limit = int(test.sum())
    for size in range(max(gap, 1), 0, -1):
        dropped = (distances <= size) & ~test
        left = Counter(name for index, name in enumerate(names) if trusted[index] and not (test | dropped)[index])
        if left and dropped.sum() <= limit and all(left[name] + elsewhere.get(name, 0) > 0 for name in present):
            return frozenset(np.flatnonzero(test).tolist()), frozenset(np.flatnonzero(dropped).tolist()), size
    return None


def _with_doubtful(moments: NDArray[np.int64], trusted: NDArray[np.bool_], held: Collection[int]) -> NDArray[np.bool_]:
    """Mark the frames held out, among them those in doubt whose nearest trusted frame is."""
    sure = np.flatnonzero(trusted)
    held_out = np.isin(sure, sorted(held))
    order = np.argsort(~held_out, kind="stable")  # between two equally near, the one held out decides
    nearest = np.abs(moments[:, None] - moments[sure[order]][None, :]).argmin(axis=1)
    marked: NDArray[np.bool_] = held_out[order][nearest]
    return marked
