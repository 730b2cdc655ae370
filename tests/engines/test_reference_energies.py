from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_redoxmlp.dataset.dataset import Dataset
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.engines.reference_energies import (
    composition,
    energy_shift,
    fit_reference_energies,
    force_scale,
    require_closed,
)
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.testing import toy_frames


def frame_of(states: list[int], energy: float) -> Frame:
    """A frame of Mn atoms in the given states."""
    (template,) = toy_frames(1)
    n_atoms = len(states)
    configuration = Configuration(
        np.full(n_atoms, 25), np.arange(3.0 * n_atoms).reshape(-1, 3), 10 * np.eye(3), np.array(states)
    )
    return replace(template, configuration=configuration, energy=energy, forces=np.ones((n_atoms, 3)))


def test_energies_of_independent_species_are_found() -> None:
    frames = [frame_of([2, 2, 3], -310.0), frame_of([2, 3, 3], -320.0), frame_of([3, 3], -220.0)]
    encoding = Encoding.for_species("species", Dataset(frames).species)
    by_species = dict(zip(encoding.model_numbers, fit_reference_energies(frames, encoding), strict=True))
    found = [by_species[number] for _, number in encoding.stand_ins]
    assert found == pytest.approx([-100.0, -110.0])


def test_species_that_always_appear_together_share_the_energy_with_smallest_norm() -> None:
    frames = [frame_of([2, 3], -210.0), frame_of([2, 2, 3, 3], -420.0)]
    encoding = Encoding.for_species("species", Dataset(frames).species)
    energies = fit_reference_energies(frames, encoding)
    assert energies == pytest.approx([-105.0, -105.0])


def test_nothing_is_left_over_when_one_composition_has_one_energy() -> None:
    frames = toy_frames(4)
    level = [replace(frame, energy=-1000.0) for frame in frames]
    encoding = Encoding.for_species("species", Dataset(level).species)
    reference = fit_reference_energies(level, encoding)
    assert energy_shift(level, encoding, reference) == pytest.approx(0, abs=1e-9)


def test_atoms_are_counted_by_model_number() -> None:
    assert composition(np.array([8, 25, 8, 118]), (8, 25, 118)).tolist() == [2, 1, 1]


def test_forces_set_the_scale_and_a_crystal_at_rest_has_a_small_one() -> None:
    frames = [frame_of([2, 3], 0.0)]
    assert force_scale(frames) == pytest.approx(1.0)
    assert force_scale([replace(frames[0], forces=np.zeros((2, 3)))]) > 0


def test_states_share_the_energy_of_their_element_if_asked_to() -> None:
    frames = [frame_of([2, 2, 3], -310.0), frame_of([2, 3, 3], -320.0), frame_of([3, 3], -220.0)]
    encoding = Encoding.for_species("species", Dataset(frames).species)
    energies = fit_reference_energies(frames, encoding, shared=True)
    assert energies[0] == energies[1] == pytest.approx(-(3 * 310 + 3 * 320 + 2 * 220) / (3**2 + 3**2 + 2**2))


def test_directions_of_a_moment_share_one_energy() -> None:
    frames = toy_frames(8, exchange=0.1)
    encoding = Encoding.for_configurations("species+spin", [frame.configuration for frame in frames])
    energies = fit_reference_energies(frames, encoding)
    for one, energy in zip(encoding.model_species, energies, strict=True):
        assert {energy} == {e for other, e in zip(encoding.model_species, energies, strict=True) if other == one}


def test_energies_move_from_their_start_no_further_than_the_data_asks() -> None:
    frames = [frame_of([2, 3], -210.0), frame_of([2, 2, 3, 3], -420.0)]
    encoding = Encoding.for_species("species", Dataset(frames).species)
    start = np.array([-100.0, -90.0])
    energies = fit_reference_energies(frames, encoding, start=start, explained=np.array([-10.0, -20.0]))
    assert energies == pytest.approx([-105.0, -95.0])


def test_frame_whose_charges_do_not_close_is_refused() -> None:
    (frame,) = toy_frames(1)
    require_closed([frame])
    with pytest.raises(InputError, match=r"Step 0 of toy does not close: .* sum to \+1 and the cell's charge is \+0"):
        require_closed([replace(frame, total_charge=0)])
