from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.counting import count_configurations
from aiida_redoxmlp.search.moves import Moves, random_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.strategies.crossover import cut_and_splice, permuted, with_random_symmetry
from tests.search.spaces import LITHIUM, brute_force, rock_salt, spaces


def space_where_pairs_do_not_suffice() -> ConfigurationSpace:
    """Ni4+ closes the charge of two lithium vacancies."""
    return ConfigurationSpace.of(
        rock_salt((2, 2, 1), lithium=True), {"Mn": ["Ni2+", "Ni4+"], "Li": LITHIUM}, total_charge=12
    )


@settings(max_examples=30, deadline=None)
@given(spaces(), st.integers(0, 2**32))
def test_every_move_keeps_charge_and_composition(space: ConfigurationSpace, seed: int) -> None:
    random, moves = np.random.default_rng(seed), Moves(space.rules)
    rows = random_configurations(space, moves, 20, random)
    for moved in (moves.propose(rows, random), moves.change(rows, random), moves.neighbours(rows[0])):
        assert (moved >= 0).all()
        assert (moved < space.rules.sizes).all()
        assert space.rules.obeyed(moved).all()


@settings(max_examples=20, deadline=None)
@given(spaces(), st.integers(0, 2**32))
def test_every_crossover_keeps_charge_and_composition(space: ConfigurationSpace, seed: int) -> None:
    random = np.random.default_rng(seed)
    mothers, fathers = random_configurations(space, Moves(space.rules), 40, random).reshape(2, 20, -1)
    fathers = with_random_symmetry(fathers, space.permutations, random)
    for children in (cut_and_splice(mothers, fathers, space, random), permuted(mothers, fathers, space, random)):
        assert (children < space.rules.sizes).all()
        assert space.rules.obeyed(children).all()


@settings(max_examples=8, deadline=None)
@given(spaces().filter(lambda space: count_configurations(space) < 200))
def test_moves_lead_to_every_configuration(space: ConfigurationSpace) -> None:
    random, moves = np.random.default_rng(0), Moves(space.rules)
    everything = brute_force(space)
    rows = random_configurations(space, moves, 1, random)
    reached = {rows[0].tobytes()}
    for _ in range(50):
        if len(reached) == len(everything):
            break
        rows = np.frombuffer(b"".join(sorted(reached)), dtype=np.int8).reshape(-1, space.n_sites)
        for _ in range(20):
            reached |= {row.tobytes() for row in moves.change(rows, random)}
    assert len(reached) == len(everything)


def test_a_move_is_as_likely_as_the_move_back() -> None:
    space, random = space_where_pairs_do_not_suffice(), np.random.default_rng(1)
    moves, rows = Moves(space.rules), brute_force(space)
    number = {row.tobytes(): place for place, row in enumerate(rows)}
    counts = np.zeros((len(rows), len(rows)))
    n_draws = 1500
    for _ in range(n_draws):
        ends = [number[row.tobytes()] for row in moves.propose(rows, random)]
        counts[np.arange(len(rows)), ends] += 1
    difference = np.abs(counts - counts.T)[np.triu_indices(len(rows), 1)]
    deviation = np.sqrt(counts + counts.T)[np.triu_indices(len(rows), 1)]
    assert moves.sizes == (2, 3)
    assert (difference <= 5 * np.maximum(deviation, 1)).all()
    assert difference.sum() / deviation.sum() < 1  # √(2/π) of a normal distribution


def test_moves_of_two_sites_suffice_where_exchanges_lead_everywhere() -> None:
    space = ConfigurationSpace.of(
        rock_salt((4, 2, 2)), {"Mn": ["Mn2+", "Mn3+"]}, fixed_states={"O": -2}, total_charge=8
    )
    row = random_configurations(space, Moves(space.rules), 1, np.random.default_rng(0))[0]
    assert Moves(space.rules).sizes == (2,)
    assert len(Moves(space.rules).neighbours(row)) == 8 * 8


def test_random_configurations_are_equally_likely() -> None:
    space = ConfigurationSpace.of(rock_salt((6, 1, 1)), {"Mn": ["Mn2+", "Mn3+", "Mn4+"]}, total_charge=18)
    rows = brute_force(space)
    drawn = random_configurations(space, Moves(space.rules), 40 * len(rows), np.random.default_rng(2))
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    chi_squared = ((counts - 40) ** 2 / 40).sum()
    assert len(counts) == len(rows)
    assert chi_squared < len(rows) + 4 * np.sqrt(2 * len(rows))


def test_a_space_of_one_configuration_has_no_moves() -> None:
    space = ConfigurationSpace.of(rock_salt((2, 2, 1)), {"Mn": ["Mn2+", "Mn3+"]}, total_charge=8)
    moves, random = Moves(space.rules), np.random.default_rng(0)
    rows = random_configurations(space, moves, 3, random)
    assert (moves.change(rows, random) == 0).all()
    assert not len(moves.neighbours(rows[0]))


def test_no_random_configuration_at_all_is_refused() -> None:
    space = space_where_pairs_do_not_suffice()
    with pytest.raises(InputError, match="at least 1"):
        random_configurations(space, Moves(space.rules), 0, np.random.default_rng(0))
