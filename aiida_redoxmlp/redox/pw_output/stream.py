"""The ionic steps of a pw.x output one after the other, in one pass and constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pw_output.checks import check_ions, check_steps
from aiida_redoxmlp.redox.pw_output.entries import Entry, EntryRun
from aiida_redoxmlp.redox.pw_output.geometry import Geometry, first_geometry, next_geometries
from aiida_redoxmlp.redox.pw_output.header import PwHeader, check_header, read_header, read_version
from aiida_redoxmlp.redox.pw_output.ionic import ionic_steps
from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError
from aiida_redoxmlp.redox.pw_output.reader import Run, StepReader
from aiida_redoxmlp.redox.pw_output.segments import Segment, segments
from aiida_redoxmlp.redox.pw_output.sequence import StepSequence, laws_of
from aiida_redoxmlp.redox.pw_output.source import ByteSource, Source
from aiida_redoxmlp.redox.pw_output.stacking import of_steps
from aiida_redoxmlp.redox.pw_output.step import StepNumbers
from aiida_redoxmlp.redox.pw_output.text import StepText

__all__ = ("PwOutputStream", "stream_pw_output")

_RESULTS = ("iteration", "energy", "forces", "dynamics", "cell", "positions")
_JOB_DONE = b"JOB DONE"
_ERROR = re.compile(rb"^[ \t]*Error in routine.*\n?.*", re.MULTILINE)
_LINES_BEFORE_PROGRAM = 1000
"""How far down the program's name may stand, below what batch systems and launchers print."""


def stream_pw_output(source: Source) -> PwOutputStream:
    """Read the ionic steps of a pw.x output of any length, one after the other.

    A step that is cut off, garbled, or contradicts itself or the steps around it is left out with a warning. Steps
    whose SCF cycle did not converge are given with ``scf_converged`` False.

    Args:
        source: path of the text, which may be gzip-compressed, or an open binary or text stream.

    Raises:
        OutputFormatError: if this is not the output of pw.x or cannot be opened.
    """
    return PwOutputStream(source)


class PwOutputStream:
    """An iterator over the whole ionic steps of one pw.x output, in order.

    Attributes:
        version: version of pw.x.
        header: the set-up of the run, or None where it cannot be read.
        complete: after the last step, whether the run ended in the file and every step of it was whole; False before.
        warnings: one sentence for each thing that is missing so far; of a step its number, from 1, and the byte of the
            uncompressed file at which it begins.
    """

    def __init__(self, source: Source, *, use_checks: bool = True, use_templates: bool = True) -> None:
        self.complete = False
        self._warnings: list[str] = []
        self._source = ByteSource(source)
        self._segments = segments(self._source)
        self._use_checks = use_checks
        self._use_templates = use_templates
        self._last = next(self._segments)
        self._number_of_steps = 0
        lines = StepText(self._last.data).lines
        version = read_version(lines[:_LINES_BEFORE_PROGRAM])
        if version is None:
            self.close()
            raise OutputFormatError(
                f"{self._source.name} is not an output of pw.x: it has no line 'Program PWSCF'; give what pw.x printed."
            )
        self.version = version
        self.header: PwHeader | None = None
        try:
            header = read_header(lines)
            if use_checks:
                check_header(lines, header)
            self.header = header
        except GarbledBlockError as error:
            self._warnings.append(f"No ionic step can be read: {error}.")
        self._steps = self._run()

    @property
    def warnings(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(self._warnings)

    def __iter__(self) -> Iterator[IonicStep]:
        return self

    def __next__(self) -> IonicStep:
        return next(self._steps)

    def __enter__(self) -> PwOutputStream:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it was opened here; the last step closes it as well."""
        self._segments.close()

    def _run(self) -> Iterator[IonicStep]:
        header = self.header
        if header is not None:
            reader = StepReader(header, use_templates=self._use_templates)
            sequence = StepSequence(laws_of(header) if self._use_checks else ())
            geometry, first = self._start(header), 0
            for run in reader.runs(self._noted_segments()):
                followings = next_geometries(run.geometry, header, geometry, len(run.tails))
                entries, alike = self._entries(run, first, header, [geometry, *followings])
                yield from self._given(sequence.judge(entries, alike))
                geometry, first = followings[-1], first + len(entries)
            yield from self._given(sequence.finish())
        else:
            for _ in self._noted_segments():
                pass
        self._conclude()

    def _start(self, header: PwHeader) -> Geometry:
        """Return the geometry of the first step, which is a later one if there are results in the header's text."""
        text = StepText(self._last.data)
        if not any(text.marks[name] for name in _RESULTS):
            return first_geometry(header)
        self._warnings.append(
            "Results that are printed before the first SCF cycle belong to no ionic step "
            f"(they end before byte {self._last.offset + len(self._last.data)})."
        )
        cell = None if text.marks["cell"] else header.cell
        return Geometry(cell, None, problem="what is printed before it is damaged")

    def _noted_segments(self) -> Iterator[Segment]:
        for segment in self._segments:
            self._last = segment
            self._number_of_steps += 1
            yield segment

    def _entries(
        self, run: Run, first: int, header: PwHeader, geometries: Sequence[Geometry]
    ) -> tuple[list[Entry], EntryRun | None]:
        """Convert and check the steps of a run; return them, and the run if nothing is wrong with any of them."""
        numbers = run.numbers
        steps = [None] if numbers is None else ionic_steps(numbers, first, header, geometries[:-1])
        entries = [
            Entry(first + row, tail, before, after, step, problem or before.problem, numbers, row, run.printed)
            for row, (tail, before, after, step, problem) in enumerate(
                zip(run.tails, geometries[:-1], geometries[1:], steps, run.problems, strict=True)
            )
        ]
        if numbers is None:
            return entries, None
        if run.text is not None and not run.text.ends and _JOB_DONE not in self._last.data:
            entries[-1].blame("the output ends within it")
        if run.text is not None and _JOB_DONE in self._last.data and not run.text.marks["timings"]:
            entries[-1].blame("the text after it is damaged: the run ended, but its timings are missing")
        if self._use_checks and not self._pass(run, numbers, header, geometries[0]):
            for entry, last, earlier in zip(entries, run.last_iterations, run.earlier, strict=True):
                self._check(entry, header, last, earlier)
        return entries, None if any(entry.problem for entry in entries) else EntryRun(entries, numbers)

    def _pass(self, run: Run, numbers: StepNumbers, header: PwHeader, geometry: Geometry) -> bool:
        try:
            check_steps(numbers, header, run.last_iterations, run.earlier)
            self._check_first(numbers, header, geometry)
        except GarbledBlockError:
            return False
        return True

    def _check_first(self, numbers: StepNumbers, header: PwHeader, geometry: Geometry) -> None:
        """Check a geometry that no step before it can confirm: the first one, and each one with a new cell."""
        if geometry.in_header or geometry.cell is not header.cell:
            check_ions(of_steps(numbers, slice(1)), header, geometry)

    def _check(self, entry: Entry, header: PwHeader, last: float, earlier: NDArray[np.float64]) -> None:
        try:
            if entry.numbers is not None:
                check_steps(entry.numbers, header, np.array([last]), earlier[None])
                self._check_first(entry.numbers, header, entry.geometry)
        except GarbledBlockError as error:
            entry.blame(str(error))

    def _given(self, entries: Iterable[Entry]) -> Iterator[IonicStep]:
        for entry in entries:
            if entry.step is not None and not entry.problem:
                yield entry.step
            else:
                self._warnings.append(
                    f"Ionic step {entry.index + 1} is left out: {entry.problem} (it begins at byte {entry.offset})."
                )

    def _conclude(self) -> None:
        last, steps = self._last, self._number_of_steps
        ended = _JOB_DONE in last.data
        if self._source.problem is not None:
            self._warnings.append(self._source.problem)
        self.complete = ended and not self._warnings
        error = _ERROR.search(last.data)
        if error is not None:
            what = " ".join(error[0].decode("ascii", "replace").split())
            self._warnings.append(f"pw.x stopped with an error: {what}.")
        if not ended:
            end = last.offset + len(last.data)
            where = f"in ionic step {steps}" if steps else "before the first ionic step"
            self._warnings.append(f"The output is cut off at byte {end}, {where}: it does not end with 'JOB DONE'.")
