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
    for one in found.pairs:
        pairs[one.site, one.neighbour, one.translation] = one.v
        back = (-one.translation[0], -one.translation[1], -one.translation[2])
        pairs.setdefault((one.neighbour, one.site, back), one.v)
    result = []
    for one in interactions:
        if one.is_onsite:
            value = on_site.get(one.site)
        else:
            value = pairs.get((one.site, one.neighbour, one.translation))
        if value is None:
            raise InputError(
                f"There is nothing on atom {one.site} ({one.manifold}) and atom {one.neighbour} "
                f"({one.neighbour_manifold}) in cell {list(one.translation)} in hp.x's tables; take a denser mesh of wave "
                "vectors, or leave that pair out."
            )
        result.append(replace(one, value=value))
    return result
