"""``--fixed`` and ``--states``: the redox table as a user writes it on the command line."""

from __future__ import annotations

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import RedoxTable

__all__ = ("redox_table",)


def redox_table(fixed: str, states: str) -> RedoxTable:
    """Return the usual table with what was given changed.

    Args:
        fixed: charges of elements that do not change theirs, ``Li=1,O=-2``.
        states: allowed states, ``Mn=2/3,Fe=2/3``.

    Raises:
        InputError: if the text, an element or a value cannot be used.
    """
    return RedoxTable.default().with_overrides(_overrides(_pairs(fixed), _pairs(states)))


def _pairs(text: str) -> dict[str, str]:
    """Split ``Symbol=value`` pairs with commas between them."""
    pairs = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        symbol, _, value = (word.strip() for word in pair.partition("="))
        if not symbol or not value:
            raise InputError(f"{pair!r} is not understood; write symbol=value with commas between, such as Li=1,O=-2.")
        pairs[symbol] = value
    return pairs


def _overrides(fixed: dict[str, str], states: dict[str, str]) -> dict[str, int | dict[str, object]]:
    both = sorted(set(fixed) & set(states))
    if both:
        raise InputError(f"{both[0]} is named in --fixed and in --states; name it in one of them.")
    overrides: dict[str, int | dict[str, object]] = {s: _whole(text, f"--fixed {s}") for s, text in fixed.items()}
    for symbol, text in states.items():
        overrides[symbol] = {"states": [_whole(state, f"--states {symbol}") for state in text.split("/")]}
    return overrides


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{option} has {text!r} where a whole number such as 2 or -2 belongs.") from None
