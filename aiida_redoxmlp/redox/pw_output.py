"""Every ionic step of a pw.x output, of Quantum ESPRESSO 6.x and 7.x, with its Hubbard occupations."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TextIO, cast

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.redox.occupations import IonicStep
from aiida_redoxmlp.redox.pw_output_header import PwHeader, read_header, read_version
from aiida_redoxmlp.redox.pw_output_numbers import GarbledBlockError
from aiida_redoxmlp.redox.pw_output_step import Geometry, StepText, read_next_geometry, read_step

__all__ = ("PwOutput", "read_pw_output")

_SCF_START = re.compile(r"\s*(?:Self-consistent Calculation\s*$|iteration #\s+1\s)")
_ENERGY = re.compile(r"!?\s+total energy\s+=")
_GZIP_MAGIC = b"\x1f\x8b"
_LINES_BEFORE_PROGRAM = 1000
"""How far down the program's name may stand, below what batch systems and launchers print."""


@dataclass(frozen=True, eq=False)
class PwOutput:
    """What could be read from a pw.x output.

    Attributes:
        steps: the whole ionic steps, in order; a step that is cut off or garbled is not among them.
        version: version of pw.x.
        complete: whether the run ended in the file and every step of it was whole.
        warnings: one sentence for each thing that is missing.
    """

    steps: tuple[IonicStep, ...]
    version: str
    complete: bool
    warnings: tuple[str, ...]


def read_pw_output(source: Path | TextIO) -> PwOutput:
    """Read the ionic steps of a pw.x output.

    Steps whose SCF cycle did not converge are returned with ``scf_converged`` False. The file is read step by
    step, so its size does not matter for memory.

    Args:
        source: path of the text file, which may be gzip-compressed, or an open text stream.

    Raises:
        OutputFormatError: if this is not the output of pw.x or cannot be opened.
    """
    if not isinstance(source, Path):
        return _read(source, "The text")
    with _opened(source) as stream:
        return _read(stream, str(source))


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
        open_text = gzip.open if compressed else open
        stream = cast("TextIO", open_text(path, "rt", encoding="utf-8", errors="replace"))
    except OSError as error:
        raise OutputFormatError(
            f"{path} cannot be read ({error.strerror}); give the text that pw.x printed."
        ) from error
    with stream:
        yield stream


def _read(stream: TextIO, name: str) -> PwOutput:
    lines = _whole_lines(stream)
    head = list(islice(lines, _LINES_BEFORE_PROGRAM))
    version = read_version(head)
    if version is None:
        raise OutputFormatError(
            f"{name} is not an output of pw.x: it has no line 'Program PWSCF'; give what pw.x printed."
        )
    segments = _segments(chain(head, lines))
    first = next(segments)
    try:
        header = read_header(first)
    except GarbledBlockError as error:
        *_, end = chain([first], segments)
        warnings = (f"No ionic step can be read: {error}.", *_warnings_about_the_end(StepText(end)))
        return PwOutput((), version, complete=False, warnings=warnings)
    return _read_steps(header, first, segments)


def _read_steps(header: PwHeader, before: list[str], segments: Iterator[list[str]]) -> PwOutput:
    geometry = Geometry(header.cell, header.positions, "the starting positions are not readable")
    steps: list[IonicStep] = []
    warnings: list[str] = []
    final = StepText(before)
    for index, (segment, is_last) in enumerate(_with_last(segments)):
        final = StepText(segment)
        try:
            if is_last and not _ended(segment) and not final.ends:
                raise GarbledBlockError("the output ends within it")  # noqa: TRY301
            steps.append(read_step(final, index, header, geometry))
        except GarbledBlockError as error:
            warnings.append(f"Ionic step {index + 1} is left out: {error}.")
        geometry = read_next_geometry(final, header, geometry)
    complete = _ended(final.lines) and not warnings
    warnings += _warnings_about_the_end(final)
    return PwOutput(tuple(steps), header.version, complete=complete, warnings=tuple(warnings))


def _ended(lines: Iterable[str]) -> bool:
    return any("JOB DONE" in line for line in lines)


def _warnings_about_the_end(final: StepText) -> Iterator[str]:
    if (line := final.last("error")) is not None:
        what = " ".join(" ".join(final.lines[line : line + 2]).split())
        yield f"pw.x stopped with an error: {what}."
    if not _ended(final.lines):
        yield "The output is cut off: it does not end with 'JOB DONE'."


def _whole_lines(stream: TextIO) -> Iterator[str]:
    """Yield the lines without their ends; a last line without an end may be cut, so it is left out."""
    try:
        for line in stream:
            if line.endswith("\n"):
                yield line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        # A compressed file that is cut off: what was unpacked so far is the output, cut off.
        return


def _segments(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines before the first SCF cycle, then those of each step.

    An SCF cycle opens with two lines and either is enough, so that damage to one does not merge two steps.
    """
    segment: list[str] = []
    opened = False
    for line in lines:
        if not opened and _SCF_START.match(line):
            yield segment
            segment, opened = [], True
        elif opened and _ENERGY.match(line):
            opened = False
        segment.append(line)
    yield segment


def _with_last(segments: Iterator[list[str]]) -> Iterator[tuple[list[str], bool]]:
    current = next(segments, None)
    while current is not None:
        following = next(segments, None)
        yield current, following is None
        current = following
