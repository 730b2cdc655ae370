from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ase.data import atomic_masses
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.engines.encoding import Encoding, EncodingName
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.testing import toy_frames

NAMES: tuple[EncodingName, ...] = ("species", "embedding", "species+spin", "embedding+spin", "none")
MN2, MN3, OXIDE = Species("Mn", 2), Species("Mn", 3), Species("O", -2)
SIZES = {MN2: (5, 1), MN3: (4,), OXIDE: (0,)}


def mno(states: list[int], spins: list[int] | None) -> Configuration:
    """Mn, Mn, O in a box."""
    return Configuration(
        np.array([25, 25, 8]),
        np.arange(9.0).reshape(3, 3),
        10 * np.eye(3),
        np.array([*states, -2]),
        None if spins is None else np.array([*spins, 0]),
    )


def test_species_become_numbers_of_their_own() -> None:
    encoding = Encoding.for_species("species", SIZES)
    assert encoding.encode(mno([2, 3], None)).tolist() == [25, 118, 8]
    assert encoding.channels == ()


def test_embedding_keeps_elements_and_tells_states_in_a_channel() -> None:
    encoding = Encoding.for_species("embedding", SIZES)
    assert encoding.encode(mno([2, 3], None)).tolist() == [25, 25, 8]
    (channel,) = encoding.channels
    assert (channel.lowest, channel.n_classes) == (-2, 6)
    assert encoding.channel_values(mno([2, 3], None))["oxidation_states"].tolist() == [2, 3, -2]


def test_spins_get_numbers_of_their_own_with_either() -> None:
    resolved = Encoding.for_species("species+spin", SIZES, SIZES)
    assert len(resolved.model_numbers) == 7  # Mn2+ 5, -5, 1, -1; Mn3+ 4, -4; O2-
    signed = Encoding.for_species(
        "embedding+spin", {MN2: (5,), MN3: (4, 5), OXIDE: (0,)}, {MN2: (5,), MN3: (4, 5), OXIDE: (0,)}
    )
    assert len(signed.model_numbers) == 5  # Mn 5, -5, 4, -4 whatever its state; O
    up, down = signed.encode(mno([2, 3], [5, -5]))[:2]
    assert signed.encode(mno([3, 2], [5, -5])).tolist()[:2] == [up, down]
    assert up != down


@given(st.permutations(list(SIZES)), st.sampled_from(NAMES))
def test_encoding_does_not_depend_on_the_order_and_survives_json(order: list[Species], name: EncodingName) -> None:
    encoding = Encoding.for_species(name, order, SIZES)
    assert encoding == Encoding.for_species(name, SIZES, SIZES)
    assert Encoding.from_dict(json.loads(json.dumps(encoding.to_dict()))) == encoding
    assert all(one < other for one, other in pairwise(encoding.model_numbers))


@pytest.mark.parametrize("name", NAMES)
def test_masses_are_the_real_elements(name: EncodingName) -> None:
    encoding = Encoding.for_species(name, SIZES, SIZES)
    table = dict(zip(encoding.model_numbers, encoding.masses, strict=True))
    one = mno([2, 3], [5, -4])
    assert [table[number] for number in encoding.encode(one).tolist()] == atomic_masses[one.numbers].tolist()


def test_encoding_stored_before_there_were_spins_is_read() -> None:
    old = {"name": "species", "stand_ins": {"Mn2+": 25, "Mn3+": 118, "O2-": 8}}
    assert Encoding.from_dict(old) == Encoding.for_species("species", SIZES)
    assert Encoding.from_dict(old).to_dict() == old


def test_magnitude_follows_the_state_and_the_direction_stays() -> None:
    encoding = Encoding.for_species("species+spin", SIZES, SIZES)
    fitted = encoding.with_usual_spins(mno([3, 2], [5, -4]))
    assert fitted.spins.tolist() == [4, -5, 0]
    low_spin = mno([2, 3], [-1, 4])
    assert encoding.with_usual_spins(low_spin).spins.tolist() == [-1, 4, 0]
    assert encoding.with_usual_spins(mno([2, 3], [0, 0])).spins.tolist() == [5, 4, 0]
    plain = Encoding.for_species("species", SIZES)
    assert plain.with_usual_spins(low_spin) is low_spin


@pytest.mark.parametrize("name", ["species+spin", "embedding+spin"])
def test_what_training_did_not_have_is_refused(name: EncodingName) -> None:
    encoding = Encoding.for_configurations(name, [mno([2, 3], [5, -4])])
    with pytest.raises(InputError, match="has no spins"):
        encoding.encode(mno([2, 3], None))
    with pytest.raises(InputError, match=r"Mn3\+ with 2 unpaired electrons; it knows it with 4"):
        encoding.encode(mno([2, 3], [5, 2]))
    with pytest.raises(InputError, match=r"does not know the species Mn4\+; it knows Mn2\+, Mn3\+, O2-"):
        encoding.encode(mno([2, 4], [5, 3]))
    encoding.encode(mno([3, 2], [-4, 5]))  # the other direction was never seen, and is the same physics


def test_baseline_takes_any_state_of_a_known_element() -> None:
    encoding = Encoding.for_configurations("none", [mno([2, 3], None)])
    assert encoding.encode(mno([7, 0], None)).tolist() == [25, 25, 8]
    with pytest.raises(InputError, match="does not know the species Fe2"):
        encoding.encode(replace(mno([2, 3], None), numbers=np.array([26, 25, 8])))


def test_frames_know_their_spins_from_their_eigenvalues() -> None:
    frames = toy_frames(4)
    assert [frame.configuration.spins.tolist() for frame in frames] == [
        [5, 4, 0, 0],
        [4, 5, 0, 0],
        [5, -4, 0, 0],
        [4, -5, 0, 0],
    ]
    read = Configuration.from_ase(frames[2].configuration.to_ase())
    assert read.spins.tolist() == [5, -4, 0, 0]


def test_more_species_than_numbers_are_refused() -> None:
    many = [Species("Mn", state) for state in range(130)]
    with pytest.raises(InputError, match="130 species and spins are more than"):
        Encoding.for_species("species", many)
