"""Hubbard interactions of a structure, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Interaction",)


@dataclass(frozen=True)
class Interaction:
    """U of a manifold, or V between two of them.

    Attributes:
        site: index of the atom, from 0.
        manifold: such as ``3d``.
        neighbour: index of the other atom in the unit cell; the same as ``site`` for U.
        neighbour_manifold: manifold of the other atom.
        translation: lattice vectors to the other atom's image.
        value: eV.
    """

    site: int
    manifold: str
    neighbour: int
    neighbour_manifold: str
    translation: tuple[int, int, int]
    value: float

    @property
    def is_onsite(self) -> bool:
        """Whether this is a U: one manifold of one atom."""
        same_atom = self.site == self.neighbour and self.translation == (0, 0, 0)
        return same_atom and self.manifold == self.neighbour_manifold
