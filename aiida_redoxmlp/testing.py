"""The conformance suite: inherit :class:`EngineConformance` in a test module, and pytest runs it on your engine.

.. code-block:: python

    class TestMyEngine(EngineConformance):
        settings = TrainingSettings(engine="mine", seeds=(1, 2), max_epochs=8)

The engine must be in :data:`aiida_redoxmlp.engines.registry.ENGINES`. A tolerance that is not met is a fault of the
engine; the tolerances are attributes so that an engine that only knows ``float32`` can state its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.split import split_tail
from aiida_redoxmlp.engines.contract import CommitteeEvaluation, CommitteePotential, TrainingResult
from aiida_redoxmlp.engines.registry import get_engine, load_potential
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError, ModelIntegrityError
from aiida_redoxmlp.redox.configuration import Configuration

__all__ = ("EngineConformance", "toy_frames")

_TOY_CUTOFF = 4.0
_TOY_BOND_LENGTHS = {2: 2.2, 3: 2.0}
_TOY_EXCHANGE = 0.05


def toy_frames(n_frames: int, *, seed: int = 0, group: str = "toy", exchange: float = 0.0) -> tuple[Frame, ...]:
    """Return labelled frames of a small rock-salt-like Mn2O2 cell with one Mn2+ and one Mn3+.

    The labels are exact: Mn–O pairs are harmonic around a bond length that depends on the state of Mn (2.2 Å for
    Mn2+, 2.0 Å for Mn3+), damped smoothly to zero at 4 Å. Energies in eV, forces in eV/Å. The total charge is +1.
    The moments are high-spin. The two Mn are parallel in two frames, antiparallel in the next two, and so on.

    Args:
        n_frames: how many.
        seed: decides the displacements.
        group: name of the trajectory.
        exchange: energy in eV that parallel moments add for every Mn–Mn pair, damped like the bonds; the states
            of a pattern then have one energy for each order of the moments.
    """
    random = np.random.default_rng(seed)
    frames = []
    for step in range(n_frames):
        pair = (2, 3) if step % 2 == 0 else (3, 2)
        scaled = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0.5, 0]], dtype=float)
        cell = np.diag([4.2, 4.2, 4.0]) + 0.05 * random.normal(size=(3, 3))
        positions = scaled @ cell + 0.08 * random.normal(size=(4, 3))
        configuration = Configuration(np.array([25, 25, 8, 8]), positions, cell, np.array([*pair, -2, -2]))
        signs = (1, 1 if step // 2 % 2 == 0 else -1)
        energy, forces = _toy_labels(configuration, np.array([*signs, 0, 0]), exchange)
        frames.append(
            Frame(
                configuration=configuration,
                energy=energy,
                forces=forces,
                stress=None,
                redox_sites=(0, 1),
                eigenvalues=tuple(_toy_levels(state, sign) for state, sign in zip(pair, signs, strict=True)),
                confidences=np.array([0.99, 0.99]),
                margin=10.0,
                naive_closed=True,
                ambiguous=False,
                total_charge=1,
                group=group,
                step=step,
            )
        )
    return tuple(frames)


def _toy_levels(state: int, sign: int) -> NDArray[np.float64]:
    """Occupation eigenvalues of high-spin Mn, shape (2, 5): the majority channel full but for state 3's one level."""
    majority = np.array([0.98 if state == 2 else 0.5, 0.98, 0.98, 0.98, 0.98])
    return np.stack([majority, np.full(5, 0.05)][::sign])


def _toy_labels(
    configuration: Configuration, signs: NDArray[np.int64], exchange: float
) -> tuple[float, NDArray[np.float64]]:
    """Energy (eV) and forces (eV/Å): (r - r0)² over Mn–O pairs, J s s' over Mn–Mn, times (1 - (r/rc)²)³."""
    atoms = Atoms(configuration.numbers, configuration.positions, cell=configuration.cell, pbc=True)
    centre, neighbour, distance, vector = neighbor_list("ijdD", atoms, _TOY_CUTOFF)
    manganese = configuration.numbers == 25
    bond = manganese[centre] & ~manganese[neighbour]
    rest = np.array([_TOY_BOND_LENGTHS.get(int(state), 0.0) for state in configuration.oxidation_states])[centre]
    value = np.where(bond, (distance - rest) ** 2, 0.5 * exchange * signs[centre] * signs[neighbour])
    slope_of_value = np.where(bond, 2 * (distance - rest), 0.0)
    value[~manganese[centre]] = slope_of_value[~manganese[centre]] = 0.0
    damping = (1 - (distance / _TOY_CUTOFF) ** 2) ** 3
    slope = -6 * distance / _TOY_CUTOFF**2 * (1 - (distance / _TOY_CUTOFF) ** 2) ** 2
    energy = float((value * damping).sum()) - 1000.0
    along = ((slope_of_value * damping + value * slope) / distance)[:, None] * vector
    forces = np.zeros((len(configuration), 3))
    np.add.at(forces, centre, along)
    np.add.at(forces, neighbour, -along)
    return energy, forces


class _InterruptedTrainingError(Exception):
    """Stands for a job that is killed."""


@dataclass(frozen=True, eq=False)
class _Unbroken:
    """A training that ran to its end, with the folder of its checkpoints (gone when the process ends)."""

    result: TrainingResult
    checkpoints: tempfile.TemporaryDirectory[str]


@cache
def _unbroken(settings: str) -> _Unbroken:
    """Train once for all claims that look at the same potential; the key is the settings' JSON."""
    checkpoints = tempfile.TemporaryDirectory()
    return _Unbroken(_train(TrainingSettings.model_validate_json(settings), Path(checkpoints.name)), checkpoints)


def _train(settings: TrainingSettings, folder: Path, *, stop_after: int | None = None) -> TrainingResult:
    """Train on toy frames; die after some history entries if asked to."""
    training, validation = split_tail(toy_frames(8, exchange=_TOY_EXCHANGE if _has_spins(settings) else 0.0), 0.25)
    seen: list[dict[str, Any]] = []

    def on_epoch(entry: dict[str, Any]) -> None:
        seen.append(entry)
        if stop_after is not None and len(seen) == stop_after:
            raise _InterruptedTrainingError

    return get_engine(settings.engine).train(
        training, validation, settings, checkpoint_folder=folder, on_epoch=on_epoch
    )


def _has_spins(settings: TrainingSettings) -> bool:
    return settings.encoding.endswith("+spin")


class EngineConformance:
    """What every engine must satisfy, as claims pytest runs.

    Attributes:
        settings: a small training that takes a few seconds; two members at least, eight epochs at least.
        invariance_tolerance: eV and eV/Å, for what a symmetry leaves unchanged.
        gradient_tolerance: eV/Å, for forces against central differences of the energy over 1e-4 Å.
        stress_tolerance: eV/Å³, for the stress against central differences over a strain of 1e-4.
        same_tolerance: eV and eV/Å, for what is computed twice in the same way.
        smallest_difference: eV, by which swapping two states must change the energy.
    """

    settings: ClassVar[TrainingSettings]
    invariance_tolerance: ClassVar[float] = 1e-7
    gradient_tolerance: ClassVar[float] = 1e-5
    stress_tolerance: ClassVar[float] = 1e-6
    same_tolerance: ClassVar[float] = 1e-9
    smallest_difference: ClassVar[float] = 1e-4

    @property
    def potential(self) -> CommitteePotential:
        """A committee trained with :attr:`settings`."""
        return self.unbroken.potential

    @property
    def unbroken(self) -> TrainingResult:
        """The training with :attr:`settings` from start to end."""
        return _unbroken(self.settings.model_dump_json()).result

    @property
    def configuration(self) -> Configuration:
        """A configuration that is in no training set."""
        return toy_frames(1, seed=99)[0].configuration

    def _evaluate(self, configuration: Configuration, *, stress: bool = False) -> CommitteeEvaluation:
        (result,) = self.potential.evaluate([configuration], stress=stress)
        return result

    def test_answer_has_a_value_for_every_member_and_atom(self) -> None:
        """Shapes are those of the contract, and the members differ."""
        n_members, n_atoms = len(self.settings.seeds), len(self.configuration)
        result = self._evaluate(self.configuration, stress=True)
        _must(self.potential.n_members == n_members, "n_members is not the number of seeds")
        _must(result.energies.shape == (n_members,), f"energies have shape {result.energies.shape}")
        _must(result.forces.shape == (n_members, n_atoms, 3), f"forces have shape {result.forces.shape}")
        _must(result.stresses is not None, "no stress although it was asked for")
        _must(float(np.ptp(result.energies)) > 0, "all members are the same: the seeds do nothing")

    def test_rotation_turns_the_forces_and_leaves_the_energy(self) -> None:
        """The energy is invariant, forces are vectors."""
        rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
        rotation *= np.sign(np.linalg.det(rotation))
        here = self.configuration
        turned = replace(here, positions=here.positions @ rotation.T, cell=here.cell @ rotation.T)
        before, after = self._evaluate(here), self._evaluate(turned)
        _close(after.energies, before.energies, self.invariance_tolerance)
        _close(after.forces, before.forces @ rotation.T, self.invariance_tolerance)

    def test_translation_and_lattice_vectors_change_nothing(self) -> None:
        """A shift of all atoms, or of one atom by a cell vector, is the same crystal."""
        here = self.configuration
        shifted = here.positions + np.array([0.3, -1.7, 0.9])
        shifted[1] += here.cell[0] - here.cell[2]
        before, after = self._evaluate(here), self._evaluate(here.moved_to(shifted))
        _close(after.energies, before.energies, self.invariance_tolerance)
        _close(after.forces, before.forces, self.invariance_tolerance)

    def test_order_of_atoms_changes_nothing(self) -> None:
        """Renumbered atoms have the same energy and their own forces."""
        here, order = self.configuration, np.array([2, 1, 3, 0])
        renumbered = Configuration(
            here.numbers[order],
            here.positions[order],
            here.cell,
            here.oxidation_states[order],
            _spins(here)[order],
        )
        before, after = self._evaluate(here), self._evaluate(renumbered)
        _close(after.energies, before.energies, self.invariance_tolerance)
        _close(after.forces, before.forces[:, order], self.invariance_tolerance)

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
        _close(self._evaluate(here).forces, expected, self.gradient_tolerance)

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
        stresses = np.array(self._evaluate(here, stress=True).stresses)
        _close(stresses[:, range(3), range(3)], expected.T, self.stress_tolerance)

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
            np.tile(_spins(here), 2),
        )
        batch = [here, doubled, *(frame.configuration for frame in toy_frames(2, seed=5))]
        together = self.potential.evaluate(batch, stress=True)
        _must(len(together) == len(batch), f"{len(together)} answers for {len(batch)} configurations")
        for configuration, one in zip(batch, together, strict=True):
            alone = self._evaluate(configuration, stress=True)
            _close(one.energies, alone.energies, self.invariance_tolerance)
            _close(one.forces, alone.forces, self.invariance_tolerance)
            _close(one.stresses, alone.stresses, self.invariance_tolerance)
        _close(together[1].energies, 2 * together[0].energies, self.invariance_tolerance)

    def test_empty_batch_has_no_answers(self) -> None:
        """Nothing in, nothing out."""
        _must(self.potential.evaluate([]) == [], "an empty batch gave answers")

    def test_species_matter_unless_the_encoding_hides_them(self) -> None:
        """The same geometry with the electron elsewhere has another energy; to the baseline it is the same input."""
        here = self.configuration
        order = [1, 0, 2, 3]
        swapped = replace(here, oxidation_states=here.oxidation_states[order], spins=_spins(here)[order])
        one, other = self.potential.evaluate([here, swapped])
        if self.potential.encoding.resolves_states:
            gap = np.abs(one.energies - other.energies)
            _must(bool((gap > self.smallest_difference).all()), f"swapping Mn2+ and Mn3+ changes only {gap} eV")
        else:
            _close(one.energies, other.energies, self.same_tolerance)
            _close(one.forces, other.forces, self.same_tolerance)

    def test_order_of_the_moments_matters_only_where_spins_are_resolved(self) -> None:
        """Parallel and antiparallel moments are two energies to a potential with spins, one to all others."""
        here = self.configuration
        parallel = replace(here, spins=np.abs(_spins(here)))
        antiparallel = replace(here, spins=np.abs(_spins(here)) * np.array([1, -1, 1, 1]))
        one, other = self.potential.evaluate([parallel, antiparallel])
        if self.potential.encoding.resolves_spins:
            gap = np.abs(one.energies - other.energies)
            _must(bool((gap > self.smallest_difference).all()), f"turning one moment changes only {gap} eV")
        else:
            _close(one.energies, other.energies, self.same_tolerance)

    def test_reversal_of_all_spins_changes_nothing(self) -> None:
        """Without a field, up and down are names; this holds for any weights, not only for trained ones."""
        here = self.configuration
        for spins in (np.array([5, 4, 0, 0]), np.array([5, -4, 0, 0])):
            up = replace(here, spins=spins)
            before, after = self._evaluate(up, stress=True), self._evaluate(replace(up, spins=-spins), stress=True)
            _close(after.energies, before.energies, self.same_tolerance)
            _close(after.forces, before.forces, self.same_tolerance)
            _close(after.stresses, before.stresses, self.same_tolerance)

    def test_missing_and_unknown_spins_are_refused_where_they_are_needed(self) -> None:
        """Low-spin Mn was not in training, and a configuration without spins is not taken for one without moments."""
        here = self.configuration
        for spins in (None, np.array([1, 2, 0, 0])):
            other = replace(here, spins=spins)
            if self.potential.encoding.resolves_spins:
                _must_raise(partial(self._evaluate, other), f"spins {spins} were evaluated")
            else:
                _close(self._evaluate(other).energies, self._evaluate(here).energies, self.same_tolerance)

    def test_unknown_species_is_refused(self) -> None:
        """A state, or for the baseline an element, that was not in training has no energy."""
        here = self.configuration
        if self.potential.encoding.resolves_states:
            unknown = replace(here, oxidation_states=np.array([4, 1, -2, -2]))
            _must_raise(lambda: self._evaluate(unknown), "Mn4+ and Mn+ were evaluated although training had neither")
        iron = replace(here, numbers=np.array([26, 25, 8, 8]))
        _must_raise(lambda: self._evaluate(iron), "Fe was evaluated although training had none")

    def test_saved_potential_answers_the_same(self, tmp_path: Path) -> None:
        """Saving and loading changes no digit and keeps the encoding."""
        self.potential.save(tmp_path / "model")
        loaded = load_potential(tmp_path / "model")
        (after,) = loaded.evaluate([self.configuration])
        before = self._evaluate(self.configuration)
        _must(loaded.encoding == self.potential.encoding, "the encoding changed")
        np.testing.assert_array_equal(after.energies, before.energies)
        np.testing.assert_array_equal(after.forces, before.forces)

    def test_tampered_file_is_refused(self, tmp_path: Path) -> None:
        """One changed byte in any file of a saved model is noticed."""
        self.potential.save(tmp_path / "model")
        for path in sorted((tmp_path / "model").rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                middle = len(content) // 2
                path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
                _must_be_refused(tmp_path / "model", path.name)
                path.write_bytes(content)
        load_potential(tmp_path / "model")

    def test_same_seed_gives_the_same_committee(self, tmp_path: Path) -> None:
        """Training is deterministic."""
        again = _train(self.settings, tmp_path)
        first = self.unbroken
        _must(again.history == first.history, "the history differs between two runs of the same training")
        self._same_as_unbroken(again)

    def test_resumed_training_equals_the_unbroken_one(self, tmp_path: Path) -> None:
        """Killed in the second member and started again, training ends with the same committee."""
        first = self.unbroken
        epochs = sum(entry["member"] == 0 for entry in first.history)
        try:
            _train(self.settings, tmp_path, stop_after=epochs + (len(first.history) - epochs) * 3 // 4)
        except _InterruptedTrainingError:
            resumed = _train(self.settings, tmp_path)
        else:
            raise AssertionError("training swallowed the exception that interrupted it")
        _must(resumed.history == first.history, "the history differs from the unbroken training's")
        _must(resumed.best_epochs == first.best_epochs, "other epochs were kept")
        self._same_as_unbroken(resumed)

    def _same_as_unbroken(self, result: TrainingResult) -> None:
        (other,) = result.potential.evaluate([self.configuration])
        expected = self._evaluate(self.configuration)
        _close(other.energies, expected.energies, self.same_tolerance)
        _close(other.forces, expected.forces, self.same_tolerance)

    def test_finished_training_is_not_repeated(self) -> None:
        """Started once more on its own checkpoints, a training has nothing left to do."""
        checkpoints = Path(_unbroken(self.settings.model_dump_json()).checkpoints.name)
        again = _train(self.settings, checkpoints, stop_after=1)
        _must(again.history == self.unbroken.history, "the history of the finished training was lost")

    def test_checkpoints_of_another_training_are_refused(self, tmp_path: Path) -> None:
        """Other settings never continue from these weights."""
        short = self.settings.model_copy(update={"max_epochs": 1, "seeds": self.settings.seeds[:1]})
        _train(short, tmp_path)
        try:
            _train(short.model_copy(update={"energy_weight": 123.0}), tmp_path)
        except InputError:
            return
        raise AssertionError("a training with other settings went on from these checkpoints")

    def test_training_learns(self) -> None:
        """The validation loss falls."""
        for member in range(len(self.settings.seeds)):
            history = self.unbroken.history
            losses = [entry["loss_validation"] for entry in history if entry["member"] == member]
            _must(min(losses) < losses[0], f"member {member} never improved on its first epoch: {losses}")


def _close(actual: Any, expected: Any, tolerance: float) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def _spins(configuration: Configuration) -> NDArray[np.int64]:
    _must(configuration.spins is not None, "the frame has no spins")
    return np.asarray(configuration.spins)


def _must_raise(action: Callable[[], object], otherwise: str) -> None:
    try:
        action()
    except InputError:
        return
    raise AssertionError(otherwise)


def _must(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


def _must_be_refused(folder: Path, name: str) -> None:
    try:
        load_potential(folder)
    except (ModelIntegrityError, InputError):
        return
    raise AssertionError(f"{name} was changed and still loaded")
