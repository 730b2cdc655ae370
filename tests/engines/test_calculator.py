from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ase.optimize import BFGS

from aiida_redoxmlp.engines.calculator import CommitteeCalculator
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.testing import toy_frames


class Springs:
    """Two members: atoms on springs of 1 and 3 eV/Å² at the places of a toy frame, plus 0.1 eV a charge squared."""

    n_members = 2
    device = "cpu"

    def __init__(self, encoding: str = "species") -> None:
        self.encoding = Encoding.for_species(encoding, [Species("Mn", 2), Species("Mn", 3), Species("O", -2)])
        self.places = toy_frames(1)[0].configuration.positions
        self.stress_requests: list[bool] = []

    def evaluate(self, configurations: Sequence[Configuration], *, stress: bool = False) -> list[CommitteeEvaluation]:
        self.stress_requests.append(stress)
        results = []
        for one in configurations:
            away = one.positions - self.places
            constants = np.array([1.0, 3.0])
            energies = 0.5 * constants * (away**2).sum() + 0.1 * float((one.oxidation_states[:1] ** 2).sum())
            stresses = np.array([np.diag([1.0, 2.0, 3.0])] * 2) if stress else None
            results.append(CommitteeEvaluation(energies, -constants[:, None, None] * away, stresses))
        return results


@pytest.fixture
def atoms():
    atoms = toy_frames(1)[0].configuration.to_ase()
    atoms.positions += 0.1
    atoms.calc = CommitteeCalculator(Springs())
    return atoms


def test_answers_are_the_mean_and_the_spread_of_the_committee(atoms) -> None:
    assert atoms.get_potential_energy() == pytest.approx(0.5 * 2.0 * 12 * 0.01 + 0.4)
    np.testing.assert_allclose(atoms.get_forces(), -0.2)
    np.testing.assert_allclose(atoms.calc.results["forces_std"], 0.1)
    assert atoms.calc.results["energy_comm"] == pytest.approx([0.46, 0.58])
    assert atoms.calc.results["energy_var"] == pytest.approx(0.06**2)
    np.testing.assert_allclose(atoms.calc.results["forces_comm"][:, 0, 0], [-0.1, -0.3])
    assert atoms.calc.results["energy_std"] == pytest.approx(0.06)


def test_moving_the_electron_changes_the_energy_though_no_atom_moved(atoms) -> None:
    before = atoms.get_potential_energy()
    atoms.arrays["oxidation_states"][:2] = 3, 2
    assert atoms.get_potential_energy() - before == pytest.approx(0.1 * (9 - 4))


def test_nothing_is_computed_twice(atoms) -> None:
    atoms.get_potential_energy()
    atoms.get_forces()
    assert atoms.calc.potential.stress_requests == [False]


def test_stress_is_computed_only_when_asked_for(atoms) -> None:
    atoms.get_forces()
    assert atoms.get_stress() == pytest.approx([1, 2, 3, 0, 0, 0])
    assert atoms.calc.potential.stress_requests == [False, True]


def test_optimiser_of_ase_relaxes_with_it(atoms) -> None:
    assert BFGS(atoms, logfile=None).run(fmax=1e-3, steps=50)
    np.testing.assert_allclose(atoms.positions, toy_frames(1)[0].configuration.positions, atol=1e-3)


def test_atoms_without_states_are_refused_unless_the_potential_is_blind_to_them(atoms) -> None:
    del atoms.arrays["oxidation_states"]
    with pytest.raises(InputError, match=r"several oxidation states of Mn \(2, 3\).*array 'oxidation_states'"):
        atoms.get_potential_energy()
    atoms.calc = CommitteeCalculator(Springs("none"))
    assert np.isfinite(atoms.get_potential_energy())


def test_isolated_molecule_is_refused(atoms) -> None:
    atoms.pbc = False
    with pytest.raises(InputError, match="not periodic"):
        atoms.get_forces()


def test_moments_are_asked_for_and_turning_one_is_a_change(atoms) -> None:
    potential = Springs()
    potential.encoding = Encoding.for_configurations("species+spin", [toy_frames(1)[0].configuration])
    atoms.calc = CommitteeCalculator(potential)
    atoms.get_potential_energy()
    atoms.arrays["spins"][:2] *= -1
    atoms.get_potential_energy()
    assert len(potential.stress_requests) == 2
    del atoms.arrays["spins"]
    with pytest.raises(InputError, match=r"several spins of Mn \(-5, -4, 4, 5\).*array 'spins'"):
        atoms.get_potential_energy()
