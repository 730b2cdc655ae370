"""A pw.x output cut into the text of each ionic step, in one pass over its bytes."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

__all__ = ("Segment", "segments")

_OPENING = b"Self-consistent Calculation"
_ITERATION = b"iteration #"
_ITERATION_LINE = b"\n     iteration #"
_LONGEST_SEGMENT = 2**25
"""Of a step with more bytes than this only the last half are kept: what counts is printed at its end."""

_NUMBER = re.compile(rb"\s*(\d+)\s")


@dataclass(frozen=True, eq=False)
class Segment:
    """The bytes from the start of one SCF cycle to the start of the next, or those before the first.

    Attributes:
        offset: where it starts in the uncompressed file.
        data: whole lines.
        iterations: where in ``data`` each SCF iteration begins, and its number.
        is_last: whether the file ends with it.
    """

    offset: int
    data: bytes
    iterations: list[tuple[int, int]]
    is_last: bool


def segments(chunks: Iterable[bytes]) -> Generator[Segment, None, None]:
    """Yield the text before the first SCF cycle, then that of each step.

    An SCF cycle opens with two lines, and either is enough so that damage to one does not merge two steps. A last line
    without an end may be cut, so it is left out.
    """
    buffer = _Buffer()
    for chunk in chunks:
        buffer.append(chunk)
        yield from buffer.finished()
    yield buffer.rest()


class _Buffer:
    """What has been read and not yet been given away: at most a step and a chunk."""

    def __init__(self) -> None:
        self._data = b""
        self._offset = 0
        self._start = 0
        self._searched = 0
        self._scanned = 0
        self._in_cycle = False
        self._iterations: list[tuple[int, int]] = []

    def append(self, chunk: bytes) -> None:
        """Add to the end, and forget what was given away."""
        start = self._start
        self._data = self._data[start:] + chunk
        self._offset += start
        self._searched -= start
        self._scanned -= start
        self._iterations = [(at - start, number) for at, number in self._iterations]
        self._start = 0

    def finished(self) -> Iterator[Segment]:
        """Yield the segments whose end is in the buffer."""
        while (end := self._next_opening()) is not None:
            yield self._cut(end, is_last=False)
            self._in_cycle = True
        if len(self._data) - self._start > _LONGEST_SEGMENT:
            self._start = len(self._data) - _LONGEST_SEGMENT // 2
            self._searched, self._scanned = max(self._searched, self._start), max(self._scanned, self._start)
            self._iterations = [pair for pair in self._iterations if pair[0] >= self._start]

    def rest(self) -> Segment:
        """Return the last segment, without a line that has no end."""
        return self._cut(self._data.rfind(b"\n") + 1, is_last=True)

    def _cut(self, end: int, *, is_last: bool) -> Segment:
        start = self._start
        iterations = [(at - start, number) for at, number in self._iterations if at < end]
        self._iterations = [pair for pair in self._iterations if pair[0] >= end]
        self._start = end
        return Segment(self._offset + start, self._data[start:end], iterations, is_last)

    def _next_opening(self) -> int | None:
        """Return where the line that opens the next SCF cycle starts."""
        opening = self._find_opening(self._searched)
        # A line that has no end yet is looked at again when it has one.
        complete = max(self._data.rfind(b"\n", self._start) + 1, self._start)
        iteration = self._scan(complete if opening is None else opening)
        if iteration is not None:
            return iteration
        self._searched = complete if opening is None else self._data.find(b"\n", opening)
        return opening

    def _find_opening(self, begin: int) -> int | None:
        """Return the start of the first whole line that says that an SCF cycle begins."""
        at = begin
        while (at := self._data.find(_OPENING, at)) >= 0:
            line, end = self._line_start(at), self._data.find(b"\n", at)
            if end < 0:
                return None
            if not self._data[line:at].strip() and not self._data[at + len(_OPENING) : end].strip():
                return line
            at += 1
        return None

    def _scan(self, end: int) -> int | None:
        """Note the SCF iterations up to ``end``; return where another first one than that of this cycle starts."""
        data, at, noted = self._data, self._scanned, self._iterations
        while (at := data.find(b"#", at, end)) >= 0:
            at += 1
            start = at - len(_ITERATION)
            line = at - len(_ITERATION_LINE) + 1
            if line < self._start or data[line - 1 : at] != _ITERATION_LINE:
                # The first line of the buffer, or one with another indent.
                if data[max(start, 0) : at] != _ITERATION:
                    continue
                line = self._line_start(start)
                if data[line:start].strip():
                    continue
            match = _NUMBER.match(data, at)
            if match is None:
                continue
            number = int(match[1])
            opens = number == 1 and bool(noted or not self._in_cycle)
            noted.append((start, number))
            if opens:
                self._scanned = at
                return line
        self._scanned = max(self._scanned, end)
        return None

    def _line_start(self, at: int) -> int:
        return max(self._data.rfind(b"\n", self._start, at) + 1, self._start)
