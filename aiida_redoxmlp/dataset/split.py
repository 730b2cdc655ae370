"""Splits by trajectory and pattern; neighbouring frames are never on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.held_out import choose_trajectories
from aiida_redoxmlp.dataset.split_wording import warnings_of
from aiida_redoxmlp.dataset.strata import ordered_trajectories, pattern_names, shuffle_key, times_of
from aiida_redoxmlp.dataset.subsampling import independent_stride
from aiida_redoxmlp.dataset.tails import Tail, cut_tail
from aiida_redoxmlp.dataset.twins import twins_of
from aiida_redoxmlp.errors import InputError

__all__ = ("Split", "split_by_trajectory", "split_tail")


@dataclass(frozen=True, eq=False)
class Split:
    """Frames to train on and frames to test with.

    Attributes:
        training: frames to train on, in the order given.
        test: frames held out, in the order given.
        dropped: frames on neither side, as training on them would tell what is tested.
        summary: how the frames were split, ready for JSON; see :func:`split_by_trajectory`.
    """

    training: tuple[Frame, ...]
    test: tuple[Frame, ...]
    dropped: tuple[Frame, ...]
    summary: dict[str, Any]


def split_by_trajectory(frames: Sequence[Frame], fraction: float, seed: int = 0, *, gap: int | None = None) -> Split:
    """Hold out whole trajectories so that every pattern is trained on and tested, as far as that is possible.

    Successive ionic steps are nearly the same structure, and frames of one trajectory know each other. So trajectories
    (:attr:`Frame.group`) are held out as a whole, chosen by
    :func:`~aiida_redoxmlp.dataset.held_out.choose_trajectories`. A pattern whose trajectories are too few for that
    (one, or none small enough) is tested on the last frames of its trajectories, and frames between those and
    training are dropped. If they are too short even for that, and there are several, the smallest is held out.
    Held-out frames that have a near twin in a trajectory that is trained on are dropped too: molecular dynamics
    starts where a relaxation ended.

    Which frame goes where depends on the frames, the fraction, the seed and the gap, not on the order of the frames.
    Ambiguous frames go with their trajectory and count for no pattern, unless all frames are ambiguous.

    Args:
        frames: the frames to split.
        fraction: share to hold out of every pattern, between 0 and 1.
        seed: decides between trajectories that are equally good.
        gap: ionic steps to leave out between training and test frames of one trajectory; without it, the steps after
            which that trajectory's energies and forces are independent.

    Returns:
        The split. Its summary has ``fraction``, ``seed``, ``n_training``, ``n_test``, ``n_dropped``,
        ``held_out`` (names of the trajectories held out as a whole), ``tails`` (for each trajectory whose end was held
        out: ``n_test``, ``n_dropped``, ``gap`` in ionic steps and ``patterns``), ``n_twins``, ``patterns`` (for each
        the numbers ``training`` and ``test`` of its frames) and ``warnings``, one sentence each.

    Raises:
        InputError: if the fraction is not between 0 and 1, or the gap is negative.
    """
    _check(fraction, gap)
    state = _Splitting(frames, fraction, gap)
    state.hold_out(choose_trajectories(state.counts, fraction, seed))
    state.cut_tails(seed)
    state.hold_out_smallest()
    n_twins = state.drop_twins()
    summary = {
        "fraction": fraction,
        "seed": seed,
        **{f"n_{side}": len(state.members(side)) for side in ("training", "test", "dropped")},
        "held_out": sorted(state.held_out),
        "tails": {
            name: {
                "n_test": len(tail.test),
                "n_dropped": len(tail.dropped),
                "gap": tail.gap,
                "patterns": list(tail.patterns),
            }
            for name, tail in sorted(state.tails.items())
        },
        "n_twins": n_twins,
        "patterns": state.patterns(),
    }
    return Split(
        state.members("training"), state.members("test"), state.members("dropped"), summary | warnings_of(summary)
    )


def _check(fraction: float, gap: int | None = None) -> None:
    if not 0 < fraction < 1:
        raise InputError(f"A split fraction of {fraction} leaves one side empty; give a number between 0 and 1.")
    if gap is not None and gap < 0:
        raise InputError(f"A gap of {gap} ionic steps means nothing; give 0 or more.")


class _Splitting:
    """Where every frame goes: to training, until something is held out."""

    def __init__(self, frames: Sequence[Frame], fraction: float, gap: int | None) -> None:
        self.frames = frames
        self.fraction = fraction
        self.gap = gap
        self.names = pattern_names(frames)
        doubted = all(frame.ambiguous for frame in frames)
        self.trusted = [doubted or not frame.ambiguous for frame in frames]
        self.trajectories = ordered_trajectories(frames)
        self.counts = {
            group: dict(Counter(self.names[index] for index in indices if self.trusted[index]))
            for group, indices in self.trajectories.items()
        }
        self.side = ["training"] * len(frames)
        self.held_out: set[str] = set()
        self.tails: dict[str, Tail] = {}

    def members(self, side: str) -> tuple[Frame, ...]:
        """The frames of a side, in the order given."""
        return tuple(frame for frame, own in zip(self.frames, self.side, strict=True) if own == side)

    def patterns(self) -> dict[str, dict[str, int]]:
        """Number of trusted frames of every pattern on the two sides."""
        training, test = self._count("training"), self._count("test")
        names = {name for name, counts in zip(self.names, self.trusted, strict=True) if counts}
        return {name: {"training": training[name], "test": test[name]} for name in sorted(names)}

    def _count(self, side: str, without: str | None = None) -> Counter[str]:
        return Counter(
            name
            for name, own, counts, frame in zip(self.names, self.side, self.trusted, self.frames, strict=True)
            if own == side and counts and frame.group != without
        )

    def _untested(self) -> set[str]:
        return {name for name, counts in self.patterns().items() if not counts["test"]}

    def hold_out(self, groups: frozenset[str]) -> None:
        """Hold out whole trajectories."""
        self.held_out |= groups
        for group in groups:
            for index in self.trajectories[group]:
                self.side[index] = "test"

    def cut_tails(self, seed: int) -> None:
        """Test the patterns that no trajectory held out has on the ends of those that are trained on."""
        untested = self._untested()
        for group in sorted(self.trajectories, key=lambda name: (shuffle_key(seed, name), name)):
            wanted = untested & set(self.counts[group])
            if group in self.held_out or not wanted:
                continue
            indices = self.trajectories[group]
            members = [self.frames[index] for index in indices]
            tail = cut_tail(
                [self.names[index] for index in indices],
                times_of(members),
                [self.trusted[index] for index in indices],
                wanted,
                self.fraction,
                independent_stride(members) if self.gap is None else self.gap,
                self._count("training", without=group),
            )
            if tail is not None:
                self.tails[group] = tail
                for side, positions in (("test", tail.test), ("dropped", tail.dropped)):
                    for position in positions:
                        self.side[indices[position]] = side

    def hold_out_smallest(self) -> None:
        """Hold out the smallest trajectory of a pattern that is not tested yet, if some of it is left to train on."""
        for pattern in sorted(self._untested()):
            training = self._count("training")
            candidates = [
                group
                for group, own in self.counts.items()
                if pattern in own
                and group not in self.held_out | self.tails.keys()
                and all(training[name] > count for name, count in own.items())
            ]
            if candidates and pattern in self._untested():
                self.hold_out(frozenset([min(candidates, key=lambda name: (len(self.trajectories[name]), name))]))

    def drop_twins(self) -> int:
        """Drop the frames held out that other trajectories give to training as well; return their number."""
        training = [index for index, side in enumerate(self.side) if side == "training"]
        test = [index for index, side in enumerate(self.side) if side == "test"]
        twins = twins_of([self.frames[index] for index in test], [self.frames[index] for index in training])
        for position in twins:
            self.side[test[position]] = "dropped"
        return len(twins)


def split_tail(frames: Sequence[Frame], fraction: float) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Cut off the last share of every trajectory as a block.

    Enough for the validation set that stops a training; what judges a potential is
    :func:`split_by_trajectory`.
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
    _check(fraction)
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
