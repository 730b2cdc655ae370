from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.magnetic_order import moment_signs


def _manganese(atoms: Atoms) -> list[int]:
    return [index for index, symbol in enumerate(atoms.get_chemical_symbols()) if symbol == "Mn"]


def _nearest_pairs_are_antiparallel(atoms: Atoms, sites: list[int], signs: tuple[int, ...]) -> bool:
    distances = atoms.get_all_distances(mic=True)[np.ix_(sites, sites)] + 1e3 * np.eye(len(sites))
    return all(signs[i] == -signs[j] for i, j in zip(*np.nonzero(distances < distances.min() + 0.05), strict=True))


def test_ferromagnetic_moments_are_parallel(olivine: Atoms) -> None:
    assert moment_signs(olivine, _manganese(olivine), "ferromagnetic") == (1, 1, 1, 1)


def test_explicit_signs_are_kept(olivine: Atoms) -> None:
    assert moment_signs(olivine, _manganese(olivine), [-1, 1, 1, -1]) == (-1, 1, 1, -1)


def test_charge_order_parts_the_lowest_state_from_the_others(olivine: Atoms) -> None:
    signs = moment_signs(olivine, _manganese(olivine), "charge_ordered", states=(3, 2, 4, 2))
    assert signs == (-1, 1, -1, 1)


def test_beta_is_antiferromagnetic_along_its_chain(beta: Atoms) -> None:
    assert moment_signs(beta, [0, 1], "antiferromagnetic") == (1, -1)


def test_olivine_neighbours_are_antiparallel_and_its_moment_vanishes(olivine: Atoms) -> None:
    sites = _manganese(olivine)
    signs = moment_signs(olivine, sites, "antiferromagnetic")
    assert sum(signs) == 0
    assert _nearest_pairs_are_antiparallel(olivine, sites, signs)


@pytest.mark.parametrize("repeat", [(1, 1, 2), (2, 2, 2), (2, 2, 4)])
def test_two_sublattices_are_found_in_cells_of_any_size(repeat: tuple[int, int, int]) -> None:
    atoms = bulk("Mn", "bcc", a=3.0, cubic=True).repeat(repeat)
    sites = list(range(len(atoms)))
    signs = moment_signs(atoms, sites, "antiferromagnetic")
    assert sum(signs) == 0
    assert _nearest_pairs_are_antiparallel(atoms, sites, signs)


def test_large_chain_alternates() -> None:
    atoms = Atoms("Mn20", positions=[[0, 0, 2.8 * i] for i in range(20)], cell=[20, 20, 56], pbc=True)
    assert moment_signs(atoms, range(20), "antiferromagnetic") == (1, -1) * 10


@given(st.permutations(range(8)), st.floats(0, 3))
def test_order_does_not_depend_on_the_numbering_or_the_origin(permutation: list[int], shift: float) -> None:
    atoms = Atoms("Mn8", positions=[[0, 0, 2.8 * i] for i in range(8)], cell=[9, 9, 22.4], pbc=True)
    signs = np.array(moment_signs(atoms, range(8), "antiferromagnetic"))
    moved = atoms[permutation]
    moved.positions += shift
    expected = signs[permutation] * signs[permutation][0]
    assert moment_signs(moved, range(8), "antiferromagnetic") == tuple(expected)


def test_frustrated_triangle_keeps_two_of_three_bonds_antiparallel() -> None:
    atoms = Atoms("Mn3", positions=[[0, 0, 0], [3, 0, 0], [1.5, 1.5 * 3**0.5, 0]], cell=[20, 20, 20], pbc=True)
    signs = moment_signs(atoms, range(3), "antiferromagnetic")
    bonds = [signs[i] * signs[j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert sum(bonds) == min(sum((a * b, a * c, b * c)) for a, b, c in product((-1, 1), repeat=3))


def test_single_site_points_up(beta: Atoms) -> None:
    assert moment_signs(beta, [0], "antiferromagnetic") == (1,)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("helical", "'helical' is unknown"),
        ([1], "does not fit the 2 redox sites"),
        ([1, 0], r"give each of them \+1"),
    ],
)
def test_unknown_orders_are_refused(beta: Atoms, order: str | list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        moment_signs(beta, [0, 1], order)
