"""Subsets of a dataset for learning curves and cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.strata import ordered_trajectories, pattern_names, shuffle_key
from aiida_redoxmlp.errors import InputError

__all__ = ("nested_subsets", "trajectory_folds")


def nested_subsets(frames: Sequence[Frame], sizes: Sequence[int], seed: int = 0) -> dict[int, tuple[Frame, ...]]:
    """Return training sets of growing size, each within the next, with every pattern in proportion.

    The first frames are one of each pattern; from then on the pattern that lags most behind its share is next. Which
    frame of a pattern is next is decided by the seed.

    Args:
        frames: frames to train on, after the test set was held out.
        sizes: number of frames of each subset.
        seed: of the shuffling; the same frames in another order give the same subsets.

    Returns:
        For each size, ascending, its frames in the order given.

    Raises:
        InputError: if there are no sizes, or one of them is below 1 or above the number of frames.
    """
    wanted = sorted(set(sizes))
    if not wanted or wanted[0] < 1 or wanted[-1] > len(frames):
        raise InputError(f"Subsets of {wanted} frames cannot be taken from {len(frames)}; give sizes from 1 to that.")
    names = pattern_names(frames)
    waiting: dict[str, list[int]] = {}
    for index in sorted(range(len(frames)), key=lambda index: _key(frames[index], seed)):
        waiting.setdefault(names[index], []).append(index)
    totals = {name: len(indices) for name, indices in sorted(waiting.items())}
    taken: Counter[str] = Counter()
    order: list[int] = []
    for count in range(1, wanted[-1] + 1):
        name = max(
            (name for name, total in totals.items() if taken[name] < total),
            key=lambda name: (not taken[name], totals[name] * count / len(frames) - taken[name]),
        )
        order.append(waiting[name][taken[name]])
        taken[name] += 1
    return {size: tuple(frames[index] for index in sorted(order[:size])) for size in wanted}


def trajectory_folds(frames: Sequence[Frame], n_folds: int, seed: int = 0) -> tuple[tuple[Frame, ...], ...]:
    """Sort whole trajectories into folds for cross-validation, with every pattern spread over as many as possible.

    Train on all folds but one and test on that one. The largest trajectories are placed first, each in the fold that
    has the fewest frames of its patterns. A pattern with one trajectory is in one fold only.

    Args:
        frames: the frames.
        n_folds: number of folds, from 2 to the number of trajectories.
        seed: decides between folds and trajectories that are equally good.

    Returns:
        The folds, each in the order given; none is empty.

    Raises:
        InputError: if there are fewer trajectories than folds, or fewer than two folds.
    """
    trajectories = ordered_trajectories(frames)
    if not 2 <= n_folds <= len(trajectories):
        raise InputError(
            f"{len(trajectories)} trajectories cannot make {n_folds} folds; give from 2 folds to one a trajectory."
        )
    names = pattern_names(frames)
    counts = {group: Counter(names[index] for index in indices) for group, indices in trajectories.items()}
    placed: list[Counter[str]] = [Counter() for _ in range(n_folds)]
    fold_of: dict[str, int] = {}
    left = len(trajectories)
    for group in sorted(counts, key=lambda group: (-len(trajectories[group]), shuffle_key(seed, group), group)):
        empty = [fold for fold in range(n_folds) if not placed[fold]]
        choices = empty if len(empty) == left else range(n_folds)
        fold_of[group] = min(choices, key=lambda fold: _crowding(placed[fold], counts[group]))
        placed[fold_of[group]].update(counts[group])
        left -= 1
    return tuple(tuple(frame for frame in frames if fold_of[frame.group] == fold) for fold in range(n_folds))


def _crowding(there: Counter[str], more: Counter[str]) -> tuple[int, int]:
    """Frames of the same patterns in a fold, then all its frames."""
    return sum(there[name] * count for name, count in more.items()), there.total()


def _key(frame: Frame, seed: int) -> str:
    return shuffle_key(seed, f"{frame.group}:{frame.step}:{frame.content_hash}")
