"""The steps of a file as they are judged against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pw_output.geometry import Geometry
from aiida_redoxmlp.redox.pw_output.stacking import of_steps
from aiida_redoxmlp.redox.pw_output.step import StepNumbers
from aiida_redoxmlp.redox.pw_output.tail import Tail

__all__ = ("Entry", "EntryRun", "Law")


class Entry:
    """A step of a file that has been read, and what is known about it.

    Attributes:
        index: number of the step in its file, from 0.
        offset: byte at which it begins.
        clock: times in s that pw.x had spent at points of it, as far as they can be read, in their order.
        geometry: cell and positions it was computed at.
        following: those printed after it.
        step: in eV and Å, or None where it could not be made.
        problem: why it is left out, or empty.
        printed: what of the numbers has a heading, of a step of which they cannot be read.
    """

    __slots__ = (
        "_numbers", "_row", "clock", "following", "geometry", "index", "offset", "printed", "problem", "step",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        tail: Tail,
        geometry: Geometry,
        following: Geometry,
        step: IonicStep | None,
        problem: str,
        numbers: StepNumbers | None,
        row: int,
        printed: frozenset[str],
    ) -> None:
        self.index = index
        self.offset = tail.offset
        self.clock = tail.clock
        self.geometry = geometry
        self.following = following
        self.step = step
        self.problem = problem
        self.printed = printed
        self._numbers = numbers
        self._row = row

    @property
    def numbers(self) -> StepNumbers | None:
        """As printed, as those of one step; None where they could not be read."""
        if self._numbers is None or len(self._numbers.energy) == 1:
            return self._numbers
        return of_steps(self._numbers, slice(self._row, self._row + 1))

    @property
    def moves(self) -> bool:
        """Whether it is a step of molecular dynamics."""
        return self._numbers is not None and self._numbers.counter is not None

    def blame(self, problem: str) -> None:
        """Leave the step out, if it is not left out for another reason already."""
        self.problem = self.problem or problem


@dataclass(frozen=True, eq=False)
class EntryRun:
    """Consecutive steps that were read alike and with none of which anything is wrong by itself.

    Attributes:
        entries: the steps.
        numbers: of all of them.
    """

    entries: Sequence[Entry]
    numbers: StepNumbers

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Numbers of the steps in their file."""
        return np.arange(self.entries[0].index, self.entries[-1].index + 1)


class Law(Protocol):
    """Judges the steps of a file in their order."""

    def judge(self, entry: Entry) -> int:
        """Take the next step; blame it or earlier ones. Returns the index before which all have been judged."""

    def pass_all(self, run: EntryRun) -> Callable[[], None] | None:
        """Say whether judging the steps one by one would blame none and leave none waiting.

        Returns:
            None if it might; otherwise what brings the law to where judging them would have brought it.
        """

    def finish(self) -> None:
        """Judge those that are left, after the last step."""
