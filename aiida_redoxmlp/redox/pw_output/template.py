"""Steps that are printed like one that has been read before: their numbers stand in the same columns.

A template is made of a step that was read line by line, and is applied to the bytes of later ones. Every byte outside
its numbers must be the same, every number must fill its columns as pw.x fills them, and between the pieces of text that
are read there must be no landmark. Then reading line by line would find the same numbers; otherwise that is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.columns import Columns
from aiida_redoxmlp.redox.pw_output.geometry import GeometryNumbers, read_geometry
from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError
from aiida_redoxmlp.redox.pw_output.stacking import same
from aiida_redoxmlp.redox.pw_output.step import StepNumbers, read_step
from aiida_redoxmlp.redox.pw_output.text import StepText, has_landmark, skeleton

__all__ = ("Results", "Template", "make_template")

Results = tuple[StepNumbers, GeometryNumbers]

_NUMBER = re.compile(rb"(?<= ) *-?\d+\.(?P<decimals>\d+)(?=[\s)])|(?:(?<=iteration = )|(?<=achieved in )) *\d+(?=\s)")
_ANCHOR = 24
"""Bytes at the start of a piece by which it is looked for."""
_MOST_GAPS = 4096

_Build = Callable[[NDArray[np.float64]], Any]


@dataclass(frozen=True, eq=False)
class _Piece:
    anchor: bytes
    length: int


class Template:
    """Reads steps that are printed like the one it was made of."""

    def __init__(self, pieces: Sequence[_Piece], columns: Columns, order: NDArray[np.intp], build: _Build) -> None:
        self._pieces = pieces
        self._columns = columns
        self._order = order
        self._build = build
        self._gaps = [0] * len(pieces)
        self._harmless: set[bytes] = set()

    def pick(self, data: bytes) -> bytes | None:
        """Return the parts of a step that hold its numbers, or None if it is not printed alike."""
        parts = self._parts(data)
        if parts is None:
            return None
        picked = b"".join(parts)
        return picked if self._columns.fits(picked) else None

    def read(self, picked: Sequence[bytes]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the numbers in what was picked from several steps, and for which of them that is right."""
        values, good = self._columns.read(picked)
        return values[:, self._order], good

    def results(self, values: NDArray[np.float64]) -> Results:
        """Return what steps with these numbers say, each array with a first axis for the steps."""
        results: Results = self._build(values)
        return results

    def _parts(self, data: bytes) -> list[bytes] | None:
        parts, end = [], 0
        for number, piece in enumerate(self._pieces):
            # Most gaps are as long as in the step before.
            start = end + self._gaps[number]
            if not data.startswith(piece.anchor, start):
                start = data.find(piece.anchor, end)
                if start < 0:
                    return None
            gap = data[end:start]
            if gap and not (gap.endswith(b"\n") and self._is_harmless(gap)):
                return None
            self._gaps[number] = start - end
            end = start + piece.length
            parts.append(data[start:end])
        return parts if self._is_harmless(data[end:]) else None

    def _is_harmless(self, gap: bytes) -> bool:
        bones = skeleton(gap)
        if bones in self._harmless:
            return True
        if has_landmark(bones):
            return False
        if len(self._harmless) > _MOST_GAPS:
            self._harmless.clear()
        self._harmless.add(bones)
        return True


def make_template(data: bytes, text: StepText, kinds: Sequence[str], results: Results) -> Template | None:
    """Make a template of a step that was read line by line, or return None if its layout is not that simple.

    Which number of the text is which result is found out by reading a copy of the step in which the numbers are
    replaced by their own ordinals.

    Args:
        data: the step.
        text: the same as it was read.
        kinds: the engine's species name of every atom.
        results: what was read.
    """
    ranges = _byte_ranges(data, text)
    joined = b"".join(data[start:stop] for start, stop in ranges)
    matches = list(_NUMBER.finditer(joined))
    if not matches:
        return None
    columns = Columns(joined, [(match.start(), match.end(), len(match["decimals"] or b"")) for match in matches])
    try:
        ordinals = _read(_with_ordinals(data, ranges), kinds)
    except GarbledBlockError:
        return None
    order: list[int] = []
    build = _plan(ordinals, order)
    if max(order) >= len(matches) or min(order) < 0:
        return None
    pieces = [_Piece(data[start:stop][:_ANCHOR], stop - start) for start, stop in ranges]
    template = Template(pieces, columns, np.array(order), build)
    picked = template.pick(data)
    if picked is None:
        return None
    values, good = template.read([picked])
    return template if good[0] and same(template.results(values), results) else None


def _read(data: bytes, kinds: Sequence[str]) -> Results:
    text = StepText(data)
    return read_step(text, kinds), read_geometry(text, kinds)


def _byte_ranges(data: bytes, text: StepText) -> list[tuple[int, int]]:
    """Return the stretches of bytes of which lines were read, merged where one follows another."""
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    used = sorted({number for lines in text.used for number in lines})
    ranges: list[tuple[int, int]] = []
    for number in used:
        start, stop = starts[number], min(starts[number + 1], len(data))
        if ranges and ranges[-1][1] == start:
            start = ranges.pop()[0]
        ranges.append((start, stop))
    return ranges


def _with_ordinals(data: bytes, ranges: Sequence[tuple[int, int]]) -> bytes:
    """Replace each number in ``ranges`` by its ordinal, from 1, with as many decimals."""
    text, end, ordinal = [], 0, 0

    def numbered(match: re.Match[bytes]) -> bytes:
        nonlocal ordinal
        ordinal += 1
        decimals = match["decimals"]
        return str(ordinal).encode() + (b"." + b"0" * len(decimals) if decimals else b"")

    for start, stop in ranges:
        text += [data[end:start], _NUMBER.sub(numbered, data[start:stop])]
        end = stop
    return b"".join([*text, data[end:]])


def _plan(ordinals: Any, order: list[int]) -> _Build:
    """Return what builds an object like ``ordinals`` of the numbers that its ordinals stand for.

    ``order`` is extended by the positions of those numbers, in the order in which they are taken.
    """
    if isinstance(ordinals, np.ndarray) and ordinals.dtype == np.float64:
        start, shape = len(order), ordinals.shape[1:]
        order.extend(round(value) - 1 for value in ordinals.ravel().tolist())
        stop = len(order)
        return lambda values: values[:, start:stop].reshape(len(values), *shape)
    if is_dataclass(ordinals):
        make: Any = type(ordinals)
        builds = [_plan(getattr(ordinals, field.name), order) for field in fields(ordinals)]
        return lambda values: make(*[build(values) for build in builds])
    if isinstance(ordinals, tuple):
        members = [_plan(member, order) for member in ordinals]
        return lambda values: tuple([build(values) for build in members])
    return lambda _: ordinals
