"""Giving the interactions of a structure the values that hp.x found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.results import HubbardParameters

__all__ = ("with_found_values",)


def with_found_values(interactions: Sequence[Interaction], found: HubbardParameters) -> list[Interaction]:
    """Return the same interactions with the values found, U with the precision of the Hubbard matrix.

    Args:
        interactions: of a structure in the order of hp.x.
        found: what hp.x wrote.

    Raises:
        InputError: if a site or a pair is not in hp.x's tables.
    """
    on_site = {one.site: float(found.hubbard[row, row]) for row, one in enumerate(found.sites)}
    pairs = {}
    for pair in found.pairs:
        pairs[pair.site, pair.neighbour, pair.translation] = pair.v
        back = (-pair.translation[0], -pair.translation[1], -pair.translation[2])
        pairs.setdefault((pair.neighbour, pair.site, back), pair.v)
    result = []
    for one in interactions:
        key = (one.site, one.neighbour, one.translation)
        value = on_site.get(one.site) if one.is_onsite else pairs.get(key)
        if value is None:
            raise InputError(
                f"There is nothing on atom {one.site} ({one.manifold}) and atom {one.neighbour} "
                f"({one.neighbour_manifold}) in cell {list(one.translation)} in hp.x's tables; take a denser mesh of "
                "wave vectors, or leave that pair out."
            )
        result.append(replace(one, value=value))
    return result
