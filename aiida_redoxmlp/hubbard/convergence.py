"""Whether U and V have settled, run in a circle, or go on changing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction

__all__ = ("cycle_length", "largest_changes", "mixed")

_LONGEST_CYCLE = 3


def largest_changes(old: Sequence[Interaction], new: Sequence[Interaction]) -> tuple[float, float]:
    """Return the largest change of any U and of any V, in eV; 0 where there is none.

    Raises:
        InputError: if the two do not list the same interactions in the same order.
    """
    if [replace(one, value=0.0) for one in old] != [replace(one, value=0.0) for one in new]:
        raise InputError("The two sets of Hubbard parameters are of different sites; compare the same interactions.")
    changes = [(abs(after.value - before.value), after.is_onsite) for before, after in zip(old, new, strict=True)]
    return (
        max((change for change, on_site in changes if on_site), default=0.0),
        max((change for change, on_site in changes if not on_site), default=0.0),
    )


def cycle_length(history: Sequence[Sequence[float]], tolerances: Sequence[float]) -> int | None:
    """Return the period (2 or 3) in which the values run in a circle, or None.

    The last values are those of as many cycles ago, though the cycle before differs by more than the tolerance.

    Args:
        history: values of all interactions, one row a cycle.
        tolerances: eV, one for each interaction.
    """
    rows = np.asarray(history, dtype=float)
    limit = np.asarray(tolerances, dtype=float)
    if len(rows) < 3 or (np.abs(rows[-1] - rows[-2]) <= limit).all():
        return None
    for period in range(2, min(_LONGEST_CYCLE, len(rows) - 1) + 1):
        if (np.abs(rows[-1] - rows[-1 - period]) <= limit).all():
            return period
    return None


def mixed(old: Sequence[Interaction], new: Sequence[Interaction], fraction: float) -> list[Interaction]:
    """Return old values moved towards the new ones by a fraction, 1 for the new ones."""
    return [
        replace(after, value=before.value + fraction * (after.value - before.value))
        for before, after in zip(old, new, strict=True)
    ]
