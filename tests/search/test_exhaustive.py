from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.distortion import ligands
from aiida_redoxmlp.search import exhaustive
from aiida_redoxmlp.search.exhaustive import SearchSettings, search_exhaustive

BETA = SearchSettings(redox_sites=(0, 1), allowed_states={"Mn": (2, 3)})


def _doubled(parent: Configuration) -> Configuration:
    """The parent twice along c: four Mn in a chain."""
    atoms = parent.to_ase().repeat((1, 1, 2))
    return Configuration.from_ase(atoms)


def _doubled_settings(parent: Configuration, **changes: object) -> SearchSettings:
    sites = tuple(np.flatnonzero(parent.numbers == 25))
    return replace(BETA, redox_sites=sites, **changes)


def test_equivalent_patterns_relax_to_the_same_energy(committee, parent) -> None:
    result = search_exhaustive(parent, replace(BETA, reduce_by_symmetry=False, max_steps=500), committee)
    first, second = result.patterns
    assert {first.pattern.states, second.pattern.states} == {(2, 3), (3, 2)}
    assert (result.n_patterns_total, result.n_patterns_distinct) == (2, 1)
    assert [one.orbit for one in result.patterns] == [0, 0]
    assert [one.multiplicity for one in result.patterns] == [2, 2]
    assert all(one.relaxation.converged for one in result.patterns)
    assert first.relaxation.evaluation.energy == pytest.approx(second.relaxation.evaluation.energy, abs=1e-3)


def test_reduction_by_symmetry_searches_one_pattern_an_orbit(committee, parent) -> None:
    large = _doubled(parent)
    reduced = search_exhaustive(large, _doubled_settings(large, relax=False), committee)
    full = search_exhaustive(large, _doubled_settings(large, relax=False, reduce_by_symmetry=False), committee)
    assert reduced.n_patterns_total == full.n_patterns_total == len(full.patterns) == 6
    assert len(reduced.patterns) == reduced.n_patterns_distinct == 3
    assert [one.multiplicity for one in reduced.patterns] == [2, 2, 2]
    for one in full.patterns:
        (kept,) = [other for other in reduced.patterns if other.orbit == one.orbit]
        energies = (one.relaxation.evaluation.energy, kept.relaxation.evaluation.energy)
        assert energies[0] == pytest.approx(energies[1], abs=2e-3)


def test_rattle_leaves_the_saddle_that_symmetry_holds_a_pattern_on(committee, parent) -> None:
    symmetric, rattled = (
        search_exhaustive(parent, replace(BETA, rattle=size, max_steps=500), committee).patterns[0].relaxation
        for size in (0.0, 0.02)
    )
    assert symmetric.converged
    assert rattled.evaluation.energy < symmetric.evaluation.energy - 0.1


def test_winner_is_the_lowest_of_all_patterns(committee, parent) -> None:
    large = _doubled(parent)
    settings = _doubled_settings(large, relax=False, reduce_by_symmetry=False, pre_distortion=0.0)
    result = search_exhaustive(large, settings, committee)
    brute_force = {}
    for states in product((2, 3), repeat=4):
        if sum(states) == 10:
            oxidation_states = large.oxidation_states.copy()
            oxidation_states[list(settings.redox_sites)] = states
            brute_force[states] = committee.evaluate([replace(large, oxidation_states=oxidation_states)])[0].energy
    energies = [one.relaxation.evaluation.energy for one in result.patterns]
    assert energies == sorted(energies)
    assert {one.pattern.states: one.relaxation.evaluation.energy for one in result.patterns} == pytest.approx(
        brute_force
    )


def test_broken_symmetry_tells_the_patterns_apart(committee, parent) -> None:
    positions = parent.positions.copy()
    positions[-1, 2] += 0.3
    result = search_exhaustive(parent.moved_to(positions), replace(BETA, relax=False, pre_distortion=0), committee)
    low, high = result.patterns
    assert result.n_patterns_distinct == 2
    assert low.relaxation.evaluation.energy < high.relaxation.evaluation.energy - 0.01
    # Li+ moved along c: the Mn farther from it is the one that oxidises.
    moved = parent.moved_to(positions).to_ase()
    oxidised = low.pattern.states.index(3)
    assert moved.get_distance(oxidised, 12, mic=True) > moved.get_distance(1 - oxidised, 12, mic=True)


def test_result_does_not_depend_on_the_order_of_sites(committee, parent) -> None:
    positions = parent.positions.copy()
    positions[-1, 2] += 0.3
    parent = parent.moved_to(positions)
    order = np.random.default_rng(3).permutation(len(parent))
    shuffled = Configuration(
        parent.numbers[order], parent.positions[order], parent.cell, parent.oxidation_states[order]
    )
    sites = tuple(int(site) for site in np.flatnonzero(shuffled.numbers == 25))
    settings = replace(BETA, max_steps=20, rattle=0.0)
    direct = search_exhaustive(parent, settings, committee).patterns
    other = search_exhaustive(shuffled, replace(settings, redox_sites=sites), committee).patterns
    for one, two in zip(direct, other, strict=True):
        assert two.relaxation.evaluation.energy == pytest.approx(one.relaxation.evaluation.energy, abs=1e-8)
        assert one.relaxation.configuration.oxidation_states[order].tolist() == (
            two.relaxation.configuration.oxidation_states.tolist()
        )


def test_states_of_the_other_atoms_belong_to_the_symmetry(committee, parent) -> None:
    """A hole on one oxygen makes the two Mn different and takes a charge from them."""
    states = parent.oxidation_states.copy()
    states[3] = -1
    settings = replace(BETA, total_charge=1, relax=False)
    orbits = exhaustive._enumerate(replace(parent, oxidation_states=states), settings)
    assert [orbit.multiplicity for orbit in orbits] == [1, 1]


def test_states_given_on_redox_sites_do_not_matter(committee, parent) -> None:
    states = parent.oxidation_states.copy()
    states[:2] = (3, 2)
    result = search_exhaustive(replace(parent, oxidation_states=states), replace(BETA, relax=False), committee)
    assert (result.n_patterns_total, result.n_patterns_distinct) == (2, 1)


def test_pre_distortion_gives_each_site_the_bonds_of_its_state(committee, parent) -> None:
    result = search_exhaustive(parent, replace(BETA, relax=False, reduce_by_symmetry=False), committee)
    for one in result.patterns:
        atoms = one.relaxation.configuration.to_ase()
        bonds = {
            state: np.linalg.norm(ligands(atoms, site)[1], axis=1).mean()
            for site, state in enumerate(one.pattern.states)
        }
        assert bonds[2] - bonds[3] == pytest.approx(0.1, abs=0.01)


def test_small_batches_give_the_same_ranking(committee, parent, monkeypatch) -> None:
    large = _doubled(parent)
    settings = _doubled_settings(large, relax=False, reduce_by_symmetry=False)
    whole = search_exhaustive(large, settings, committee)
    monkeypatch.setattr(exhaustive, "_ATOMS_IN_A_BATCH", 2 * len(large))
    committee.batch_sizes.clear()
    cut = search_exhaustive(large, settings, committee)
    assert committee.batch_sizes == [2, 2, 2]
    assert [one.pattern for one in cut.patterns] == [one.pattern for one in whole.patterns]


def test_progress_is_told_from_enumeration_to_end(committee, parent) -> None:
    seen: list[dict[str, object]] = []
    search_exhaustive(parent, replace(BETA, max_steps=2), committee, on_progress=seen.append)
    assert seen[0] == {"event": "enumerated", "patterns": 2, "distinct": 1, "to_search": 1}
    assert [one["step"] for one in seen if one["event"] == "relaxing"] == [1, 2]
    assert seen[-1] == {"event": "searched", "done": 1, "of": 1}


def test_charge_that_does_not_close_is_refused_before_any_evaluation(committee, parent) -> None:
    with pytest.raises(ClosureError, match=r"\+4 to \+6"):
        search_exhaustive(parent, replace(BETA, total_charge=3), committee)
    assert committee.batch_sizes == []


def test_too_many_patterns_are_refused_before_any_evaluation(committee, parent) -> None:
    with pytest.raises(InputError, match="more than the 1 allowed"):
        search_exhaustive(parent, replace(BETA, max_patterns=1), committee)
    assert committee.batch_sizes == []


def test_directions_of_the_moments_stay_and_their_sizes_follow_the_pattern(committee, parent, monkeypatch) -> None:
    sizes = {one: (7 - one.state,) if one.element == "Mn" else (0,) for one, _ in committee.encoding.stand_ins}
    committee.encoding = Encoding.for_species("species+spin", sizes, sizes)
    seen = []
    evaluate = committee.evaluate
    monkeypatch.setattr(committee, "evaluate", lambda some, **_: seen.extend(some) or evaluate(some))
    spins = np.zeros(len(parent), dtype=int)
    spins[:2] = 5, -5
    search_exhaustive(replace(parent, spins=spins), replace(BETA, relax=False), committee)
    found = {(*one.oxidation_states[:2].tolist(), *one.spins[:2].tolist()) for one in seen}
    assert found == {(2, 3, 5, -4), (3, 2, 4, -5)}
    with pytest.raises(InputError, match="has no spins"):
        search_exhaustive(parent, BETA, committee)
