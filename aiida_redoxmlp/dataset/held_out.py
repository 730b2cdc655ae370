"""Which trajectories to hold out so that every pattern is trained on and tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aiida_redoxmlp.dataset.strata import shuffle_key

__all__ = ("LARGEST_EXCESS", "choose_trajectories")

LARGEST_EXCESS = 2.0
"""Of no pattern more than this times the share asked for is held out, so that tests do not eat up the labels."""

_Counts = Mapping[str, Mapping[str, int]]


def choose_trajectories(counts: _Counts, fraction: float, seed: int) -> frozenset[str]:
    """Choose whole trajectories so that of every pattern about a share is held out and some is left.

    Rare patterns are served first, each by the trajectory that brings the shares of all patterns closest to the one
    asked for; then trajectories are added as long as that improves. What equals in this is decided by the seed.
    A pattern whose smallest trajectory holds more than twice the share asked for stays without a choice; of a pattern
    one frame may always be held out.

    Args:
        counts: for each trajectory the number of frames of each pattern.
        fraction: share to hold out, between 0 and 1.
        seed: decides among equals.

    Returns:
        Names of the trajectories to hold out; the same whatever the order of ``counts``.
    """
    choice = _Choice(counts, fraction, seed)
    for pattern in sorted(choice.totals, key=lambda one: (choice.n_trajectories[one], one)):
        if not choice.held[pattern]:
            choice.take_best([name for name in choice.allowed() if counts[name].get(pattern)])
    while choice.take_best([name for name in choice.allowed() if choice.change(name) < 0]):
        pass
    return frozenset(choice.chosen)


class _Choice:
    """Trajectories chosen so far, with the number of frames of each pattern they hold."""

    def __init__(self, counts: _Counts, fraction: float, seed: int) -> None:
        self.counts = counts
        self.fraction = fraction
        self.order = sorted(counts, key=lambda name: (shuffle_key(seed, name), name))
        self.totals: Counter[str] = Counter()
        self.n_trajectories: Counter[str] = Counter()
        for own in counts.values():
            self.totals.update(own)
            self.n_trajectories.update(own.keys())
        self.chosen: set[str] = set()
        self.held: Counter[str] = Counter()

    def allowed(self) -> list[str]:
        """Trajectories that could be held out as well, in the order of the seed."""
        return [name for name in self.order if name not in self.chosen and self.counts[name] and self._fits(name)]

    def _fits(self, name: str) -> bool:
        return all(
            self.held[pattern] + count <= min(max(LARGEST_EXCESS * self.fraction * total, 1.0) + 1e-9, total - 1)
            for pattern, count in self.counts[name].items()
            for total in (self.totals[pattern],)
        )

    def change(self, name: str) -> float:
        """How the sum over patterns of the squared distance from the share asked for changes with one more."""
        change = 0.0
        for pattern, count in self.counts[name].items():
            total, held = self.totals[pattern], self.held[pattern]
            change += ((held + count) / total - self.fraction) ** 2 - (held / total - self.fraction) ** 2
        return round(change, 12)

    def take_best(self, candidates: list[str]) -> bool:
        """Hold out the candidate that fits best; tell whether there was one."""
        if not candidates:
            return False
        best = min(candidates, key=self.change)
        self.chosen.add(best)
        self.held.update(self.counts[best])
        return True
