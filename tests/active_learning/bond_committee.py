"""A committee of analytic potentials that know oxidation states, for the labels of toy frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.neighborlist import neighbor_list

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.contract import CommitteeEvaluation
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species

CUTOFF = 3.2


class BondCommittee:
    """Mn–O bonds of harmonic energy; members differ by the length (Å) that Mn2+ and Mn3+ want."""

    device = "cpu"
    encoding = Encoding.for_species("species", [Species("Mn", 2), Species("Mn", 3), Species("O", -2)])

    def __init__(self, *lengths: tuple[float, float]) -> None:
        self.lengths = lengths

    @property
    def n_members(self) -> int:
        return len(self.lengths)

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    def evaluate(self, configurations: Sequence[Configuration], *, stress: bool = False) -> list[CommitteeEvaluation]:
        return [self._evaluate(one) for one in configurations]

    def _evaluate(self, here: Configuration) -> CommitteeEvaluation:
        i, distances, vectors = neighbor_list("idD", here.to_ase(), {("Mn", "O"): CUTOFF})
        j = neighbor_list("j", here.to_ase(), {("Mn", "O"): CUTOFF})
        energies, forces = [], []
        for two, three in self.lengths:
            rest = np.select([here.oxidation_states == 2, here.oxidation_states == 3], [two, three], 0.0)
            wanted = rest[i] + rest[j]  # only the Mn of a pair has one
            energies.append(0.5 * ((distances - wanted) ** 2).sum())
            force = np.zeros_like(here.positions)
            np.add.at(force, i, (2 * (distances - wanted) / distances)[:, None] * vectors)
            forces.append(force)
        return CommitteeEvaluation(np.array(energies), np.array(forces))

    def evaluate_decorations(
        self, template: Configuration, kinds: Sequence[Species | None], decorations: np.ndarray
    ) -> np.ndarray:
        return np.array([self._evaluate(template.decorated([kinds[k] for k in row])).energies for row in decorations])

    def descriptors(self, configurations: Sequence[Configuration]) -> list[np.ndarray]:
        rows = []
        for one in configurations:
            distances = one.to_ase().get_all_distances(mic=True)
            rows.append(np.column_stack([np.sort(distances, axis=1)[:, 1:3], one.oxidation_states]))
        return rows


def relabelled(frame: Frame, states: Sequence[int]) -> Frame:
    """The frame with other states than its occupations have: a label that lies."""
    own = frame.configuration.oxidation_states.copy()
    own[list(frame.redox_sites)] = states
    return replace(frame, configuration=replace(frame.configuration, oxidation_states=own))


def tilted(seed: int = 0, tilt: float = 0.25) -> Configuration:
    """Two Mn, the first with long and the second with short bonds for ``tilt`` > 0; states say the opposite."""
    random = np.random.default_rng(seed)
    cell = np.diag([8.4, 20.0, 20.0])
    x = np.array([[0.0], [4.2], [2.1 + tilt / 2], [8.4 - 2.1 - tilt / 2]])
    positions = np.hstack([x, np.zeros((4, 2))]) + 0.01 * random.normal(size=(4, 3))
    return Configuration(np.array([25, 25, 8, 8]), positions, cell, np.array([3, 2, -2, -2]))
