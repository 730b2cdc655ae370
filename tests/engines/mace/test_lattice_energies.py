"""Energies by matrices of a lattice are those of the network, and used wherever they can be."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mace")

from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.testing import toy_frames

pytestmark = pytest.mark.engine

KINDS = (Species("Mn", 2), Species("Mn", 3), Species("O", -2), None)
DECORATIONS = np.array([[0, 1, 2, 2], [1, 0, 2, 2], [1, 1, 3, 2], [3, 0, 2, 3], [3, 3, 3, 3], [0, 0, 0, 0]])
ON_LATTICE = {
    "default": {},
    "scalars only": {"max_L": 0},
    "higher angular momenta": {"max_L": 2, "max_ell": 3, "correlation": 3},
    "one layer": {"num_interactions": 1, "correlation": 1},
    "three layers": {"num_interactions": 3},
    "residual first layer": {"interaction_first": "RealAgnosticResidualInteractionBlock"},
    "cutoff of the messages": {"apply_cutoff": False},
    "products alike": {"use_agnostic_product": True},
    "last readout only": {"use_last_readout_only": True},
    "large cutoff, all sites neighbours": {"r_max": 6.0},
}
BY_GRAPHS = {
    "density": {"interaction": "RealAgnosticDensityResidualInteractionBlock"},
    "distances by radii": {"distance_transform": "Agnesi"},
    "repulsion": {"pair_repulsion": True},
    "fourth order": {"correlation": 4},
}


def _compare(committee, template):
    """Energies together and one by one, and whether matrices were used."""
    found = committee.evaluate_decorations(template, KINDS, DECORATIONS)
    alone = [template.decorated([KINDS[index] for index in row]) for row in DECORATIONS if (row < 3).any()]
    alone = [committee.encoding.with_usual_spins(one) for one in alone]
    expected = np.array([one.energies for one in committee.evaluate(alone)])
    with_atoms = (DECORATIONS < 3).any(axis=1)
    np.testing.assert_allclose(found[with_atoms], expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[~with_atoms], 0.0, atol=1e-9)
    return [one is not None for one in committee._lattice_energies(template, KINDS).on_lattice]


@pytest.mark.parametrize("architecture", ON_LATTICE.values(), ids=ON_LATTICE)
def test_matrices_give_the_energies_of_the_network(make_committee, architecture):
    committee = make_committee("species", **architecture)
    assert _compare(committee, toy_frames(1, seed=3)[0].configuration) == [True, True]


@pytest.mark.parametrize("encoding", ["embedding", "species+spin", "embedding+spin", "none"])
def test_matrices_know_every_encoding(make_committee, encoding):
    assert _compare(make_committee(encoding), toy_frames(1, seed=3)[0].configuration) == [True, True]


@pytest.mark.parametrize("architecture", BY_GRAPHS.values(), ids=BY_GRAPHS)
def test_architectures_without_matrices_are_evaluated_by_graphs(make_committee, architecture):
    committee = make_committee("species", **architecture)
    assert _compare(committee, toy_frames(1, seed=3)[0].configuration) == [False, False]


def test_lattices_of_many_sites_take_only_their_neighbours(make_committee):
    committee = make_committee("species")
    atoms = toy_frames(1, seed=3)[0].configuration.to_ase().repeat((3, 2, 2))
    large = Configuration.from_ase(atoms)
    decorations = np.random.default_rng(0).integers(0, 3, (5, len(large)))
    found = committee.evaluate_decorations(large, KINDS, decorations)
    alone = [large.decorated([KINDS[index] for index in row]) for row in decorations]
    np.testing.assert_allclose(found, [one.energies for one in committee.evaluate(alone)], rtol=0, atol=1e-8)
    (block, *_) = committee._lattice_energies(large, KINDS).on_lattice[0]._convolutions[0]._blocks
    assert block._matrix.shape[2] < len(large) // 2


def test_another_lattice_is_not_taken_for_the_last(make_committee):
    committee = make_committee("species")
    templates = [toy_frames(1, seed=seed)[0].configuration for seed in (3, 4)]
    first, second = (committee.evaluate_decorations(one, KINDS, DECORATIONS[:1]) for one in templates)
    swapped = (KINDS[1], KINDS[0], *KINDS[2:])
    again = committee.evaluate_decorations(templates[0], swapped, DECORATIONS[1:2])
    np.testing.assert_allclose(again, first, rtol=0, atol=1e-9)
    assert np.abs(first - second).min() > 1e-4


def test_single_precision_keeps_the_energies_to_its_digits(make_committee):
    committee, template = make_committee("species"), toy_frames(1, seed=3)[0].configuration
    exact = committee.evaluate_decorations(template, KINDS, DECORATIONS)
    single = committee.in_precision("float32")
    found = single.evaluate_decorations(template, KINDS, DECORATIONS)
    assert single.description.dtype == "float32"
    assert found.dtype == np.float64
    assert 0 < np.abs(found - exact).max() < 1e-5
    back = single.in_precision("float64").evaluate_decorations(template, KINDS, DECORATIONS)
    assert np.abs(back - exact).max() < 1e-5


def test_no_decorations_have_no_energies(make_committee):
    template = toy_frames(1, seed=3)[0].configuration
    assert make_committee("species").evaluate_decorations(template, KINDS, DECORATIONS[:0]).shape == (0, 2)
