from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.neighbours import IntersiteRule, neighbour_interactions
from aiida_redoxmlp.hubbard.supercell import cells_of, supercell_interactions

_MATRICES = st.lists(st.lists(st.integers(-2, 3), min_size=3, max_size=3), min_size=3, max_size=3)


def _volume(matrix: list[list[int]]) -> int:
    return round(float(np.linalg.det(matrix)))


def _interactions(atoms: Atoms) -> list[Interaction]:
    return [
        Interaction(0, "3d", 0, "3d", (0, 0, 0), 5.0),
        *neighbour_interactions(atoms, [IntersiteRule(between=("Co-3d", "O-2p"), nearest=True, value=0.5)]),
        *neighbour_interactions(atoms, [IntersiteRule(between=("Co-3d", "Co-3d"), within=2.9, value=0.1)]),
    ]


def _supercell(atoms: Atoms, matrix: list[list[int]]) -> Atoms:
    cells = cells_of(matrix)
    positions = (cells @ atoms.cell.array)[:, None, :] + atoms.positions[None]
    return Atoms(
        numbers=np.tile(atoms.numbers, len(cells)),
        positions=positions.reshape(-1, 3),
        cell=np.array(matrix) @ atoms.cell.array,
        pbc=True,
    )


def _bond(atoms: Atoms, one: Interaction) -> np.ndarray:
    image = atoms.positions[one.neighbour] + np.array(one.translation) @ atoms.cell.array
    return image - atoms.positions[one.site]


@given(_MATRICES)
def test_a_supercell_has_as_many_cells_as_its_determinant_all_different(matrix: list[list[int]]) -> None:
    assume(0 < _volume(matrix) <= 30)
    cells = cells_of(matrix)
    assert len(cells) == _volume(matrix)
    fractional = cells @ np.linalg.inv(matrix)
    differences = fractional[:, None] - fractional[None]
    same = (np.abs(differences - np.rint(differences)) < 1e-9).all(axis=-1)
    assert same.sum() == len(cells)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(matrix=_MATRICES, noise=st.integers(0, 2**32 - 1))
def test_a_supercell_has_every_bond_of_every_cell(licoo2: Atoms, matrix: list[list[int]], noise: int) -> None:
    """As vectors, not just as lengths; or it is refused because pw.x could not number the neighbour."""
    assume(0 < _volume(matrix) <= 12)
    licoo2 = licoo2.copy()
    licoo2.positions += np.random.default_rng(noise).normal(scale=1e-3, size=(4, 3))  # as relaxed
    cell = _interactions(licoo2)
    try:
        large = supercell_interactions(cell, len(licoo2), matrix)
    except InputError as error:
        assert "3×3×3 supercell only; take a less oblique one." in str(error)  # noqa: PT017 - both ends are right
        return
    atoms = _supercell(licoo2, matrix)
    assert len(large) == _volume(matrix) * len(cell)
    assert len(set(large)) == len(large)
    assert all(-1 <= step <= 1 for one in large for step in one.translation)
    for number, one in enumerate(large):
        origin = cell[number % len(cell)]
        assert _bond(atoms, one) == pytest.approx(_bond(licoo2, origin), abs=1e-9)
        assert (one.manifold, one.neighbour_manifold, one.value) == (
            origin.manifold,
            origin.neighbour_manifold,
            origin.value,
        )
        assert atoms.numbers[one.neighbour] == licoo2.numbers[origin.neighbour]


@pytest.mark.parametrize("matrix", [np.diag(repeats).tolist() for repeats in product((1, 2, 3), (1, 2), (1, 2))])
def test_a_supercell_along_the_axes_is_never_refused(licoo2: Atoms, matrix: list[list[int]]) -> None:
    cell = _interactions(licoo2)
    assert len(supercell_interactions(cell, len(licoo2), matrix)) == _volume(matrix) * len(cell)


@pytest.mark.parametrize("matrix", [[[2, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 0], [1, -1, 0], [0, 0, -1]]])
def test_pw_spreads_v_over_as_many_pairs_a_cell_as_before(licoo2: Atoms, matrix: list[list[int]]) -> None:
    """pw.x gives a V to every pair of the same kinds and distance in its 3×3×3 supercell."""
    cell = _interactions(licoo2)
    large = supercell_interactions(cell, len(licoo2), matrix)
    assert _seen_by_pw(_supercell(licoo2, matrix), large) == {
        key: count * _volume(matrix) for key, count in _seen_by_pw(licoo2, cell).items()
    }


def _seen_by_pw(atoms: Atoms, interactions: list[Interaction]) -> Counter[tuple[object, ...]]:
    """The rule of ``PW/src/intersite.f90``: pairs by kinds and distance, values by the first one that matches."""
    listed = [
        ({atoms.symbols[one.site], atoms.symbols[one.neighbour]}, float(np.linalg.norm(_bond(atoms, one))), one.value)
        for one in interactions
    ]
    seen: Counter[tuple[object, ...]] = Counter()
    for shift in product((-1, 0, 1), repeat=3):
        images = atoms.positions + np.array(shift) @ atoms.cell.array
        for i, j in product(range(len(atoms)), repeat=2):
            length = float(np.linalg.norm(images[j] - atoms.positions[i]))
            ends = {atoms.symbols[i], atoms.symbols[j]}
            values = [value for kinds, distance, value in listed if kinds == ends and abs(distance - length) < 3e-4]
            if values:
                seen[frozenset(ends), round(length, 3), values[0]] += 1
    return seen


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[-1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0], [0, 1]],
        [[1.5, 0, 0], [0, 2, 0], [0, 0, 1]],
    ],
)
def test_what_makes_no_supercell_is_refused(matrix: list[list[float]]) -> None:
    with pytest.raises(InputError, match="makes no supercell; give three rows"):
        cells_of(matrix)
