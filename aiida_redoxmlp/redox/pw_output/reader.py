"""The numbers of one step after the other: line by line, or many at once where steps are printed alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.geometry import GeometryNumbers, read_geometry
from aiida_redoxmlp.redox.pw_output.header import PwHeader
from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError
from aiida_redoxmlp.redox.pw_output.segments import Segment
from aiida_redoxmlp.redox.pw_output.step import StepNumbers, read_step
from aiida_redoxmlp.redox.pw_output.tail import Tail, relevant
from aiida_redoxmlp.redox.pw_output.template import Template, make_template
from aiida_redoxmlp.redox.pw_output.text import StepText

__all__ = ("Run", "StepReader")

_HEADINGS = {"forces": "forces", "stress": "stress", "counter": "dynamics", "thermal": "temperature"}
_NONE: frozenset[str] = frozenset()
_MOST_TEMPLATES = 4
_MOST_ATTEMPTS = 16
"""Layouts after which a file is taken to have no layout that repeats, unless one of them has."""
_MOST_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Run:
    """What is printed about consecutive steps.

    Attributes:
        numbers: of all of them, or None where those of a single step cannot be read.
        geometry: what is printed after each.
        tails: their text.
        problems: for each, why the numbers cannot be read, or why they do not belong to one step, or empty.
        text: the lines, for the last step of a file.
        printed: which numbers have a heading, where those of a single step cannot be read.
    """

    numbers: StepNumbers | None
    geometry: GeometryNumbers
    tails: Sequence[Tail]
    problems: Sequence[str]
    text: StepText | None = None
    printed: frozenset[str] = frozenset()

    @property
    def last_iterations(self) -> NDArray[np.float64]:
        """Number of the last SCF iteration of each step, NaN where it cannot be told."""
        numbers = [tail.last_iteration for tail in self.tails]
        return np.array([np.nan if number is None else number for number in numbers])

    @property
    def earlier(self) -> NDArray[np.float64]:
        """What the SCF iteration before the last one says, see :class:`Tail`; shape (steps, 3)."""
        return np.array([tail.earlier for tail in self.tails])


class StepReader:
    """Reads the steps of one file; what it returns does not depend on ``use_templates``, only the time it takes."""

    def __init__(self, header: PwHeader, *, use_templates: bool = True) -> None:
        self._kinds = header.kinds
        self._templates: list[Template] = []
        self._attempts = 0 if use_templates else _MOST_ATTEMPTS
        self._alike: list[tuple[Tail, bytes]] = []

    def runs(self, segments: Iterable[Segment]) -> Iterator[Run]:
        """Yield what is printed about all steps, in order."""
        for segment in segments:
            tail = relevant(segment)
            if segment.is_last:
                yield from self._flush()
                yield self._read(tail, is_last=True)
            elif (picked := self._pick(tail)) is not None:
                self._alike.append((tail, picked))
                if len(self._alike) == _MOST_AT_ONCE:
                    yield from self._flush()
            else:
                yield from self._flush()
                if (picked := self._pick_otherwise(tail)) is not None:
                    self._alike.append((tail, picked))
                else:
                    yield self._read(tail, is_last=False)

    def _pick(self, tail: Tail) -> bytes | None:
        return self._templates[0].pick(tail.data) if self._templates and not tail.merged else None

    def _pick_otherwise(self, tail: Tail) -> bytes | None:
        """Try the other templates; the one that fits is tried first from now on."""
        for template in [] if tail.merged else self._templates[1:]:
            picked = template.pick(tail.data)
            if picked is not None:
                self._templates.remove(template)
                self._templates.insert(0, template)
                return picked
        return None

    def _flush(self) -> Iterator[Run]:
        """Read what was picked; a step of which that is not right is read line by line."""
        if not self._alike:
            return
        alike, self._alike = self._alike, []
        template = self._templates[0]
        values, good = template.read([picked for _, picked in alike])
        for is_good, group in groupby(range(len(alike)), key=good.tolist().__getitem__):
            steps = list(group)
            tails = [alike[step][0] for step in steps]
            if is_good:
                self._attempts = min(self._attempts, 0)
                numbers, geometry = template.results(values[steps[0] : steps[-1] + 1])
                yield Run(numbers, geometry, tails, [tail.problem for tail in tails])
            else:
                yield from (self._read(tail, is_last=False) for tail in tails)

    def _read(self, tail: Tail, *, is_last: bool) -> Run:
        text = StepText(tail.data)
        problem, numbers = tail.problem, None
        try:
            numbers = read_step(text, self._kinds)
            if numbers.occupations is None and tail.has_occupations:
                problem = problem or "no occupation block for the last SCF iteration"
        except GarbledBlockError as error:
            problem = problem or str(error)
        geometry = read_geometry(text, self._kinds)
        if tail.merged or (numbers is None and geometry.counter is None and not geometry.problem):
            # The positions may be those of another step, and no number of a step stands above them.
            geometry = replace(geometry, positions=None, problem="what is printed before it is damaged")
        if numbers is not None and not geometry.problem and not is_last:
            self._learn(tail.data, text, numbers, geometry)
        printed = frozenset(name for name, mark in _HEADINGS.items() if text.marks[mark]) if numbers is None else _NONE
        return Run(numbers, geometry, [tail], [problem], text if is_last else None, printed)

    def _learn(self, data: bytes, text: StepText, numbers: StepNumbers, geometry: GeometryNumbers) -> None:
        if self._attempts >= _MOST_ATTEMPTS or numbers.counter is None:
            return
        self._attempts += 1
        template = make_template(data, text, self._kinds, (numbers, geometry))
        if template is not None:
            self._templates = [template, *self._templates[: _MOST_TEMPLATES - 1]]
