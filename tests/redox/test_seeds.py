from __future__ import annotations

import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.pattern import Pattern
from aiida_redoxmlp.redox.seeds import Seed, build_seed, channel_electrons, starting_eigenvalues

VALENCE = {"Mn": 7, "Gd": 10, "Co": 9}


def _channel(seed: Seed, kind: str, spin: int) -> list[float]:
    return [value for m, s, k, value in sorted(seed.starting_ns_eigenvalue) if (s, k) == (spin, kind)]


@given(st.integers(2, 3), st.booleans(), st.data())
def test_full_levels_hold_the_electrons_and_eigenvalues_ascend(
    orbital_l: int, low_spin: bool, data: st.DataObject
) -> None:
    n_electrons = data.draw(st.integers(0, 2 * (2 * orbital_l + 1)))
    channels = starting_eigenvalues(n_electrons, orbital_l, low_spin=low_spin)
    assert sum(value == 1.0 for channel in channels for value in channel) == n_electrons
    for channel in channels:
        assert len(channel) == 2 * orbital_l + 1
        assert channel == sorted(channel)
        assert all(0 < value <= 1 for value in channel)


@given(st.integers(2, 3), st.data())
def test_high_spin_follows_hunds_rule(orbital_l: int, data: st.DataObject) -> None:
    n_levels = 2 * orbital_l + 1
    n_electrons = data.draw(st.integers(0, 2 * n_levels))
    majority, minority = channel_electrons(n_electrons, orbital_l)
    assert majority + minority == n_electrons
    assert majority - minority == min(n_electrons, 2 * n_levels - n_electrons)


@pytest.mark.parametrize(("n_electrons", "unpaired"), [(3, 3), (4, 2), (5, 1), (6, 0), (7, 1), (8, 2), (9, 1), (10, 0)])
def test_low_spin_pairs_in_t2g(n_electrons: int, unpaired: int) -> None:
    majority, minority = channel_electrons(n_electrons, low_spin=True)
    assert majority - minority == unpaired


def test_high_spin_d6_fills_the_minority_from_the_highest_level() -> None:
    assert starting_eigenvalues(6) == ([1.0] * 5, [0.05, 0.05, 0.05, 0.05, 1.0])


def test_seed_is_the_one_that_reached_digital_states(beta: Atoms) -> None:
    """The seed of the antiferromagnetic run whose states came out as (2,3): d5 up, d4 down."""
    seed = build_seed(beta, Pattern((0, 1), (2, 3)), signs=(1, -1), valence_electrons=VALENCE)
    assert seed.kinds == ("Mn1", "Mn2", *beta.get_chemical_symbols()[2:])
    assert seed.starting_magnetization == pytest.approx({"Mn1": 5 / 7, "Mn2": -4 / 7})
    assert _channel(seed, "Mn1", 1) == [1.0] * 5
    assert _channel(seed, "Mn1", 2) == [0.05] * 5
    assert _channel(seed, "Mn2", 1) == [0.05] * 5
    assert _channel(seed, "Mn2", 2) == [0.3, 1.0, 1.0, 1.0, 1.0]
    assert len(seed.starting_ns_eigenvalue) == 20
    assert seed.mixing_fixed_ns == 0


def test_opposite_signs_swap_the_spin_channels(beta: Atoms) -> None:
    up, down = (build_seed(beta, Pattern((0,), (3,)), signs=(sign,), valence_electrons=VALENCE) for sign in (1, -1))
    assert _channel(up, "Mn1", 1) == _channel(down, "Mn1", 2)
    assert up.starting_magnetization["Mn1"] == -down.starting_magnetization["Mn1"]


@pytest.mark.parametrize(
    ("states", "signs", "moment"), [((2, 3), (1, -1), 1), ((3, 3), (1, 1), 8), ((2, 2), (1, -1), 0)]
)
def test_held_moment_is_that_of_the_pattern(
    beta: Atoms, states: tuple[int, ...], signs: tuple[int, ...], moment: int
) -> None:
    made = build_seed(beta, Pattern((0, 1), states), signs=signs, valence_electrons={"Mn": 7}, hold_moment=True)
    assert made.pw_parameters["SYSTEM"]["tot_magnetization"] == moment


def test_moment_is_free_unless_held_and_without_moments_there_is_none(beta: Atoms) -> None:
    free = build_seed(beta, Pattern((0, 1), (2, 3)), signs=(1, -1), valence_electrons={"Mn": 7})
    assert "tot_magnetization" not in free.pw_parameters["SYSTEM"]
    none = build_seed(beta, Pattern((0, 1), (7, 7)), signs=(1, -1), valence_electrons={"Mn": 7}, hold_moment=True)
    assert none.pw_parameters["SYSTEM"]["nspin"] == 1
    assert "tot_magnetization" not in none.pw_parameters["SYSTEM"]


def test_held_moment_counts_sites_that_share_a_kind(olivine: Atoms) -> None:
    crowded = olivine.repeat((1, 2, 2))
    sites = tuple(index for index, symbol in enumerate(crowded.get_chemical_symbols()) if symbol == "Mn")
    pattern = Pattern(sites, (2, 3) * (len(sites) // 2))
    made = build_seed(crowded, pattern, signs=(1,) * len(sites), valence_electrons={"Mn": 7}, hold_moment=True)
    assert made.total_moment == 9 * len(sites) // 2


def test_retry_is_stronger(beta: Atoms) -> None:
    first, retry = (
        build_seed(
            beta,
            Pattern((0, 1), (2, 3)),
            signs=(1, -1),
            valence_electrons=VALENCE,
            strength=strength,
            hold_occupations=hold,
        )
        for strength, hold in ((1.0, False), (1.5, True))
    )
    assert retry.mixing_fixed_ns == 10
    assert retry.positions - beta.positions == pytest.approx(1.5 * (first.positions - beta.positions))


def test_magnetisation_is_relative_to_the_pseudopotentials_electrons(beta: Atoms) -> None:
    pattern = Pattern((0,), (2,))
    seed = build_seed(beta, pattern, signs=(1,), valence_electrons=VALENCE, pseudo_electrons={"Mn": 15})
    assert seed.starting_magnetization["Mn1"] == pytest.approx(5 / 15)


def test_low_spin_cobalt_has_no_moment() -> None:
    atoms = bulk("CoO", "rocksalt", a=4.2)
    seed = build_seed(atoms, Pattern((0,), (3,)), signs=(1,), valence_electrons=VALENCE, low_spin_sites=[0])
    assert seed.starting_magnetization == {"Co1": 0.0}
    assert _channel(seed, "Co1", 1) == _channel(seed, "Co1", 2)


def test_a_pattern_without_moments_is_not_spin_polarised() -> None:
    atoms = bulk("CoO", "rocksalt", a=4.2)
    seed = build_seed(atoms, Pattern((0,), (3,)), signs=(1,), valence_electrons=VALENCE, low_spin_sites=[0])
    assert not seed.has_moments
    system = seed.pw_parameters["SYSTEM"]
    assert system["nspin"] == 1
    assert "starting_magnetization" not in system
    assert system["starting_ns_eigenvalue"] == [
        [m, 1, "Co1", value] for m, value in enumerate([0.3, 0.3, 1.0, 1.0, 1.0], start=1)
    ]


def test_one_moment_is_enough_for_spin_polarisation() -> None:
    atoms = bulk("CoO", "rocksalt", a=4.2).repeat((2, 1, 1))
    pattern = Pattern((0, 2), (3, 2))
    seed = build_seed(atoms, pattern, signs=(1, -1), valence_electrons=VALENCE, low_spin_sites=[0])
    system = seed.pw_parameters["SYSTEM"]
    assert "nspin" not in system
    assert system["starting_magnetization"] == pytest.approx({"Co1": 0.0, "Co2": -3 / 9})
    assert {spin for _, spin, _, _ in system["starting_ns_eigenvalue"]} == {1, 2}


def test_lanthanides_fill_an_f_shell() -> None:
    seed = build_seed(bulk("GdN", "rocksalt", a=5.0), Pattern((0,), (3,)), signs=(1,), valence_electrons=VALENCE)
    assert _channel(seed, "Gd1", 1) == [1.0] * 7
    assert seed.starting_magnetization["Gd1"] == pytest.approx(0.7)


def test_sites_share_kinds_only_beyond_the_ten_that_quantum_espresso_takes(olivine: Atoms) -> None:
    sites = tuple(index for index, symbol in enumerate(olivine.get_chemical_symbols()) if symbol == "Mn")
    small = build_seed(olivine, Pattern(sites, (2, 3, 2, 3)), signs=(1, 1, -1, -1), valence_electrons=VALENCE)
    assert {small.kinds[site] for site in sites} == {"Mn1", "Mn2", "Mn3", "Mn4"}
    doubled = olivine.repeat((2, 1, 1))
    sites = tuple(index for index, symbol in enumerate(doubled.get_chemical_symbols()) if symbol == "Mn")
    states, signs = (2, 3, 2, 3) * 2, (1, 1, -1, -1) * 2
    large = build_seed(doubled, Pattern(sites, states), signs=signs, valence_electrons=VALENCE)
    by_kind = {large.kinds[site]: (state, sign) for site, state, sign in zip(sites, states, signs, strict=True)}
    assert len(set(large.kinds)) == 7
    assert [by_kind[large.kinds[site]] for site in sites] == list(zip(states, signs, strict=True))


def test_what_cannot_be_seeded_is_said_in_a_sentence(beta: Atoms) -> None:
    with pytest.raises(InputError, match=r"O has no valence electrons in the table, which knows Co, Gd, Mn"):
        build_seed(beta, Pattern((3,), (-1,)), signs=(1,), valence_electrons=VALENCE)
    with pytest.raises(InputError, match=r"-1 electrons do not fit a d shell, which holds 0 to 10"):
        build_seed(beta, Pattern((0,), (8,)), signs=(1,), valence_electrons=VALENCE)
    with pytest.raises(InputError, match=r"signs \[1\] do not fit the pattern \(2,3\)"):
        build_seed(beta, Pattern((0, 1), (2, 3)), signs=(1,), valence_electrons=VALENCE)
    many = bulk("MnO", "rocksalt", a=4.4).repeat((3, 4, 1))
    sites = tuple(index for index, symbol in enumerate(many.get_chemical_symbols()) if symbol == "Mn")
    states, signs = (2, 3, 4, 5, 6, 7) * 2, (1,) * 6 + (-1,) * 6
    with pytest.raises(InputError, match="needs 13 kinds, but Quantum ESPRESSO takes at most 10"):
        build_seed(many, Pattern(sites, states), signs=signs, valence_electrons=VALENCE)
