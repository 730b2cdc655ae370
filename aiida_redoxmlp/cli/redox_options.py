"""``--charge``, ``--fixed`` and ``--states``: charges as a user writes them on the command line."""

from __future__ import annotations

import click

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import RedoxTable

__all__ = ("charge_option", "fixed_option", "pairs", "redox_table", "states_option", "whole_number")

charge_option = click.option(
    "--charge", type=int, default=0, show_default=True, help="Total charge of the cell in units of e."
)
fixed_option = click.option(
    "--fixed",
    metavar="SYMBOL=VALUE,…",
    default="",
    help="Charges of elements that do not change: Li=1,P=5,O=-2.",
)
states_option = click.option(
    "--states", metavar="SYMBOL=VALUE,…", default="", help="Allowed oxidation states: Mn=2/3,Fe=2/3."
)


def redox_table(fixed: str, states: str) -> RedoxTable:
    """Return the usual table with what was given changed.

    Args:
        fixed: charges of elements that do not change theirs, ``Li=1,O=-2``.
        states: allowed states, ``Mn=2/3,Fe=2/3``.

    Raises:
        InputError: if the text, an element or a value cannot be used.
    """
    return RedoxTable.default().with_overrides(_overrides(pairs(fixed), pairs(states)))


def pairs(text: str) -> dict[str, str]:
    """Split ``Symbol=value`` pairs with commas between them.

    Raises:
        InputError: if the text is something else.
    """
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        symbol, _, value = (word.strip() for word in pair.partition("="))
        if not symbol or not value:
            raise InputError(f"{pair!r} is not understood; write symbol=value with commas between, such as Li=1,O=-2.")
        found[symbol] = value
    return found


def _overrides(fixed: dict[str, str], states: dict[str, str]) -> dict[str, int | dict[str, object]]:
    both = sorted(set(fixed) & set(states))
    if both:
        raise InputError(f"{both[0]} is named in --fixed and in --states; name it in one of them.")
    overrides: dict[str, int | dict[str, object]] = {s: whole_number(text, f"--fixed {s}") for s, text in fixed.items()}
    for symbol, text in states.items():
        overrides[symbol] = {"states": [whole_number(state, f"--states {symbol}") for state in text.split("/")]}
    return overrides


def whole_number(text: str, option: str) -> int:
    """Return a whole number of an option.

    Raises:
        InputError: if the text is none.
    """
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{option} has {text!r} where a whole number such as 2 or -2 belongs.") from None
