"""Claims about the physics of a potential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.testing.toy import toy_frames
from aiida_redoxmlp.testing.trained import TrainedPotential, require, require_close, require_refusal, spins_of

__all__ = ("PhysicsClaims",)


class PhysicsClaims(TrainedPotential):
    """Symmetries, derivatives, batches, species and spins."""

    def test_answer_has_a_value_for_every_member_and_atom(self) -> None:
        """Shapes are those of the contract, and the members differ."""
        n_members, n_atoms = len(self.settings.seeds), len(self.configuration)
        result = self.evaluate_one(self.configuration, stress=True)
        require(self.potential.n_members == n_members, "n_members is not the number of seeds")
        require(result.energies.shape == (n_members,), f"energies have shape {result.energies.shape}")
        require(result.forces.shape == (n_members, n_atoms, 3), f"forces have shape {result.forces.shape}")
        require(result.stresses is not None, "no stress although it was asked for")
        require(float(np.ptp(result.energies)) > 0, "all members are the same: the seeds do nothing")

    def test_rotation_turns_the_forces_and_leaves_the_energy(self) -> None:
        """The energy is invariant, forces are vectors."""
        rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
        rotation *= np.sign(np.linalg.det(rotation))
        here = self.configuration
        turned = replace(here, positions=here.positions @ rotation.T, cell=here.cell @ rotation.T)
        before, after = self.evaluate_one(here), self.evaluate_one(turned)
        require_close(after.energies, before.energies, self.invariance_tolerance)
        require_close(after.forces, before.forces @ rotation.T, self.invariance_tolerance)

    def test_translation_and_lattice_vectors_change_nothing(self) -> None:
        """A shift of all atoms, or of one atom by a cell vector, is the same crystal."""
        here = self.configuration
        shifted = here.positions + np.array([0.3, -1.7, 0.9])
        shifted[1] += here.cell[0] - here.cell[2]
        before, after = self.evaluate_one(here), self.evaluate_one(here.moved_to(shifted))
        require_close(after.energies, before.energies, self.invariance_tolerance)
        require_close(after.forces, before.forces, self.invariance_tolerance)

    def test_order_of_atoms_changes_nothing(self) -> None:
        """Renumbered atoms have the same energy and their own forces."""
        here, order = self.configuration, np.array([2, 1, 3, 0])
        renumbered = Configuration(
            here.numbers[order],
            here.positions[order],
            here.cell,
            here.oxidation_states[order],
            spins_of(here)[order],
        )
        before, after = self.evaluate_one(here), self.evaluate_one(renumbered)
        require_close(after.energies, before.energies, self.invariance_tolerance)
        require_close(after.forces, before.forces[:, order], self.invariance_tolerance)

    def test_forces_are_minus_the_gradient_of_the_energy(self) -> None:
        """Central differences over every coordinate, all members."""
        here, step = self.configuration, 1e-4
        moves = [(atom, axis, sign) for atom in range(len(here)) for axis in range(3) for sign in (1, -1)]
        moved = [here.positions.copy() for _ in moves]
        for positions, (atom, axis, sign) in zip(moved, moves, strict=True):
            positions[atom, axis] += sign * step
        energies = self._energies([here.moved_to(positions) for positions in moved])
        slopes = (energies[0::2] - energies[1::2]) / (2 * step)
        expected = -slopes.T.reshape(len(self.settings.seeds), len(here), 3)
        require_close(self.evaluate_one(here).forces, expected, self.gradient_tolerance)

    def test_stress_is_the_strain_derivative_of_the_energy(self) -> None:
        """Positive under tension (ASE's sign), per volume, along the three axes."""
        here, step = self.configuration, 1e-4
        strained = []
        for axis in range(3):
            for sign in (1, -1):
                stretch = np.eye(3)
                stretch[axis, axis] += sign * step
                strained.append(replace(here, positions=here.positions @ stretch, cell=here.cell @ stretch))
        energies = self._energies(strained)
        expected = (energies[0::2] - energies[1::2]) / (2 * step * abs(np.linalg.det(here.cell)))
        stresses = np.array(self.evaluate_one(here, stress=True).stresses)
        require_close(stresses[:, range(3), range(3)], expected.T, self.stress_tolerance)

    def _energies(self, configurations: Sequence[Configuration]) -> NDArray[np.float64]:
        return np.array([result.energies for result in self.potential.evaluate(configurations)])

    def test_batch_equals_one_by_one(self) -> None:
        """Cells of different size in one call do not see each other, and come back in order."""
        here = self.configuration
        doubled = Configuration(
            np.tile(here.numbers, 2),
            np.concatenate([here.positions, here.positions + here.cell[0]]),
            here.cell * np.array([[2], [1], [1]]),
            np.tile(here.oxidation_states, 2),
            np.tile(spins_of(here), 2),
        )
        batch = [here, doubled, *(frame.configuration for frame in toy_frames(2, seed=5))]
        together = self.potential.evaluate(batch, stress=True)
        require(len(together) == len(batch), f"{len(together)} answers for {len(batch)} configurations")
        for configuration, one in zip(batch, together, strict=True):
            alone = self.evaluate_one(configuration, stress=True)
            require_close(one.energies, alone.energies, self.invariance_tolerance)
            require_close(one.forces, alone.forces, self.invariance_tolerance)
            require_close(one.stresses, alone.stresses, self.invariance_tolerance)
        require_close(together[1].energies, 2 * together[0].energies, self.invariance_tolerance)

    def test_empty_batch_has_no_answers(self) -> None:
        """Nothing in, nothing out."""
        require(self.potential.evaluate([]) == [], "an empty batch gave answers")

    def test_species_matter_unless_the_encoding_hides_them(self) -> None:
        """The same geometry with the electron elsewhere has another energy; to the baseline it is the same input."""
        here = self.configuration
        order = [1, 0, 2, 3]
        swapped = replace(here, oxidation_states=here.oxidation_states[order], spins=spins_of(here)[order])
        one, other = self.potential.evaluate([here, swapped])
        if self.potential.encoding.resolves_states:
            gap = np.abs(one.energies - other.energies)
            require(bool((gap > self.smallest_difference).all()), f"swapping Mn2+ and Mn3+ changes only {gap} eV")
        else:
            require_close(one.energies, other.energies, self.same_tolerance)
            require_close(one.forces, other.forces, self.same_tolerance)

    def test_order_of_the_moments_matters_only_where_spins_are_resolved(self) -> None:
        """Parallel and antiparallel moments are two energies to a potential with spins, one to all others."""
        here = self.configuration
        parallel = replace(here, spins=np.abs(spins_of(here)))
        antiparallel = replace(here, spins=np.abs(spins_of(here)) * np.array([1, -1, 1, 1]))
        one, other = self.potential.evaluate([parallel, antiparallel])
        if self.potential.encoding.resolves_spins:
            gap = np.abs(one.energies - other.energies)
            require(bool((gap > self.smallest_difference).all()), f"turning one moment changes only {gap} eV")
        else:
            require_close(one.energies, other.energies, self.same_tolerance)

    def test_reversal_of_all_spins_changes_nothing(self) -> None:
        """Without a field, up and down are names; this holds for any weights, not only for trained ones."""
        here = self.configuration
        for spins in (np.array([5, 4, 0, 0]), np.array([5, -4, 0, 0])):
            up = replace(here, spins=spins)
            before, after = (
                self.evaluate_one(up, stress=True),
                self.evaluate_one(replace(up, spins=-spins), stress=True),
            )
            require_close(after.energies, before.energies, self.same_tolerance)
            require_close(after.forces, before.forces, self.same_tolerance)
            require_close(after.stresses, before.stresses, self.same_tolerance)

    def test_missing_and_unknown_spins_are_refused_where_they_are_needed(self) -> None:
        """Low-spin Mn was not in training, and a configuration without spins is not taken for one without moments."""
        here = self.configuration
        for spins in (None, np.array([1, 2, 0, 0])):
            other = replace(here, spins=spins)
            if self.potential.encoding.resolves_spins:
                require_refusal(partial(self.evaluate_one, other), f"spins {spins} were evaluated")
            else:
                require_close(self.evaluate_one(other).energies, self.evaluate_one(here).energies, self.same_tolerance)

    def test_unknown_species_is_refused(self) -> None:
        """A state, or for the baseline an element, that was not in training has no energy."""
        here = self.configuration
        if self.potential.encoding.resolves_states:
            unknown = replace(here, oxidation_states=np.array([4, 1, -2, -2]))
            require_refusal(
                lambda: self.evaluate_one(unknown), "Mn4+ and Mn+ were evaluated although training had neither"
            )
        iron = replace(here, numbers=np.array([26, 25, 8, 8]))
        require_refusal(lambda: self.evaluate_one(iron), "Fe was evaluated although training had none")

    def test_decorations_have_the_energies_of_their_configurations(self) -> None:
        """Many decorations of one lattice, vacancies among them, are evaluated like one configuration after another."""
        template = self.configuration
        kinds = (Species("Mn", 2), Species("Mn", 3), Species("O", -2), None)
        decorations = np.array([[0, 1, 2, 2], [1, 0, 2, 2], [1, 1, 3, 2], [3, 0, 2, 3], [1, 3, 3, 3]])
        together = self.potential.evaluate_decorations(template, kinds, decorations)
        require(together.shape == (len(decorations), self.potential.n_members), "energies have another shape")
        alone = [template.decorated([kinds[index] for index in row]) for row in decorations]
        known = [self.potential.encoding.with_usual_spins(one) for one in alone]
        expected = [one.energies for one in self.potential.evaluate(known)]
        require_close(together, np.array(expected), self.same_tolerance)

    def test_descriptors_do_not_depend_on_orientation_or_order(self) -> None:
        """Rotated, shifted and renumbered atoms have the descriptors they had, in a batch as alone."""
        rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
        here, order = self.configuration, np.array([2, 1, 3, 0])
        turned = replace(here, positions=(here.positions + 0.7) @ rotation.T, cell=here.cell @ rotation.T)
        renumbered = Configuration(
            here.numbers[order], here.positions[order], here.cell, here.oxidation_states[order], spins_of(here)[order]
        )
        before, after, other = self.potential.descriptors([here, turned, renumbered])
        require(before.shape[0] == len(here) and before.shape[1] > 0, f"descriptors have shape {before.shape}")
        require_close(after, before, self.invariance_tolerance)
        require_close(other, before[order], self.invariance_tolerance)
        (alone,) = self.potential.descriptors([here])
        require_close(alone, before, self.invariance_tolerance)
        require(self.potential.descriptors([]) == [], "an empty batch has descriptors")

    def test_descriptors_tell_structures_and_species_apart(self) -> None:
        """A moved atom changes them; an electron elsewhere does, unless the encoding hides it."""
        here = self.configuration
        moved = here.moved_to(here.positions + np.array([[0.1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]))
        order = [1, 0, 2, 3]
        swapped = replace(here, oxidation_states=here.oxidation_states[order], spins=spins_of(here)[order])
        before, after, other = self.potential.descriptors([here, moved, swapped])
        require(float(np.abs(after - before).max()) > self.smallest_difference, "a moved atom changes no descriptor")
        if self.potential.encoding.resolves_states:
            change = float(np.abs(other - before).max())
            require(change > self.smallest_difference, "swapping Mn2+ and Mn3+ changes no descriptor")
        else:
            require_close(other, before, self.same_tolerance)
