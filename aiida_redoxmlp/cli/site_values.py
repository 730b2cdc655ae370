"""``--states`` and ``--spins``: whole numbers of sites as a user writes them on the command line."""

from __future__ import annotations

from aiida_redoxmlp.engines.given_states import Given
from aiida_redoxmlp.errors import InputError

__all__ = ("site_values",)


def site_values(text: str | None, option: str) -> Given | None:
    """Return ``2,3`` as a list and ``Mn=2/3,Li=1`` as a mapping.

    Raises:
        InputError: if the text is neither.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if "=" not in text:
        return [_whole(part, text, option) for part in parts]
    values: dict[str, int | list[int]] = {}
    for part in parts:
        element, _, numbers = (word.strip() for word in part.partition("="))
        found = [_whole(number, text, option) for number in numbers.split("/")]
        values[element] = found if "/" in numbers else found[0]
    return values


def _whole(part: str, text: str, option: str) -> int:
    try:
        return int(part)
    except ValueError:
        raise InputError(
            f"{option} {text!r} is not understood; write whole numbers such as 2,3, or by element Mn=2/3,Li=1."
        ) from None
