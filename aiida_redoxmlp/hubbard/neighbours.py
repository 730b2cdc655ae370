"""Choosing the pairs of manifolds that get a V."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction

__all__ = ("IntersiteRule", "neighbour_interactions", "split_manifold")

_LARGEST_BOND = 3.5  # Å, within which the nearest ligands are looked for


class IntersiteRule(BaseModel):
    """Which pairs of manifolds get a V."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    between: tuple[str, str] = Field(description="The two manifolds, such as `[Co-3d, O-2p]`.")
    within: float | None = Field(None, gt=0, description="Largest distance in Å.")
    nearest: bool = Field(
        False,
        description="Only the first shell of ligands of each atom of the first element, up to the widest gap.",
    )
    value: float = Field(0.5, description="Starting V in eV.")

    @model_validator(mode="after")
    def _one_reach(self) -> IntersiteRule:
        if (self.within is None) != self.nearest:
            raise ValueError("give either `within` in Å or `nearest: true`")
        return self


def split_manifold(name: str) -> tuple[str, str]:
    """Return element and manifold of a name such as ``Mn-3d``.

    Raises:
        InputError: if it is no such name.
    """
    element, _, manifold = name.partition("-")
    if not element or len(manifold) != 2 or not manifold[0].isdigit() or manifold[1] not in "spdf":
        raise InputError(f"{name!r} is no manifold; write element and shell, such as Mn-3d.")
    return element, manifold


def neighbour_interactions(atoms: Atoms, rules: Sequence[IntersiteRule]) -> list[Interaction]:
    """Return a V for every pair that a rule names, by ascending atom and distance; each pair once.

    Translations are those between the atoms as they are given, inside the cell or not, as pw.x takes them.

    Raises:
        InputError: if a rule finds no pair, or one outside the 3×3×3 supercell in which pw.x numbers neighbours.
    """
    found: dict[tuple[object, ...], Interaction] = {}
    symbols = np.array(atoms.get_chemical_symbols())
    for rule in rules:
        (element, manifold), (other, other_manifold) = (split_manifold(name) for name in rule.between)
        reach = rule.within if rule.within is not None else _LARGEST_BOND
        first, second, distances, shifts = neighbor_list("ijdS", atoms, reach)
        chosen = (symbols[first] == element) & (symbols[second] == other)
        if rule.nearest:
            chosen &= _first_shell(first, distances, chosen)
        if not chosen.any():
            raise InputError(
                f"There is no {other} within {reach:g} Å of any {element}; check hubbard.v, which asks for V between "
                f"{' and '.join(rule.between)}."
            )
        order = np.lexsort((distances[chosen], first[chosen]))
        for number in np.flatnonzero(chosen)[order]:
            site, neighbour = int(first[number]), int(second[number])
            shift = (int(shifts[number, 0]), int(shifts[number, 1]), int(shifts[number, 2]))
            if max(map(abs, shift)) > 1:
                raise InputError(
                    f"The {other} at {distances[number]:.2f} Å from {element} (atom {site}) lies {shift} cells away, "
                    "but pw.x knows neighbours in the 3×3×3 supercell only; choose a shorter `within`, a larger cell, "
                    "or positions inside the cell."
                )
            back = (-shift[0], -shift[1], -shift[2])
            if (neighbour, other_manifold, site, manifold, back) not in found:
                found[site, manifold, neighbour, other_manifold, shift] = Interaction(
                    site, manifold, neighbour, other_manifold, shift, rule.value
                )
    return list(found.values())


def _first_shell(
    first: NDArray[np.int64], distances: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mark the ligands before the widest gap in each atom's distances, by ratio.

    A ratio, not a length: Jahn-Teller distortion splits the shell of Mn3+ by 0.4 Å, a factor of 1.2, whereas the next
    shell of an octahedron is a factor of 1.4 or more away. Beyond the largest bond there is taken to be a ligand.
    """
    shell = np.zeros(len(first), dtype=bool)
    for atom in np.unique(first[chosen]):
        ligands = np.flatnonzero(chosen & (first == atom))
        ligands = ligands[np.argsort(distances[ligands])]
        steps = np.append(distances[ligands], _LARGEST_BOND)
        shell[ligands[: int(np.argmax(steps[1:] / steps[:-1])) + 1]] = True
    return shell
