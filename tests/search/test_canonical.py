from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.search.canonical import CanonicalForms, Packing
from aiida_redoxmlp.search.space import ConfigurationSpace
from tests.search.spaces import LITHIUM, METALS, SHAPES, brute_force, image, orbits, rock_salt, shifted, spaces

LARGE = {
    "24 two-valued sites": (rock_salt((4, 3, 2)), {"Mn": ["Mn2+", "Mn3+"]}),
    "64 two-valued sites, one full word": (rock_salt((4, 4, 4)), {"Mn": ["Mn2+", "Mn3+"]}),
    "64 sites of two sublattices, two words": (rock_salt((4, 4, 2), lithium=True), {"Mn": METALS, "Li": LITHIUM}),
    "54 three-valued sites, two words": (rock_salt((3, 3, 6)), {"Mn": ["Mn2+", "Mn3+", "Mn4+"]}),
}


@pytest.fixture(params=LARGE, scope="module")
def large(request: pytest.FixtureRequest) -> ConfigurationSpace:
    atoms, allowed = LARGE[request.param]
    return ConfigurationSpace.of(atoms, allowed, total_charge=None)


def _random_rows(space: ConfigurationSpace, number: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.random((number, space.n_sites)) * space.rules.sizes).astype(np.int8)


@settings(max_examples=40)
@given(spaces())
def test_the_form_is_the_smallest_image_and_the_multiplicity_the_size_of_the_orbit(space: ConfigurationSpace) -> None:
    rows = brute_force(space)
    forms, multiplicities = CanonicalForms.of(space).canonical_with_multiplicity(rows)
    classes = orbits(space, rows)
    for row, form, multiplicity in zip(rows, forms, multiplicities, strict=True):
        members = classes[tuple(form.tolist())]
        assert tuple(row.tolist()) in members
        assert len(members) == multiplicity


@settings(max_examples=40)
@given(spaces(), st.data())
def test_the_form_does_not_depend_on_the_operation_applied_before(
    space: ConfigurationSpace, data: st.DataObject
) -> None:
    rows = brute_force(space)
    operation = data.draw(st.sampled_from(list(space.permutations)))
    forms = CanonicalForms.of(space)
    assert (forms.canonical(np.array([image(row, operation) for row in rows])) == forms.canonical(rows)).all()


def test_the_form_of_large_cells_does_not_depend_on_the_operation_applied_before(large: ConfigurationSpace) -> None:
    rows = _random_rows(large, 50, seed=1)
    forms = CanonicalForms.of(large)
    canonical, multiplicities = forms.canonical_with_multiplicity(rows)
    random = np.random.default_rng(2)
    for operation in random.choice(large.permutations, 5):
        moved = np.array([image(row, operation) for row in rows])
        assert (forms.canonical(moved) == canonical).all()
        assert (forms.multiplicity(moved) == multiplicities).all()
    images = [min(tuple(image(row, one).tolist()) for one in large.permutations) for row in rows[:3]]
    assert [tuple(form.tolist()) for form in canonical[:3]] == images


@given(st.sampled_from(SHAPES), st.tuples(*[st.integers(-3, 3)] * 3), st.integers(0, 2**8 - 1))
def test_a_structure_moved_by_a_lattice_vector_has_the_same_form(
    shape: tuple[int, int, int], shift: tuple[int, int, int], pattern: int
) -> None:
    space = ConfigurationSpace.of(rock_salt(shape), {"Mn": ["Mn2+", "Mn3+"]}, total_charge=None)
    row = np.array([pattern >> site & 1 for site in range(space.n_sites)], dtype=np.int8)
    moved = space.row_of(shifted(space.configuration(row), shift))
    forms = CanonicalForms.of(space)
    assert (forms.canonical(moved[None]) == forms.canonical(row[None])).all()
    assert forms.keys(moved[None]) == forms.keys(row[None])


def test_words_are_rows_and_keep_their_order(large: ConfigurationSpace) -> None:
    rows = _random_rows(large, 200, seed=3)
    packing = Packing(large.rules.sizes)
    words = packing.pack(rows)
    assert (packing.unpack(words) == rows).all()
    assert (np.lexsort(rows.T[::-1]) == np.lexsort(words[::-1])).all()


def test_sites_with_one_species_take_no_bits() -> None:
    packing = Packing(np.array([1, 2, 1]))
    assert packing.bits.tolist() == [0, 1, 0]
    forms = CanonicalForms(np.array([1, 1]), np.array([[0, 1], [1, 0]]))
    assert forms.canonical(np.zeros((2, 2), dtype=np.int8)).tolist() == [[0, 0], [0, 0]]
