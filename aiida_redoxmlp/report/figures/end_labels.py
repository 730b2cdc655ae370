"""Names at the ends of lines, joined where lines end together and moved apart where they would overlap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ("EndLabel", "LineEnd", "end_labels")

_TOGETHER = 0.012
_FEWEST_NAMES_CUT = 4


@dataclass(frozen=True)
class LineEnd:
    """Where a line ends.

    Attributes:
        y: height in units of the axis.
        name: name of the line.
        suffix: what lines must share to be joined, such as `` (3+)``.
        key: what else they must share, such as their species.
    """

    y: float
    name: str
    suffix: str
    key: str


@dataclass(frozen=True)
class EndLabel:
    """A text to write beside the end of one or more lines."""

    y: float
    text: str
    key: str


def end_labels(ends: Sequence[LineEnd], span: tuple[float, float], spacing: float) -> list[EndLabel]:
    """Return the texts from bottom to top, all within the axis.

    Args:
        ends: the lines.
        span: lower and upper end of the axis.
        spacing: smallest distance between two texts as a share of the axis.
    """
    height = span[1] - span[0]
    threshold = _TOGETHER
    groups = _joined(ends, threshold * height)
    n_fewest = len({(end.key, end.suffix) for end in ends})
    while len(groups) * spacing > 1 and len(groups) > n_fewest:  # more texts than the axis has room for
        threshold *= 2
        groups = _joined(ends, threshold * height)
    groups.sort(key=_height)
    heights = _apart([_height(group) for group in groups], spacing * height)
    lowest, highest = span[0] + 0.5 * spacing * height, span[1] - 0.5 * spacing * height
    for index, y in enumerate(heights):
        heights[index] = max(y, lowest + index * spacing * height)
    for index, y in enumerate(reversed(heights)):
        heights[-1 - index] = min(y, highest - index * spacing * height)
    return [EndLabel(y, _text(group), group[0].key) for y, group in zip(heights, groups, strict=True)]


def _height(group: Sequence[LineEnd]) -> float:
    return sum(end.y for end in group) / len(group)


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights as little as possible (in least squares) until neighbours are a gap apart.

    With ``index * gap`` taken off, that is a regression to ascending values: neighbours in the wrong order are pooled
    to their mean (R. E. Barlow et al., Statistical Inference under Order Restrictions, 1972).
    """
    pools: list[tuple[float, int]] = []
    for index, height in enumerate(heights):
        pools.append((height - index * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (right, n_right), (left, n_left) = pools.pop(), pools.pop()
            pools.append(((left * n_left + right * n_right) / (n_left + n_right), n_left + n_right))
    pooled = [mean for mean, size in pools for _ in range(size)]
    return [height + index * gap for index, height in enumerate(pooled)]


def _joined(ends: Sequence[LineEnd], together: float) -> list[list[LineEnd]]:
    """Group the lines that share suffix and key and whose ends follow each other closely."""
    groups: list[list[LineEnd]] = []
    for end in sorted(ends, key=lambda one: (one.key, one.suffix, one.y)):
        last = groups[-1][-1] if groups else None
        if last is not None and (last.key, last.suffix) == (end.key, end.suffix) and end.y - last.y <= together:
            groups[-1].append(end)
        else:
            groups.append([end])
    return groups


def _text(group: Sequence[LineEnd]) -> str:
    names = sorted((end.name for end in group), key=_by_number)
    shown = ", ".join(names) if len(names) < _FEWEST_NAMES_CUT else f"{names[0]} and {len(names) - 1} more"
    return f"{shown}{group[0].suffix}"


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sort ``Mn2`` before ``Mn10``."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
