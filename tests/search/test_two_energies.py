"""The search of redox patterns at fixed ions and relaxed, with an analytic committee."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.distortion import ligands
from aiida_redoxmlp.search import relaxation
from aiida_redoxmlp.search.settings import SearchSettings, SpaceSettings
from aiida_redoxmlp.search.space import ConfigurationSpace
from aiida_redoxmlp.search.starting_geometry import StartingGeometry
from aiida_redoxmlp.search.two_energies import RELAXATION_FILE, SEARCH_FILE, SearchResult, search_space

MANGANESE = SpaceSettings(allowed={"Mn": ["Mn2+", "Mn3+"]})
QUICK = {"max_steps": 3, "rattle": 0.0}


def doubled(parent: Configuration) -> Configuration:
    """The parent twice along c: four Mn in a chain."""
    return Configuration.from_ase(parent.to_ase().repeat((1, 1, 2)))


def states(result: SearchResult) -> list[tuple[int, ...]]:
    """Relaxed patterns in ascending energy."""
    return [result.space.pattern(result.relaxed.rows[place]).states for place in result.relaxed.order]


def same(one: SearchResult, other: SearchResult) -> bool:
    arrays = ("rows", "orbits", "energies", "max_forces", "converged", "steps")
    return (
        np.array_equal(one.fixed.ranking.energies, other.fixed.ranking.energies)
        and all(np.array_equal(getattr(one.relaxed, name), getattr(other.relaxed, name)) for name in arrays)
        and all(np.array_equal(a, b) for a, b in zip(one.relaxed.positions, other.relaxed.positions, strict=True))
        and one.certainty.as_dict() == other.certainty.as_dict()
    )


def test_equivalent_patterns_relax_to_the_same_energy(committee, parent) -> None:
    settings = SearchSettings(reduce_by_symmetry=False, max_steps=500)
    result = search_space(MANGANESE.space(parent), committee, settings)
    assert sorted(states(result)) == [(2, 3), (3, 2)]
    assert (result.n_configurations, result.n_distinct) == (2, 1)
    assert result.relaxed.orbits.tolist() == [0, 0]
    assert result.fixed.multiplicities.tolist() == [2]
    assert result.relaxed.converged.all()
    first, second = result.relaxed.energies.mean(axis=1)
    assert first == pytest.approx(second, abs=1e-3)
    assert result.certainty.gap is None


def test_every_orbit_is_relaxed_and_every_member_only_if_asked_for(committee, parent) -> None:
    space = MANGANESE.space(doubled(parent))
    reduced = search_space(space, committee, SearchSettings(**QUICK))
    full = search_space(space, committee, SearchSettings(**QUICK, reduce_by_symmetry=False))
    assert (reduced.n_configurations, reduced.n_distinct) == (6, 3)
    assert sorted(reduced.relaxed.orbits.tolist()) == [0, 1, 2]
    assert sorted(states(full)) == sorted(one for one in product((2, 3), repeat=4) if sum(one) == 10)
    for orbit in range(3):
        energies = full.relaxed.energies[full.relaxed.orbits == orbit].mean(axis=1)
        assert np.ptp(energies) < 2e-3
    assert reduced.certainty.proven
    assert "all configurations were relaxed" in reduced.certainty.sentence()


def test_the_ranking_at_fixed_ions_is_that_of_brute_force(committee, parent) -> None:
    large = doubled(parent)
    result = search_space(MANGANESE.space(large), committee, SearchSettings(relax=False))
    assert result.relaxed is None
    sites = list(result.space.sites)
    energies = []
    for row in result.fixed.ranking.rows:
        written = large.oxidation_states.copy()
        written[sites] = result.space.pattern(row).states
        energies.append(committee.evaluate([replace(large, oxidation_states=written)])[0].energies)
    np.testing.assert_allclose(result.fixed.ranking.energies, energies)
    assert result.certainty.proven


def test_rattle_leaves_the_saddle_that_symmetry_holds_a_pattern_on(committee, parent) -> None:
    symmetric, rattled = (
        search_space(MANGANESE.space(parent), committee, SearchSettings(rattle=size, max_steps=500)).relaxed
        for size in (0.0, 0.02)
    )
    assert symmetric.converged.all()
    assert rattled.energies.mean() < symmetric.energies.mean() - 0.1


def test_broken_symmetry_tells_the_patterns_apart_unless_the_lattice_is_given(committee, parent) -> None:
    positions = parent.positions.copy()
    positions[-1, 2] += 0.3
    moved = parent.moved_to(positions)
    result = search_space(MANGANESE.space(moved), committee, SearchSettings(relax=False))
    assert result.n_distinct == 2
    low, high = result.fixed.ranking.means
    assert low < high - 0.01
    # Li+ moved along c: the Mn farther from it is the one that oxidises.
    oxidised = result.space.pattern(result.fixed.ranking.rows[0]).states.index(3)
    atoms = moved.to_ase()
    assert atoms.get_distance(oxidised, 12, mic=True) > atoms.get_distance(1 - oxidised, 12, mic=True)
    on_lattice = search_space(MANGANESE.space(moved, parent), committee, SearchSettings(relax=False))
    assert on_lattice.n_distinct == 1
    assert any("undistorted lattice" in warning for warning in on_lattice.warnings)


def test_states_given_on_redox_sites_do_not_matter(committee, parent) -> None:
    written = parent.oxidation_states.copy()
    written[:2] = (3, 2)
    space = MANGANESE.space(replace(parent, oxidation_states=written))
    result = search_space(space, committee, SearchSettings(relax=False))
    assert (result.n_configurations, result.n_distinct) == (2, 1)


def test_pre_distortion_gives_each_site_the_bonds_of_its_state(parent) -> None:
    space = MANGANESE.space(parent)
    for row in np.array([[0, 1], [1, 0]], dtype=np.int8):
        atoms = StartingGeometry(space, 1.0, 0.0, 0).of(row).to_ase()
        bonds = {
            state: np.linalg.norm(ligands(atoms, site)[1], axis=1).mean()
            for site, state in enumerate(space.pattern(row).states)
        }
        assert bonds[2] - bonds[3] == pytest.approx(0.1, abs=0.01)


def test_vacancies_move_no_ligand_and_every_atom_is_rattled_alike(parent) -> None:
    space = ConfigurationSpace.of(parent, {"Mn": ["Mn2+", "Mn3+"], "Li": ["Li+", "X"]}, total_charge=None)
    rows = np.array([[0, 1, 0], [0, 1, 1]], dtype=np.int8)
    assert [species.label for species in space.allowed[2]] == ["Li+", "X"]
    with_li, without = (StartingGeometry(space, 1.0, 0.02, 3).of(row) for row in rows)
    assert len(with_li) == len(without) + 1
    np.testing.assert_allclose(with_li.positions[:-1], without.positions)


@pytest.fixture
def small_batches(monkeypatch) -> None:
    """One configuration a batch."""
    monkeypatch.setitem(relaxation._ATOMS_AT_ONCE, "cpu", 26)


def test_small_batches_give_the_same_ranking(committee, parent, monkeypatch) -> None:
    space = MANGANESE.space(doubled(parent))
    whole = search_space(space, committee, SearchSettings(**QUICK))
    monkeypatch.setitem(relaxation._ATOMS_AT_ONCE, "cpu", 26)
    assert same(search_space(space, committee, SearchSettings(**QUICK)), whole)


class KilledError(Exception):
    """What a test kills a search with."""


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("calls", [1, 3, 4, 6, 9, 12])
def test_a_search_killed_at_any_evaluation_resumes_to_the_same_answer(
    calls: int, committee, parent, tmp_path: Path, monkeypatch
) -> None:
    space = MANGANESE.space(doubled(parent))
    settings = SearchSettings(**QUICK, checkpoint_interval=0, batch_size=1)
    unbroken = search_space(space, committee, settings)
    evaluate, left = committee.evaluate, [calls]

    def dying(configurations, **_):
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return evaluate(configurations)

    monkeypatch.setattr(committee, "evaluate", dying)
    with pytest.raises(KilledError):
        search_space(space, committee, settings, checkpoints=tmp_path)
    monkeypatch.setattr(committee, "evaluate", evaluate)
    assert same(search_space(space, committee, settings, checkpoints=tmp_path), unbroken)


@pytest.mark.usefixtures("small_batches")
def test_a_search_that_is_told_to_stop_everywhere_resumes_to_the_same_answer(committee, parent, tmp_path) -> None:
    space = MANGANESE.space(doubled(parent))
    settings = SearchSettings(**QUICK, batch_size=1)
    result, sessions, asked = None, 0, 0

    def stop_after(number: int):
        def should_stop() -> bool:
            nonlocal asked
            asked += 1
            return asked > number

        return should_stop

    while result is None or not result.complete:
        asked, sessions = 0, sessions + 1
        result = search_space(space, committee, settings, checkpoints=tmp_path, should_stop=stop_after(4))
    assert sessions > 3
    assert same(result, search_space(space, committee, settings))


def test_checkpoints_of_another_geometry_model_or_relaxation_are_refused(committee, parent, tmp_path) -> None:
    space = MANGANESE.space(parent)
    search_space(space, committee, SearchSettings(**QUICK), checkpoints=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [RELAXATION_FILE, SEARCH_FILE]
    with pytest.raises(InputError, match="other relaxations"):
        search_space(space, committee, SearchSettings(max_steps=4, rattle=0.0), checkpoints=tmp_path)
    moved = parent.moved_to(1.001 * parent.positions)
    with pytest.raises(InputError, match="of another model or of other positions"):
        search_space(MANGANESE.space(moved), committee, SearchSettings(**QUICK), checkpoints=tmp_path)
    committee.repulsions = (1.0, 1.06)
    with pytest.raises(InputError, match="of another model or of other positions"):
        search_space(space, committee, SearchSettings(**QUICK), checkpoints=tmp_path)


def test_progress_is_told_from_the_count_to_the_end(committee, parent) -> None:
    seen: list[dict[str, object]] = []
    search_space(MANGANESE.space(parent), committee, SearchSettings(max_steps=2), on_progress=seen.append)
    assert seen[0] == {"event": "started", "strategy": "exhaustive", "patterns": 2, "distinct": 1}
    assert [one["event"] for one in seen[1:]] == ["searching", "relaxing", "relaxing", "relaxed"]
    assert seen[-1] == {"event": "relaxed", "done": 1, "of": 1}


def test_the_strategy_follows_the_budget(committee, parent) -> None:
    space = MANGANESE.space(doubled(parent))
    assert SearchSettings(budget=3).ground_state(space).strategy.name == "exhaustive"
    assert SearchSettings(budget=2).ground_state(space).strategy.name == "surrogate"
    assert SearchSettings(n_relaxed=None).ground_state(space).lowest == 20
    assert SearchSettings(n_relaxed=30).ground_state(space).lowest == 31
    with pytest.raises(InputError, match="set n_relaxed, such as 20"):
        search_space(space, committee, SearchSettings(budget=2, n_relaxed=None))
    with pytest.raises(InputError, match=r"3 distinct configurations.*strategy 'surrogate'"):
        search_space(space, committee, SearchSettings(budget=2, strategy={"name": "exhaustive"}))
    assert committee.batch_sizes == []


def test_configurations_that_were_not_relaxed_and_may_be_lower_are_told(committee, parent) -> None:
    result = search_space(MANGANESE.space(doubled(parent)), committee, SearchSettings(n_relaxed=2, max_steps=2))
    assert len(result.relaxed.rows) == 2
    assert not result.certainty.proven
    assert "evaluated at fixed ions and the lowest 2 were relaxed" in result.certainty.sentence()
    assert any("above the force tolerance" in warning for warning in result.warnings)
    assert any("raise n_relaxed above 2" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"total_charge": 3}, ClosureError, r"the nearest they reach is \+1"),
        ({"allowed": {"Mn": ["Mn2+", "Mn3+"], "P": ["P5+", "P3+"]}}, InputError, "does not know P3"),
        ({"allowed": {"Mn": ["Mn2+", "Mn3+"], "Li": ["Li+", "X"]}, "total_charge": 0}, InputError, "0 to 1 Li"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_evaluation(committee, parent, given, error, message) -> None:
    with pytest.raises(error, match=message):
        search_space(SpaceSettings(**{**MANGANESE.model_dump(), **given}).space(parent), committee)
    assert committee.batch_sizes == []


def test_lithium_and_charge_are_searched_together_at_a_fixed_composition(committee, parent) -> None:
    space = SpaceSettings(
        allowed={"Mn": ["Mn2+", "Mn3+"], "Li": ["Li+", "X"]}, composition={"Li": 1}, total_charge=0
    ).space(doubled(parent))
    result = search_space(space, committee, SearchSettings(**QUICK, n_relaxed=3))
    assert result.n_configurations == 2 * 4
    assert {len(positions) for positions in result.relaxed.positions} == {len(space.parent) - 1}


def test_a_model_that_sees_no_states_says_so(committee, parent) -> None:
    committee.encoding = Encoding.for_species("none", [species for species, _ in committee.encoding.stand_ins])
    result = search_space(MANGANESE.space(parent), committee, SearchSettings(relax=False))
    assert any("does not see oxidation states" in warning for warning in result.warnings)


def test_directions_of_the_moments_stay_and_their_sizes_follow_the_pattern(committee, parent, monkeypatch) -> None:
    sizes = {one: (7 - one.state,) if one.element == "Mn" else (0,) for one, _ in committee.encoding.stand_ins}
    committee.encoding = Encoding.for_species("species+spin", sizes, sizes)
    seen = []
    evaluate = committee.evaluate
    monkeypatch.setattr(committee, "evaluate", lambda some, **_: seen.extend(some) or evaluate(some))
    spins = np.zeros(len(parent), dtype=int)
    spins[:2] = 5, -5
    search_space(MANGANESE.space(replace(parent, spins=spins)), committee, SearchSettings(max_steps=1))
    found = {(*one.oxidation_states[:2].tolist(), *one.spins[:2].tolist()) for one in seen}
    assert found == {(2, 3, 5, -4), (3, 2, 4, -5)}
    with pytest.raises(InputError, match="has no spins"):
        search_space(MANGANESE.space(parent), committee)
