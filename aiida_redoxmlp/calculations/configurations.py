"""Provenance-tracked steps from a configuration of a search to what DFT labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from numpy.typing import NDArray

from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.search.space import VACANCY

__all__ = ("place_configuration", "wanted_pattern", "why_hubbard_cannot_follow")


@calcfunction
def place_configuration(
    structure: HubbardStructureData, geometry: orm.StructureData, report: orm.Dict, rank: orm.Int
) -> HubbardStructureData:
    """Return the structure of a ranked configuration with its Hubbard parameters.

    Interactions of vacant sites are left out. Where elements changed places, every site gets the mean U of its element.

    Args:
        structure: the parent with an atom on every site.
        geometry: cell and positions of the configuration.
        report: report of the search.
        rank: place in its ranking.
    """
    content = report.get_dict()
    before = [structure.get_kind(site.kind_name).symbol for site in structure.sites]
    after = _symbols(before, content, content["patterns"][rank.value])
    there = np.array([symbol != VACANCY.element for symbol in after])
    symbols = [symbol for symbol, kept in zip(after, there, strict=True) if kept]
    interactions = interactions_of(structure)
    exchanged = any(old != new for old, new, kept in zip(before, after, there, strict=True) if kept)
    found = _onsite_by_element(interactions, before, symbols) if exchanged else _reindexed(interactions, there)
    placed = orm.StructureData(cell=geometry.cell, pbc=structure.pbc)
    for symbol, position in zip(symbols, geometry.get_ase().positions.tolist(), strict=True):
        placed.append_atom(symbols=symbol, position=position)
    names = None if exchanged else [site.kind_name for site, kept in zip(structure.sites, there, strict=True) if kept]
    return with_interactions(placed, found, kinds=names, projectors=structure.hubbard.projectors)


def wanted_pattern(symbols: list[str], report: dict[str, Any], rank: int, chemistry: RedoxChemistry) -> list[int]:
    """Return the states of the redox sites of a ranked configuration, in the order of its own atoms.

    Args:
        symbols: chemical symbol of every atom of the parent.
        report: report of the search.
        rank: place in its ranking.
        chemistry: charges of the elements, which say what a redox site is.
    """
    pattern = report["patterns"][rank]
    found = _symbols(symbols, report, pattern)
    kept = [atom for atom, symbol in enumerate(found) if symbol != VACANCY.element]
    states = dict(zip(report["sites"], pattern["states"], strict=True))
    sites, _ = chemistry.sites_and_background([found[atom] for atom in kept])
    return [int(states[kept[site]]) for site in sites]


def why_hubbard_cannot_follow(structure: HubbardStructureData, allowed: list[list[str]]) -> str | None:
    """Return the sentence that says why the Hubbard parameters cannot follow the species, or None where they can.

    Args:
        structure: the parent.
        allowed: labels of the species of each active site.
    """
    exchanging = any(len({Species.parse(label).element for label in some} - {VACANCY.element}) > 1 for some in allowed)
    if exchanging and not all(one.is_onsite for one in interactions_of(structure)):
        return (
            "The structure has V between pairs of atoms, which cannot follow elements that change places; give U only, "
            "or search without exchange."
        )
    return None


def _symbols(symbols: list[str], report: dict[str, Any], pattern: dict[str, Any]) -> list[str]:
    """Return what stands on every atom of the parent, ``X`` where nothing does."""
    found = list(symbols)
    for site, label in zip(report["sites"], pattern["species"], strict=True):
        found[site] = Species.parse(label).element
    return found


def _reindexed(interactions: list[Interaction], there: NDArray[np.bool_]) -> list[Interaction]:
    """Return the interactions between atoms that are there, with their new indices."""
    index = (np.cumsum(there) - 1).tolist()
    return [
        Interaction(
            index[one.site],
            one.manifold,
            index[one.neighbour],
            one.neighbour_manifold,
            one.translation,
            one.value,
        )
        for one in interactions
        if there[one.site] and there[one.neighbour]
    ]


def _onsite_by_element(interactions: list[Interaction], before: list[str], after: list[str]) -> list[Interaction]:
    """Return the mean U of each manifold of each element on all its sites."""
    values: dict[tuple[str, str], list[float]] = {}
    for one in interactions:
        values.setdefault((before[one.site], one.manifold), []).append(one.value)
    return [
        Interaction(site, manifold, site, manifold, (0, 0, 0), float(np.mean(found)))
        for site, symbol in enumerate(after)
        for (element, manifold), found in values.items()
        if element == symbol
    ]
