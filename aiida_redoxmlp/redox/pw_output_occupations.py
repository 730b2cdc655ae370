"""Hubbard occupation blocks of pw.x: the 7.x format and the two of 6.x (DFT+U, DFT+U+V)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.occupations import SiteOccupations
from aiida_redoxmlp.redox.pw_output_numbers import GarbledBlockError, block_numbers, line_numbers, one_number

__all__ = ("read_occupations",)

# 7.x heads a site with "--- ATOM 1 ---" and prints its trace below, 6.x puts both on one line.
_SITE = re.compile(r"\s*(?:-+ ATOM\s+(\d+)|atom\s+(\d+)\s+Tr\[ns\(na\)\])")
_GENERALISED_SITE = re.compile(r"\s*Atom:\s+(\d+)\s+Spin:\s+(\d)")
_GENERALISED_TRACE = re.compile(r"\s*atom\s+(\d+)\s+(Tr|Mag)\[ns\(na\)\]=(.*)")
_TOTAL = re.compile(r"\s*(?:Number of occupied Hubbard levels|N of occupied \+U levels)\s*=(.*)")

_PRINTED = 5e-4
"""Largest rounding error of an eigenvalue printed with three decimals."""

_Channel = tuple[NDArray[np.float64], NDArray[np.float64]]


def read_occupations(lines: Sequence[str], kinds: Sequence[str]) -> tuple[SiteOccupations, ...]:
    """Read one block, from its heading to its last line.

    A site's eigenvalues must add up to its printed trace, and the traces to the printed number of levels.

    Args:
        lines: the block as printed by ``write_ns`` or ``write_nsg``.
        kinds: the engine's species name of every atom.

    Raises:
        GarbledBlockError: if anything in the block is not what pw.x prints there.
    """
    if "write_nsg" in lines[0]:
        return _read_generalised(lines, kinds)
    sites, total = [], 0.0
    for number, section in _sections(lines):
        _check_atom(number, kinds)
        occupations, trace = _read_site(section, number, kinds)
        sites.append(occupations)
        total += trace
    if not sites:
        raise GarbledBlockError("the occupation block has no sites")
    _check_total(lines, total, len(sites))
    return tuple(sites)


def _sections(lines: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    starts = [(index, match) for index, line in enumerate(lines) if (match := _SITE.match(line))]
    ends = [index for index, _ in starts[1:]] + [len(lines)]
    for (start, match), end in zip(starts, ends, strict=False):
        section = lines[start:end]
        background = next((i for i, line in enumerate(section) if "Background part" in line), len(section))
        yield int(match[1] or match[2]), section[:background]


def _check_atom(number: int, kinds: Sequence[str]) -> None:
    if not 1 <= number <= len(kinds):
        raise GarbledBlockError(f"the occupations name atom {number} in a cell of {len(kinds)} atoms")


def _read_site(section: Sequence[str], number: int, kinds: Sequence[str]) -> tuple[SiteOccupations, float]:
    what = f"the occupation block of atom {number}"
    channels = [
        _read_channel(section[index:], what) for index, line in enumerate(section) if line.strip() == "eigenvalues:"
    ]
    trace_text = next((line.split("=")[-1] for line in section if "Tr[ns(" in line and "=" in line), None)
    if trace_text is None:
        raise GarbledBlockError(f"{what} has no trace")
    spins = len(channels)
    if spins not in (1, 2):
        raise GarbledBlockError(f"{what} has {spins} spin channels where one or two belong")
    traces = line_numbers(trace_text, 1 if spins == 1 else 3, f"the trace of atom {number}")
    expected = [traces[0] / 2] if spins == 1 else traces[:2]
    return _site(number, kinds, channels, expected), traces[-1]


def _read_channel(lines: Sequence[str], what: str) -> _Channel:
    """Read eigenvalues, eigenvectors (checked, not kept) and the matrix of one spin channel."""
    size = len(lines[1].split()) if len(lines) > 1 else 0
    _check_size(size, what)
    eigenvalues = np.array(line_numbers(lines[1], size, what))
    _check_heading(lines, 2, "eigenvectors", what)
    block_numbers(lines[3:], size, size, what)
    _check_heading(lines, 3 + size, "occupation", what)
    return eigenvalues, block_numbers(lines[4 + size :], size, size, what)


def _check_size(size: int, what: str) -> None:
    if size not in (1, 3, 5, 7):
        raise GarbledBlockError(f"{what} has {size} eigenvalues a channel where a collinear shell has 1, 3, 5 or 7")


def _check_heading(lines: Sequence[str], index: int, word: str, what: str) -> None:
    if index >= len(lines) or not lines[index].strip().startswith(word):
        raise GarbledBlockError(f"{what} has no heading '{word}' where it belongs")


def _site(number: int, kinds: Sequence[str], channels: Sequence[_Channel], traces: Sequence[float]) -> SiteOccupations:
    """Check the channels against their printed traces and make a site of them."""
    sizes = {len(eigenvalues) for eigenvalues, _ in channels}
    if len(sizes) != 1:
        raise GarbledBlockError(f"the spin channels of atom {number} differ in their number of eigenvalues")
    for (eigenvalues, matrix), trace in zip(channels, traces, strict=True):
        tolerance = _PRINTED * len(eigenvalues) + 1e-4
        for name, found in (("eigenvalues", eigenvalues.sum()), ("matrix", np.trace(matrix))):
            if abs(found - trace) > tolerance:
                raise GarbledBlockError(
                    f"the {name} of atom {number} add up to {found:.3f}, but its printed trace is {trace:.3f}"
                )
    both = channels if len(channels) == 2 else [channels[0], channels[0]]
    return SiteOccupations(
        site=number - 1,
        kind=kinds[number - 1],
        eigenvalues=np.sort(np.array([eigenvalues for eigenvalues, _ in both]), axis=1),
        matrices=np.array([matrix for _, matrix in both]),
    )


def _check_total(lines: Sequence[str], total: float, n_sites: int) -> None:
    """Compare with the printed number of levels, which tells when a whole site is missing."""
    if any("Background part" in line or " back " in line for line in lines):
        return
    printed = next((match[1] for line in lines if (match := _TOTAL.match(line))), None)
    if printed is None:
        raise GarbledBlockError("the occupation block has no number of occupied levels")
    expected = one_number(printed, "the number of occupied levels")
    if abs(total - expected) > 1e-4 + 1e-5 * n_sites:
        raise GarbledBlockError(
            f"the traces of the sites add up to {total:.4f}, but the printed total is {expected:.4f}"
        )


def _read_generalised(lines: Sequence[str], kinds: Sequence[str]) -> tuple[SiteOccupations, ...]:
    """Read the DFT+U+V block of 6.x: all sites of spin up, all of spin down, then the traces."""
    channels: dict[int, list[_Channel]] = {}
    traces: dict[tuple[int, str], float] = {}
    for index, line in enumerate(lines):
        if match := _GENERALISED_SITE.match(line):
            what = f"the occupation block of atom {match[1]}"
            channel = _read_generalised_channel(lines[index + 1 :], what)
            channels.setdefault(int(match[1]), []).append(channel)
        elif match := _GENERALISED_TRACE.match(line):
            traces[int(match[1]), match[2]] = one_number(match[3], f"the trace of atom {match[1]}")
    if not channels or set(channels) != {number for number, name in traces if name == "Tr"}:
        raise GarbledBlockError("the sites of the occupation block and its traces do not match")
    sites = []
    for number in sorted(channels):
        _check_atom(number, kinds)
        spins = len(channels[number])
        if spins not in (1, 2) or (spins == 2) != ((number, "Mag") in traces):
            raise GarbledBlockError(f"the occupation block of atom {number} lacks a spin channel or its moment")
        moment = traces.get((number, "Mag"), 0.0)
        expected = [(traces[number, "Tr"] + sign * moment) / 2 for sign in (1, -1)][:spins]
        sites.append(_site(number, kinds, channels[number], expected))
    return tuple(sites)


def _read_generalised_channel(lines: Sequence[str], what: str) -> _Channel:
    """Read one channel, in which each eigenvalue is followed by its eigenvector."""
    _check_heading(lines, 0, "eigenvalues and eigenvectors", what)
    size = len(lines[2].split()) if len(lines) > 2 else 0
    _check_size(size, what)
    eigenvalues = block_numbers(lines[1 : 1 + 2 * size : 2], size, 1, what)[:, 0]
    block_numbers(lines[2 : 2 + 2 * size : 2], size, size, what)
    _check_heading(lines, 1 + 2 * size, "occupation", what)
    return eigenvalues, block_numbers(lines[2 + 2 * size :], size, size, what)
