"""What a reader of a split has to know, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ("warnings_of",)

_MANY = 5


def warnings_of(summary: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the warnings that a split's summary gives rise to, under the key ``warnings``."""
    return {"warnings": list(_warnings(summary))}


def _warnings(summary: Mapping[str, Any]) -> Iterator[str]:
    patterns = summary["patterns"]
    if len(patterns) == 1:
        yield (
            f"All frames have the pattern {next(iter(patterns))}: pattern recovery cannot be learned from one pattern; "
            "label others too."
        )
    untested = [name for name, counts in patterns.items() if not counts["test"]]
    if untested:
        several = len(untested) > 1
        yield (
            f"The pattern{'s' * several} {_listing(untested)} {'are' if several else 'is'} in no test frame, as "
            f"{'their' if several else 'its'} trajectories are too few or too short; label more."
        )
    untrained = [name for name, counts in patterns.items() if counts["test"] and not counts["training"]]
    if untrained:
        yield f"The test frames of {_listing(untrained)} have no counterpart in training; label more of them."
    if summary["tails"]:
        held = sorted({pattern for tail in summary["tails"].values() for pattern in tail["patterns"]})
        gaps = [tail["gap"] for tail in summary["tails"].values()]
        between = f"{min(gaps)}" if min(gaps) == max(gaps) else f"{min(gaps)} to {max(gaps)}"
        yield (
            f"There are too few trajectories of {_listing(held)} to hold a whole one out: the last frames of "
            f"{len(gaps)} are held out, and the frames within {between} ionic steps of them dropped, so the test is "
            "easier than on new trajectories."
        )


def _listing(names: Sequence[str]) -> str:
    shown = list(names[:_MANY])
    if len(names) > _MANY:
        shown.append(f"{len(names) - _MANY} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
