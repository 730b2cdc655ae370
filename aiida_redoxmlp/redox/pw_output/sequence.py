"""The steps of one run judged against each other, each given on as soon as nothing that follows can change that."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from aiida_redoxmlp.redox.pw_output.centre import CentreLaw
from aiida_redoxmlp.redox.pw_output.entries import Entry, EntryRun, Law
from aiida_redoxmlp.redox.pw_output.header import PwHeader
from aiida_redoxmlp.redox.pw_output.kinetic import KineticLaw
from aiida_redoxmlp.redox.pw_output.laws import ClockLaw, CounterLaw, NetForceLaw, PresenceLaw
from aiida_redoxmlp.redox.pw_output.motion import MotionLaw

__all__ = ("StepSequence", "laws_of")


def laws_of(header: PwHeader) -> tuple[Law, ...]:
    """Return the laws that the steps of a run obey among each other."""
    motion = MotionLaw(header.masses)
    kinetic = KineticLaw(header.masses, motion)
    return (
        ClockLaw(),
        CounterLaw(restarted=header.restarted),
        NetForceLaw(),
        PresenceLaw(),
        CentreLaw(),
        motion,
        kinetic,
    )


class StepSequence:
    """Holds back the few steps that are not judged yet."""

    def __init__(self, laws: Sequence[Law]) -> None:
        self._laws = laws
        self._waiting: deque[Entry] = deque()

    def judge(self, entries: Sequence[Entry], run: EntryRun | None) -> Iterable[Entry]:
        """Take the next steps and yield those that all laws have judged.

        Args:
            entries: the steps.
            run: the same, if they were read alike.
        """
        if run is not None and not self._waiting:
            commits = [commit for law in self._laws if (commit := law.pass_all(run)) is not None]
            if len(commits) == len(self._laws):
                for commit in commits:
                    commit()
                return entries
        return self._judge_each(entries)

    def _judge_each(self, entries: Sequence[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self._waiting.append(entry)
            settled = min((law.judge(entry) for law in self._laws), default=entry.index + 1)
            while self._waiting and self._waiting[0].index < settled:
                yield self._waiting.popleft()

    def finish(self) -> Iterator[Entry]:
        """Yield the rest, after the last step."""
        for law in self._laws:
            law.finish()
        yield from self._waiting
        self._waiting.clear()
