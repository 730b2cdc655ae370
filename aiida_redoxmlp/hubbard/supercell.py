"""Hubbard interactions of a supercell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction

__all__ = ("cells_of", "supercell_interactions")


def cells_of(matrix: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Return the cells that make up a supercell, as multiples of the cell's vectors, shape (n_cells, 3).

    Args:
        matrix: integers, 3×3; rows are the supercell's vectors in those of the cell.

    Raises:
        InputError: if it is no matrix of integers with a positive determinant.
    """
    given = np.asarray(matrix, dtype=float)
    if given.shape != (3, 3) or not (given == np.rint(given)).all() or np.linalg.det(given) < 0.5:
        raise InputError(
            f"The matrix {np.asarray(matrix).tolist()} makes no supercell; give three rows of three integers with a "
            "positive determinant."
        )
    vectors = np.rint(given).astype(np.int64)
    corners = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ vectors
    ranges = [np.arange(low, high + 1) for low, high in zip(corners.min(axis=0), corners.max(axis=0), strict=True)]
    candidates = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    inside: NDArray[np.int64] = candidates[(_whole_cells(candidates, vectors) == 0).all(axis=1)]
    return inside


def supercell_interactions(
    interactions: Sequence[Interaction], n_atoms: int, matrix: Sequence[Sequence[int]]
) -> list[Interaction]:
    """Return the interactions of a supercell whose atoms follow each other cell by cell, in the order of the cells.

    Atom ``a`` of cell ``c`` of :func:`cells_of` is number ``c * n_atoms + a``, at the atom's position plus the cell's
    vector. Everything is counted in integers, so relaxed positions do no harm.

    Args:
        interactions: of the cell.
        n_atoms: atoms of the cell.
        matrix: as in :func:`cells_of`.

    Raises:
        InputError: if a neighbour is outside the 3×3×3 supercell in which pw.x numbers them, which very oblique
            matrices lead to, or the matrix makes no supercell.
    """
    cells = cells_of(matrix)
    vectors = np.rint(np.asarray(matrix)).astype(np.int64)
    number_of = {tuple(cell): number for number, cell in enumerate(cells.tolist())}
    result = []
    for number, cell in enumerate(cells):
        for one in interactions:
            reached = cell + np.array(one.translation)
            shift = _whole_cells(reached[None], vectors)[0]
            inside = number_of[tuple((reached - shift @ vectors).tolist())]
            if np.abs(shift).max() > 1:
                raise InputError(
                    f"In the supercell {vectors.tolist()} the neighbour of atom {one.site} lies {shift.tolist()} "
                    "supercells away, but pw.x knows neighbours in the 3×3×3 supercell only; take a less oblique one."
                )
            result.append(
                replace(
                    one,
                    site=number * n_atoms + one.site,
                    neighbour=inside * n_atoms + one.neighbour,
                    translation=(int(shift[0]), int(shift[1]), int(shift[2])),
                )
            )
    return result


def _whole_cells(cells: NDArray[np.int64], vectors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return in which supercell each cell lies, exactly: its coordinates times the determinant are integers."""
    determinant = round(float(np.linalg.det(vectors)))
    adjugate = np.rint(np.linalg.inv(vectors) * determinant).astype(np.int64)
    return np.asarray((cells @ adjugate) // determinant, dtype=np.int64)
