"""An analytic committee that knows oxidation states: Born-Mayer repulsion and screened Coulomb forces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.redox.configuration import OXIDATION_STATES_ARRAY, Configuration
from aiida_redoxmlp.redox.species import Species

RADII = {("Li", 1): 0.76, ("Mn", 2): 0.83, ("Mn", 3): 0.645, ("Mn", 4): 0.53, ("P", 5): 0.17, ("O", -2): 1.38}
COULOMB = 14.39964  # e²/(4πε0) in eV Å
SCREENING = 2.0  # Å
HARDNESS = 0.3  # Å
CUTOFF = 4.5  # Å, within the heights of the cells used here, so that 27 images hold every pair


class IonicCommittee:
    """Two ionic models of different repulsion; pair terms are shifted so that forces vanish at the cutoff."""

    repulsions = (1.0, 1.05)
    encoding = Encoding.for_species("species", [Species(*key) for key in RADII])
    device = "cpu"

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    @property
    def n_members(self) -> int:
        return len(self.repulsions)

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    def evaluate(
        self,
        configurations: Sequence[Configuration],
        *,
        stress: bool = False,
    ) -> list[CommitteeEvaluation]:
        self.batch_sizes.append(len(configurations))
        return [self._evaluate(configuration) for configuration in configurations]

    def evaluate_decorations(
        self, template: Configuration, kinds: Sequence[Species | None], decorations: np.ndarray
    ) -> np.ndarray:
        decorated = [template.decorated([kinds[kind] for kind in row]) for row in decorations]
        structures = [self.encoding.with_usual_spins(one) for one in decorated]
        return np.array([one.energies for one in self.evaluate(structures)])

    def _evaluate(self, configuration: Configuration) -> CommitteeEvaluation:
        symbols, charges = configuration.to_ase().get_chemical_symbols(), configuration.oxidation_states
        sizes = np.array([RADII[key] for key in zip(symbols, charges.tolist(), strict=True)])
        i, j, vectors = _neighbours(configuration)
        distances = np.linalg.norm(vectors, axis=1)
        products, contacts = charges[i] * charges[j], sizes[i] + sizes[j]
        energies, forces = [], []
        for repulsion in self.repulsions:
            pair, slope = _pair(distances, products, contacts, repulsion)
            at_cutoff, slope_at_cutoff = _pair(np.full_like(distances, CUTOFF), products, contacts, repulsion)
            energies.append(0.5 * (pair - at_cutoff - slope_at_cutoff * (distances - CUTOFF)).sum())
            force = np.zeros_like(configuration.positions)
            np.add.at(force, i, ((slope - slope_at_cutoff) / distances)[:, None] * vectors)
            forces.append(force)
        return CommitteeEvaluation(np.array(energies), np.array(forces))


def _neighbours(configuration: Configuration) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs within the cutoff and the vectors from the first to the second atom in Å."""
    fractional = np.linalg.solve(configuration.cell.T, configuration.positions.T).T
    difference = fractional[None, :] - fractional[:, None]
    images = np.array(list(product((-1, 0, 1), repeat=3)))
    vectors = (difference - np.round(difference) + images[:, None, None]) @ configuration.cell
    distances = np.linalg.norm(vectors, axis=-1)
    kept = (distances < CUTOFF) & (distances > 1e-8)
    _, i, j = np.nonzero(kept)
    return i, j, vectors[kept]


def _pair(r: np.ndarray, products: np.ndarray, contacts: np.ndarray, repulsion: float) -> tuple[np.ndarray, np.ndarray]:
    """Energy in eV of a pair at distance ``r`` in Å, and its derivative.

    At ``repulsion`` 1 the two forces of an isolated pair of opposite ions balance where the ions touch.
    """
    coulomb = COULOMB * products * np.exp(-r / SCREENING) / r
    balance = HARDNESS * COULOMB * np.exp(-contacts / SCREENING) / contacts * (1 / contacts + 1 / SCREENING)
    wall = repulsion * balance * np.abs(products) * np.exp((contacts - r) / HARDNESS)
    return coulomb + wall, -coulomb * (1 / r + 1 / SCREENING) - wall / HARDNESS


@pytest.fixture
def committee() -> IonicCommittee:
    return IonicCommittee()


@pytest.fixture
def parent() -> Configuration:
    """β-Li½MnPO4 with the states of what does not change, 0 on Mn."""
    atoms = read(Path(__file__).parents[2] / "examples" / "structures" / "beta-Li0.5MnPO4.cif")
    fixed = {"Mn": 0, "Li": 1, "P": 5, "O": -2}
    atoms.new_array(OXIDATION_STATES_ARRAY, np.array([fixed[symbol] for symbol in atoms.get_chemical_symbols()]))
    return Configuration.from_ase(atoms)
