"""Putting the Hubbard atoms first, as hp.x wants them, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aiida_redoxmlp.hubbard.interactions import Interaction

__all__ = ("hubbard_first", "inverse", "reordered")


def hubbard_first(interactions: Sequence[Interaction], kinds: Sequence[str]) -> list[int]:
    """Return the order of atoms that hp.x needs: ``order[new] = old``.

    Atoms of kinds with a U come first, then those of kinds that have only a V, then the others; otherwise atoms keep
    their order. hp.x asks for no more than that (``HP/src/hp_init.f90``), so new kinds for the atoms with a U do not
    change the order, and one order serves all cycles.
    """
    on_site = {one.site for one in interactions if one.is_onsite}
    ligands = {atom for one in interactions for atom in (one.site, one.neighbour)} - on_site
    rank: dict[str, int] = {}
    for atom, kind in enumerate(kinds):
        group = 0 if atom in on_site else 1 if atom in ligands else 2
        rank[kind] = min(group, rank.get(kind, group))
    return sorted(range(len(kinds)), key=lambda atom: (rank[kinds[atom]], atom))


def inverse(order: Sequence[int]) -> list[int]:
    """Return the order that undoes another."""
    back = [0] * len(order)
    for new, old in enumerate(order):
        back[old] = new
    return back


def reordered(interactions: Sequence[Interaction], order: Sequence[int]) -> list[Interaction]:
    """Return the interactions of the same atoms in a new order, ``order[new] = old``."""
    new_of = inverse(order)
    return [replace(one, site=new_of[one.site], neighbour=new_of[one.neighbour]) for one in interactions]
