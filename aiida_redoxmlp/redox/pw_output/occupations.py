"""Hubbard occupation blocks of pw.x: the 7.x format and the two of 6.x (DFT+U, DFT+U+V)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError, block_numbers, line_numbers, one_number
from aiida_redoxmlp.redox.pw_output.stacking import one

__all__ = ("OccupationBlock", "Shell", "read_occupations")

# 7.x heads a site with "--- ATOM 1 ---" and prints its trace below, 6.x puts both on one line.
_SITE = re.compile(r"\s*(?:-+ ATOM\s+(\d+)|atom\s+(\d+)\s+Tr\[ns\(na\)\])")
_TRACE_SITE = re.compile(r"\s*(?:Tr\[ns\(\s*(\d+)\)\]|atom\s+(\d+)\s+Tr\[ns\(na\)\])")
_MOMENT = re.compile(r"\s*(?:Atomic magnetic moment for atom\s+(\d+)|atomic mag\. moment)\s*=(.*)")
_GENERALISED_SITE = re.compile(r"\s*Atom:\s+(\d+)\s+Spin:\s+(\d)")
_GENERALISED_TRACE = re.compile(r"\s*atom\s+(\d+)\s+(Tr|Mag)\[ns\(na\)\]=(.*)")
_TOTAL = re.compile(r"\s*(?:Number of occupied Hubbard levels|N of occupied \+U levels)\s*=(.*)")

_Channel = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Shell:
    """The printed occupations of all sites that have the same number of orbitals m, at one or more steps.

    Attributes:
        sites: numbers of the atoms, from 1, shape (n,).
        eigenvalues: shape (steps, n, spins, m).
        vectors: ``[..., i, k]`` is component i of eigenvector k, or its square; shape as ``matrices``.
        matrices: shape (steps, n, spins, m, m).
        sums: printed with each site, shape (steps, n, …): traces of up, down and both, then the moment; without spins
            the trace of both. In the DFT+U+V block of 6.x: trace of both and moment, or only the former.
    """

    sites: NDArray[np.int64]
    eigenvalues: NDArray[np.float64]
    vectors: NDArray[np.float64]
    matrices: NDArray[np.float64]
    sums: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OccupationBlock:
    """A printed occupation block, at one or more steps.

    Attributes:
        shells: the sites by their number of orbitals.
        order: numbers of all atoms in the block, in the order in which they are returned.
        squared: whether squares of eigenvector components are printed.
        generalised: whether it is the DFT+U+V block of 6.x.
        total: the printed number of levels, shape (steps,), or None where it does not add up from the printed sites.
    """

    shells: tuple[Shell, ...]
    order: tuple[int, ...]
    squared: bool
    generalised: bool
    total: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class _Site:
    number: int
    channels: list[_Channel]
    sums: list[float]


def read_occupations(lines: Sequence[str], kinds: Sequence[str]) -> OccupationBlock:
    """Read one block, from its heading to its last line.

    Args:
        lines: the block as printed by ``write_ns`` or ``write_nsg``.
        kinds: the engine's species name of every atom.

    Raises:
        GarbledBlockError: if anything in the block is not what pw.x prints there.
    """
    generalised = "write_nsg" in lines[0]
    sites = list(_read_generalised(lines)) if generalised else [_read_site(*section) for section in _sections(lines)]
    if not sites:
        raise GarbledBlockError("the occupation block has no sites")
    numbers = [site.number for site in sites]
    for number in numbers:
        if not 1 <= number <= len(kinds):
            raise GarbledBlockError(f"the occupations name atom {number} in a cell of {len(kinds)} atoms")
    if len(set(numbers)) != len(numbers):
        raise GarbledBlockError("the occupation block names an atom twice")
    return OccupationBlock(
        shells=tuple(_shells(sites)),
        order=tuple(numbers),
        squared="write_ns" in lines[0] and not generalised,
        generalised=generalised,
        total=None if generalised else _read_total(lines),
    )


def _shells(sites: Sequence[_Site]) -> Iterator[Shell]:
    layouts = list(dict.fromkeys(_layout(site) for site in sites))
    for layout in layouts:
        members = [site for site in sites if _layout(site) == layout]
        eigenvalues, vectors, matrices = (
            np.array([[channel[part] for channel in site.channels] for site in members]) for part in range(3)
        )
        yield Shell(
            sites=np.array([site.number for site in members]),
            eigenvalues=one(eigenvalues),
            vectors=one(vectors),
            matrices=one(matrices),
            sums=one([site.sums for site in members]),
        )


def _layout(site: _Site) -> tuple[int, int]:
    return len(site.channels[0][0]), len(site.channels)


def _sections(lines: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    starts = [(index, match) for index, line in enumerate(lines) if (match := _SITE.match(line))]
    ends = [index for index, _ in starts[1:]] + [len(lines)]
    for (start, match), end in zip(starts, ends, strict=False):
        section = lines[start:end]
        background = next((i for i, line in enumerate(section) if "Background part" in line), len(section))
        yield int(match[1] or match[2]), section[:background]


def _read_site(number: int, section: Sequence[str]) -> _Site:
    what = f"the occupation block of atom {number}"
    channels = [
        _read_channel(section[index:], what) for index, line in enumerate(section) if line.strip() == "eigenvalues:"
    ]
    spins = len(channels)
    if spins not in (1, 2):
        raise GarbledBlockError(f"{what} has {spins} spin channels where one or two belong")
    if len({len(eigenvalues) for eigenvalues, *_ in channels}) != 1:
        raise GarbledBlockError(f"the spin channels of atom {number} differ in their number of eigenvalues")
    return _Site(number, channels, _read_sums(section, number, spins))


def _read_sums(section: Sequence[str], number: int, spins: int) -> list[float]:
    trace = next(((line, match) for line in section if (match := _TRACE_SITE.match(line)) and "=" in line), None)
    if trace is None:
        raise GarbledBlockError(f"the occupation block of atom {number} has no trace")
    line, match = trace
    sums = line_numbers(line.split("=")[-1], 1 if spins == 1 else 3, f"the trace of atom {number}")
    if int(match[1] or match[2]) != number:
        raise GarbledBlockError(f"the trace in the occupation block of atom {number} is that of another")
    if spins == 1:
        return sums
    moment = next((match for line in section if (match := _MOMENT.match(line))), None)
    if moment is None or (moment[1] and int(moment[1]) != number):
        raise GarbledBlockError(f"the occupation block of atom {number} lacks its moment")
    return [*sums, one_number(moment[2], f"the moment of atom {number}")]


def _read_channel(lines: Sequence[str], what: str) -> _Channel:
    """Read eigenvalues, eigenvectors and the matrix of one spin channel."""
    size = len(lines[1].split()) if len(lines) > 1 else 0
    _check_size(size, what)
    eigenvalues = np.array(line_numbers(lines[1], size, what))
    _check_heading(lines, 2, "eigenvectors", what)
    vectors = block_numbers(lines[3:], size, size, what)
    _check_heading(lines, 3 + size, "occupation", what)
    return eigenvalues, vectors, block_numbers(lines[4 + size :], size, size, what)


def _check_size(size: int, what: str) -> None:
    if size not in (1, 3, 5, 7):
        raise GarbledBlockError(f"{what} has {size} eigenvalues a channel where a collinear shell has 1, 3, 5 or 7")


def _check_heading(lines: Sequence[str], index: int, word: str, what: str) -> None:
    if index >= len(lines) or not lines[index].strip().startswith(word):
        raise GarbledBlockError(f"{what} has no heading '{word}' where it belongs")


def _read_total(lines: Sequence[str]) -> NDArray[np.float64] | None:
    if any("Background part" in line or " back " in line for line in lines):
        return None
    printed = next((match[1] for line in lines if (match := _TOTAL.match(line))), None)
    if printed is None:
        raise GarbledBlockError("the occupation block has no number of occupied levels")
    return one(one_number(printed, "the number of occupied levels"))


def _read_generalised(lines: Sequence[str]) -> Iterator[_Site]:
    """Read the DFT+U+V block of 6.x: all sites of spin up, all of spin down, then the traces."""
    channels: dict[int, list[_Channel]] = {}
    traces: dict[tuple[int, str], float] = {}
    for index, line in enumerate(lines):
        if match := _GENERALISED_SITE.match(line):
            what = f"the occupation block of atom {match[1]}"
            of_site = channels.setdefault(int(match[1]), [])
            of_site.append(_read_generalised_channel(lines[index + 1 :], what))
            if int(match[2]) != len(of_site):
                raise GarbledBlockError(f"{what} has spin {match[2]} where spin {len(of_site)} belongs")
        elif match := _GENERALISED_TRACE.match(line):
            traces[int(match[1]), match[2]] = one_number(match[3], f"the trace of atom {match[1]}")
    if not channels or set(channels) != {number for number, name in traces if name == "Tr"}:
        raise GarbledBlockError("the sites of the occupation block and its traces do not match")
    for number in sorted(channels):
        spins = len(channels[number])
        if spins not in (1, 2) or (spins == 2) != ((number, "Mag") in traces):
            raise GarbledBlockError(f"the occupation block of atom {number} lacks a spin channel or its moment")
        if len({len(eigenvalues) for eigenvalues, *_ in channels[number]}) != 1:
            raise GarbledBlockError(f"the spin channels of atom {number} differ in their number of eigenvalues")
        yield _Site(number, channels[number], [traces[number, name] for name in ("Tr", "Mag")[:spins]])


def _read_generalised_channel(lines: Sequence[str], what: str) -> _Channel:
    """Read one channel, in which each eigenvalue is followed by its eigenvector."""
    _check_heading(lines, 0, "eigenvalues and eigenvectors", what)
    size = len(lines[2].split()) if len(lines) > 2 else 0
    _check_size(size, what)
    eigenvalues = block_numbers(lines[1 : 1 + 2 * size : 2], size, 1, what)[:, 0]
    vectors = block_numbers(lines[2 : 2 + 2 * size : 2], size, size, what)
    _check_heading(lines, 1 + 2 * size, "occupation", what)
    return eigenvalues, vectors.T, block_numbers(lines[2 + 2 * size :], size, size, what)
