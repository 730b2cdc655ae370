"""Provenance-tracked transformations of a structure in which its Hubbard parameters follow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from numpy.typing import NDArray

from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.relabelling import by_element
from aiida_redoxmlp.hubbard.supercell import cells_of, supercell_interactions

__all__ = ("same_hubbard_for_all", "strained_with_hubbard", "supercell_with_hubbard")


@calcfunction
def supercell_with_hubbard(structure: HubbardStructureData, matrix: orm.List) -> HubbardStructureData:
    """Return a supercell that has the interactions of the cell, cell by cell.

    Args:
        structure: the cell.
        matrix: integers, 3×3; rows are the supercell's vectors in those of the cell.
    """
    cell, rows = np.array(structure.cell), matrix.get_list()
    interactions = supercell_interactions(interactions_of(structure), len(structure.sites), rows)
    supercell = orm.StructureData(cell=(np.array(rows) @ cell).tolist(), pbc=structure.pbc)
    for shift in cells_of(rows) @ cell:
        _append_sites(supercell, structure, shift.__add__)
    return with_interactions(supercell, interactions, projectors=structure.hubbard.projectors)


@calcfunction
def strained_with_hubbard(structure: HubbardStructureData, strain: orm.List) -> HubbardStructureData:
    """Return the structure deformed by 1 + strain, ions at the same fractional coordinates, with its interactions.

    Args:
        structure: the unstrained structure.
        strain: 3×3; row vectors of the cell are multiplied by 1 + strain from the right.

    Raises:
        InputError: if it is no 3×3 matrix, or leaves no volume.
    """
    given = np.array(strain.get_list(), dtype=float)
    if given.shape != (3, 3) or np.linalg.det(np.eye(3) + given) <= 0.0:
        raise InputError(
            f"The strain {given.tolist()} leaves no cell; give a 3×3 matrix of small numbers, such as 0.01 for 1 %."
        )
    deformation = np.eye(3) + given
    deformed = orm.StructureData(cell=(np.array(structure.cell) @ deformation).tolist(), pbc=structure.pbc)
    _append_sites(deformed, structure, lambda position: position @ deformation)
    return with_interactions(deformed, interactions_of(structure), projectors=structure.hubbard.projectors)


def _append_sites(
    target: orm.StructureData,
    source: orm.StructureData,
    move: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    """Append all atoms of a structure to another at new positions, with their kinds."""
    for site in source.sites:
        kind = source.get_kind(site.kind_name)
        target.append_atom(symbols=kind.symbol, name=kind.name, position=move(np.array(site.position)).tolist())


@calcfunction
def same_hubbard_for_all(structure: HubbardStructureData, values: HubbardStructureData) -> HubbardStructureData:
    """Return a structure with one U an element and one V a pair of elements, the means over another's sites.

    Args:
        structure: atoms and kinds.
        values: self-consistent interactions of the same atoms, in the same order.

    Raises:
        InputError: if the atoms are others.
    """
    symbols = [structure.get_kind(site.kind_name).symbol for site in structure.sites]
    if symbols != [values.get_kind(site.kind_name).symbol for site in values.sites]:
        raise InputError(
            f"The structure {structure.get_formula()} does not have the atoms of {values.get_formula()} in the same "
            "order; hand over the U and V of the same atoms."
        )
    return with_interactions(
        structure, by_element(interactions_of(values), symbols), projectors=values.hubbard.projectors
    )
