"""Tables of what the package holds: redox elements and entry points."""

from __future__ import annotations

from importlib.metadata import distribution
from itertools import groupby

from aiida_redoxmlp.redox.elements import RedoxTable
from generated_reference.markdown import code, table

__all__ = ("entry_point_table", "fixed_state_table", "redox_element_table")


def redox_element_table() -> str:
    """Return the d and f metals, how their states are read, and whether they are redox sites by default."""
    known = RedoxTable.default()
    rows = (
        (
            element.symbol,
            element.shell,
            str(element.valence_electrons),
            _charges(element.states),
            "redox site" if known.is_redox(symbol) else f"spectator, {known.fixed[symbol]:+d}",
            f"{element.threshold:g}",
            f"{element.width:g}",
        )
        for symbol, element in known.elements.items()
    )
    headings = ("element", "shell", "valence electrons", "usual states", "unless told otherwise", "threshold", "width")
    return table(headings, rows)


def fixed_state_table() -> str:
    """Return the elements with one usual charge, by charge."""
    fixed = sorted(RedoxTable.default().fixed.items(), key=lambda item: -item[1])
    rows = (
        (f"{charge:+d}", ", ".join(symbol for symbol, _ in group))
        for charge, group in groupby(fixed, key=lambda item: item[1])
    )
    return table(("charge", "elements"), rows)


def entry_point_table() -> str:
    """Return the entry points the package is installed with."""
    points = sorted(distribution("aiida-redoxmlp").entry_points, key=lambda one: (one.group, one.name))
    rows = ((code(one.group), code(one.name), code(one.value)) for one in points)
    return table(("group", "name", "object"), rows)


def _charges(states: tuple[int, ...]) -> str:
    return ", ".join(f"{state:+d}" for state in states)
