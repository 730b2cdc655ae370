from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.distortion import ligands, pre_distort, shannon_radius
from aiida_redoxmlp.redox.pattern import Pattern


def _mean_bond(atoms: Atoms, site: int) -> float:
    return float(np.linalg.norm(ligands(atoms, site)[1], axis=1).mean())


def _distorted(atoms: Atoms, states: tuple[int, ...], strength: float = 1.0) -> Atoms:
    copy = atoms.copy()
    copy.positions = pre_distort(atoms, Pattern(tuple(range(len(states))), states), strength)
    return copy


@pytest.mark.parametrize(
    ("element", "state", "coordination", "low_spin", "radius"),
    [
        ("Mn", 2, 6, False, 0.83),
        ("Mn", 3, 6, False, 0.645),
        ("Mn", 3, 6, True, 0.58),
        ("Mn", 2, 4, False, 0.66),
        ("Fe", 3, 6, False, 0.645),
        ("Co", 3, 6, True, 0.545),
        ("Ni", 4, 6, False, 0.48),
        ("Ce", 3, 8, False, 1.143),
    ],
)
def test_radii_are_shannons(element: str, state: int, coordination: int, low_spin: bool, radius: float) -> None:
    assert shannon_radius(element, state, coordination, low_spin=low_spin) == pytest.approx(radius)


def test_untabulated_states_are_interpolated_and_never_grow_with_charge() -> None:
    radii = [shannon_radius("Mn", state) for state in range(9)]
    assert radii[1] == radii[2]
    assert radii == sorted(radii, reverse=True)


def test_element_without_cations_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no cation of He"):
        shannon_radius("He", 2)


def test_manganese_has_six_oxygen_ligands(beta: Atoms, olivine: Atoms) -> None:
    assert [len(ligands(beta, site)[0]) for site in (0, 1)] == [6, 6]
    site = olivine.get_chemical_symbols().index("Mn")
    indices, vectors = ligands(olivine, site)
    assert {olivine[index].symbol for index in indices} == {"O"}
    assert 2.1 < np.linalg.norm(vectors, axis=1).mean() < 2.3


@pytest.mark.parametrize("states", [(2, 3), (3, 2)])
def test_bonds_of_beta_become_those_that_make_the_pattern_stick(beta: Atoms, states: tuple[int, int]) -> None:
    """Mn2+-O 2.13 Å and Mn3+-O 2.03 Å around 2.08 Å made pw.x land on the pattern."""
    distorted = _distorted(beta, states)
    changes = {state: _mean_bond(distorted, site) - _mean_bond(beta, site) for site, state in enumerate(states)}
    assert changes[2] == pytest.approx(0.05, abs=0.005)
    assert changes[3] == pytest.approx(-0.05, abs=0.005)


def test_only_ligands_move_and_the_centre_of_mass_stays(beta: Atoms) -> None:
    beta.positions[-2] += [0.05, 0.03, -0.02]  # without symmetry the drift does not vanish by itself
    distorted = _distorted(beta, (2, 3))
    moved = {beta[index].symbol for index in np.flatnonzero(np.abs(distorted.positions - beta.positions).max(axis=1))}
    assert moved == {"O"}
    assert distorted.get_center_of_mass() == pytest.approx(beta.get_center_of_mass(), abs=1e-10)


def test_displacement_grows_linearly_with_strength(beta: Atoms) -> None:
    once, twice = (_distorted(beta, (2, 3), strength).positions - beta.positions for strength in (1.0, 2.0))
    assert np.abs(once).max() > 0.03
    assert twice == pytest.approx(2 * once)
    assert _distorted(beta, (2, 3), 0.0).positions == pytest.approx(beta.positions)


def test_pattern_of_one_state_leaves_the_structure_alone(beta: Atoms) -> None:
    assert _distorted(beta, (3, 3)).positions == pytest.approx(beta.positions, abs=1e-12)


def test_equivalent_patterns_give_equivalent_structures(beta: Atoms) -> None:
    spectra = [np.sort(_distorted(beta, states).get_all_distances(mic=True), axis=None) for states in ((2, 3), (3, 2))]
    assert spectra[0] == pytest.approx(spectra[1], abs=1e-4)


def test_structure_without_anions_is_left_alone() -> None:
    atoms = bulk("Mn", "bcc", a=3.0, cubic=True)
    assert _distorted(atoms, (2, 3)).positions == pytest.approx(atoms.positions)
