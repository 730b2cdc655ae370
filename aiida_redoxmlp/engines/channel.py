"""Channels: whole numbers an engine is told of every atom besides its atomic number."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Channel",)


@dataclass(frozen=True)
class Channel:
    """A whole number an atom, which an engine embeds as a category.

    Attributes:
        name: name of the per-atom array it comes from, such as ``oxidation_states``.
        lowest: smallest number the channel takes.
        highest: largest number.
    """

    name: str
    lowest: int
    highest: int

    @property
    def n_classes(self) -> int:
        """Number of categories; category 0 is the lowest number."""
        return self.highest - self.lowest + 1
