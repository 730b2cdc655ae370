"""What the ionic steps of one run must obey among each other; a law holds for a file once it has been seen to hold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.entries import Entry, EntryRun
from aiida_redoxmlp.redox.pw_output.step import StepNumbers

__all__ = ("ClockLaw", "CounterLaw", "NetForceLaw", "PresenceLaw")

_PRINTED_FORCE = 5.1e-9
_PRINTED_TIME = 5.1e-5


class CounterLaw:
    """The number that pw.x gives a step is one more than that of the step before, and 1 where a run starts."""

    def __init__(self, *, restarted: bool) -> None:
        self._ahead: float | None = None if restarted else 1.0
        self._suspected: float | None = None
        self._latest: tuple[float, float] | None = None

    def judge(self, entry: Entry) -> int:
        """See :meth:`Law.judge`."""
        numbers = entry.numbers
        counters = None if numbers is None else numbers.cycles if numbers.counter is None else numbers.counter
        if numbers is None or counters is None:
            return entry.index + 1
        counter, before = float(counters[0]), entry.geometry.counter
        ahead = counter - entry.index
        if before is not None and counter != before + 1:
            entry.blame(f"it is numbered {counter:.0f}, but its positions were printed by step {before:.0f}")
        if ahead in (self._ahead, self._suspected) or (self._ahead is None and not entry.problem):
            self._ahead = ahead
        elif self._ahead is not None:
            # Two in a row that agree with each other only come after lost steps.
            self._suspected = ahead
            entry.blame(f"it is numbered {counter:.0f} where {entry.index + self._ahead:.0f} belongs")
        if numbers.time is not None and not entry.problem:
            self._judge_time(entry, float(numbers.time[0]), counter)
        return entry.index + 1

    def _judge_time(self, entry: Entry, time: float, counter: float) -> None:
        if self._latest is not None:
            latest_time, latest = self._latest
            if abs(time - counter * latest_time / latest) > _PRINTED_TIME * (1 + counter / latest):
                entry.blame("its time is not the number of time steps times their length")
                return
        self._latest = time, counter

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """See :meth:`Law.pass_all`."""
        counters, times, latest = run.numbers.counter, run.numbers.time, self._latest
        if counters is None or times is None or latest is None or self._ahead is None:
            return None
        times_before, counters_before = np.array([latest[0], *times[:-1]]), np.array([latest[1], *counters[:-1]])
        rounding = _PRINTED_TIME * (1 + counters / counters_before)
        printed = [entry.geometry.counter for entry in run.entries]
        if (counters - run.indices != self._ahead).any() or (counters[1:] - 1 != printed[1:]).any():
            return None
        if printed[0] not in (None, counters[0] - 1):
            return None
        if (np.abs(times - counters * times_before / counters_before) > rounding).any():
            return None

        def commit() -> None:
            self._latest = float(times[-1]), float(counters[-1])

        return commit

    def finish(self) -> None:
        """See :meth:`Law.finish`."""


class NetForceLaw:
    """The forces add up to zero, because pw.x takes the net force out where nothing holds the ions."""

    def __init__(self) -> None:
        self._holds: bool | None = None

    def judge(self, entry: Entry) -> int:
        """See :meth:`Law.judge`."""
        numbers = entry.numbers
        if numbers is not None and numbers.forces is not None and not entry.problem:
            net, wrong = _net_forces(numbers.forces)
            if not wrong.any():
                self._holds = True
            elif self._holds or (self._holds is None and wrong.sum() == 1 and _is_one_digit(float(net.max()))):
                entry.blame("the forces do not add up to zero")
            else:
                self._holds = False
        return entry.index + 1

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """See :meth:`Law.pass_all`."""
        forces = run.numbers.forces
        if forces is None or self._holds is False:
            return _nothing
        return _nothing if self._holds and not _net_forces(forces)[1].any() else None

    def finish(self) -> None:
        """See :meth:`Law.finish`."""


def _nothing() -> None:
    pass


def _net_forces(forces: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the size of each component of the net force, and whether that is more than rounding."""
    net = np.abs(forces.sum(axis=1))
    return net, net > _PRINTED_FORCE * forces.shape[1]


def _is_one_digit(net: float) -> bool:
    """Whether a net force is what one wrong digit in one of the forces leaves."""
    digits = np.arange(1, 10) * 10.0 ** np.arange(-8, 2)[:, None]
    return bool((np.abs(digits - net) < 100 * _PRINTED_FORCE).any())


class PresenceLaw:
    """What is printed at one step that has forces is printed at each; only an SCF cycle that gave up has none."""

    def __init__(self) -> None:
        self._seen: frozenset[str] = frozenset()
        self._first: Entry | None = None

    def judge(self, entry: Entry) -> int:
        """See :meth:`Law.judge`."""
        numbers = entry.numbers
        if numbers is not None and numbers.gave_up:
            return entry.index + 1 if self._first is None else self._first.index
        present = entry.printed if numbers is None else _present(numbers)
        missing, new = sorted(self._seen - present), sorted(present - self._seen)
        if missing and numbers is not None:
            entry.blame(f"it lacks its {missing[0]}")
        if new and self._first is not None:
            self._first.blame(f"it lacks its {new[0]}")
        self._first = entry if numbers is not None and not self._seen else None
        self._seen |= present
        return entry.index if self._first is entry else entry.index + 1

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """See :meth:`Law.pass_all`."""
        return _nothing if self._first is None and _present(run.numbers) == self._seen else None

    def finish(self) -> None:
        """See :meth:`Law.finish`."""


def _present(numbers: StepNumbers) -> frozenset[str]:
    names = ("energy", "entropy", "forces", "magnetization", "occupations", "stress", "counter", "thermal", "time")
    return frozenset(name for name in names if getattr(numbers, name) is not None)


class ClockLaw:
    """The time that pw.x has spent never becomes less."""

    def __init__(self) -> None:
        self._latest = 0.0

    def judge(self, entry: Entry) -> int:
        """See :meth:`Law.judge`."""
        for time in entry.clock:
            if time < self._latest:
                entry.blame("more time was spent before it than up to it")
            self._latest = time
        return entry.index + 1

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """See :meth:`Law.pass_all`."""
        times = [self._latest, *(time for entry in run.entries for time in entry.clock)]
        if any(after < before for before, after in pairwise(times)):
            return None

        def commit() -> None:
            self._latest = times[-1]

        return commit

    def finish(self) -> None:
        """See :meth:`Law.finish`."""
