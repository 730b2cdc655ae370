"""Members of the classes of configurations that symmetry makes equivalent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.search.enumeration import distinct_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("members_of_orbits", "orbits_first")


def members_of_orbits(space: ConfigurationSpace, rows: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return all configurations that are equivalent to those given, orbit by orbit, each ascending.

    Args:
        space: the configurations and their symmetry.
        rows: one of each orbit, shape (n_orbits, n_sites).

    Returns:
        The members, shape (n_members, n_sites), and the place of each one's orbit, shape (n_members,).
    """
    members = []
    for row in rows:
        images = np.empty((len(space.permutations), len(row)), dtype=np.int8)
        np.put_along_axis(images, space.permutations, np.broadcast_to(row, images.shape), axis=1)
        members.append(np.unique(images, axis=0))
    orbits = np.repeat(np.arange(len(rows)), [len(some) for some in members])
    return np.concatenate(members), orbits


def orbits_first(
    space: ConfigurationSpace, number: int
) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]:
    """Return some configurations, one of every orbit before a second of any.

    Orbits come in ascending order of their smallest configuration. No more of them are enumerated than it takes.

    Args:
        space: the configurations and their symmetry.
        number: how many to return; fewer where there are no more.

    Returns:
        The configurations, shape (n, n_sites), the place of each one's orbit, shape (n,), and how many configurations
        that orbit has, shape (n,).
    """
    blocks, found = [], 0
    for block in distinct_configurations(space, block_size=number):
        blocks.append(block)
        found += len(block)
        if found >= number:
            break
    rows = np.concatenate([block.rows for block in blocks])[:number]
    multiplicities = np.concatenate([block.multiplicities for block in blocks])
    orbits = np.arange(len(rows))
    if len(rows) < number:
        rows, orbits = members_of_orbits(space, rows)
        place_in_orbit = np.arange(len(orbits)) - np.searchsorted(orbits, orbits)
        order = np.lexsort((orbits, place_in_orbit))[:number]
        rows, orbits = rows[order], orbits[order]
    return rows, orbits, multiplicities[orbits]
