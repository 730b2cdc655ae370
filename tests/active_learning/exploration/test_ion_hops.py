from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.data import covalent_radii
from ase.io import read
from ase.neighborlist import neighbor_list
from pydantic import ValidationError

from aiida_redoxmlp.active_learning.exploration.exploring import explore
from aiida_redoxmlp.active_learning.exploration.ion_hops import distinct_hops, hop_images, vacant_sites
from aiida_redoxmlp.active_learning.exploration.settings import ExplorationSettings, IonHops, Relaxations, Stage, Walk
from aiida_redoxmlp.active_learning.exploration.starting_points import GivenStructure, starting_points
from aiida_redoxmlp.engines.encoding import Encoding
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from tests.active_learning.exploration.spring_committee import SpringCommittee

STRUCTURES = Path(__file__).parents[3] / "examples" / "structures"
CHEMISTRY = RedoxChemistry(allowed_states={"Mn": (2, 3)}, fixed_states={"Li": 1, "P": 5, "O": -2})
CHARGES = {"Li": 1, "P": 5, "O": -2, "Mn": 2}
LITHIUM = 3


def olivine(gone: Sequence[int] = ()) -> Configuration:
    """LiMnPO4 without some of its four lithium atoms, its charges as if none were gone."""
    atoms = read(STRUCTURES / "LiMnPO4.cif")
    places = np.flatnonzero(atoms.numbers == LITHIUM)
    atoms = atoms[np.setdiff1d(np.arange(len(atoms)), places[list(gone)])]
    atoms.new_array("oxidation_states", np.array([CHARGES[symbol] for symbol in atoms.get_chemical_symbols()]))
    return Configuration.from_ase(atoms)


def lithium(configuration: Configuration) -> np.ndarray:
    return np.flatnonzero(configuration.numbers == LITHIUM)


def closest_share(configuration: Configuration) -> float:
    """Shortest distance over the sum of the covalent radii."""
    first, second, distances = neighbor_list("ijd", configuration.to_ase(), 3.0)
    radii = covalent_radii[configuration.numbers]
    return float((distances / (radii[first] + radii[second])).min())


def test_vacant_sites_are_those_that_another_structure_of_the_lattice_has_taken() -> None:
    full, three = olivine(), olivine([1])
    (site,) = vacant_sites(three, [full], IonHops())
    np.testing.assert_allclose(site, full.positions[lithium(full)[1]], atol=1e-6)
    assert len(vacant_sites(full, [three], IonHops())) == 0
    assert len(vacant_sites(olivine(range(4)), [full, three], IonHops())) == 4


def test_a_site_keeps_its_place_in_the_cell_when_the_cell_changes() -> None:
    full, three = olivine(), olivine([1])
    stretched = replace(full, cell=1.03 * full.cell, positions=1.03 * full.positions)
    (site,) = vacant_sites(three, [stretched], IonHops())
    np.testing.assert_allclose(site, full.positions[lithium(full)[1]], atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda full: replace(full, cell=1.2 * full.cell, positions=1.2 * full.positions),
        lambda full: replace(full, positions=full.positions + np.array([0.0, 1.5, 0.0])),
        lambda full: replace(full, numbers=np.where(full.numbers == 25, 26, full.numbers)),
        lambda full: Configuration(full.numbers[1:], full.positions[1:], full.cell, full.oxidation_states[1:]),
    ],
    ids=["another cell", "another origin", "other elements", "fewer atoms"],
)
def test_structures_of_other_lattices_say_nothing_about_sites(change) -> None:
    assert len(vacant_sites(olivine([1]), [change(olivine())], IonHops())) == 0


def test_given_sites_that_are_taken_or_given_twice_are_left_out() -> None:
    full = olivine()
    places = full.to_ase().get_scaled_positions()[lithium(full)]
    sites = tuple(tuple(place) for place in (*places, places[1] + [1.0, 0.0, 0.0]))
    (site,) = vacant_sites(olivine([1]), [], IonHops(sites=sites))
    np.testing.assert_allclose(site, places[1] @ full.cell, atol=1e-6)


def test_hops_of_olivine_go_along_b_and_those_that_symmetry_makes_equal_are_one() -> None:
    full = olivine()
    lattice = [olivine([1]), olivine([0, 1]), olivine([0, 1, 2])]
    for structure in lattice:
        hops = distinct_hops(structure, vacant_sites(structure, [full], IonHops()), IonHops())
        assert all(hop.distance == pytest.approx(full.cell[1, 1] / 2, abs=0.02) for hop in hops)
        assert all(abs(hop.vector[1]) == pytest.approx(hop.distance, abs=1e-6) for hop in hops)
    (hop,) = distinct_hops(lattice[0], vacant_sites(lattice[0], [full], IonHops()), IonHops())
    further = IonHops(max_distance=6.5)
    many = distinct_hops(lattice[0], vacant_sites(lattice[0], [full], further), further)
    assert len(many) > 1
    assert many[0].distance == pytest.approx(hop.distance)
    assert [one.distance for one in many] == sorted(one.distance for one in many)


def test_atoms_in_other_states_break_the_symmetry_of_hops() -> None:
    full, three = olivine(), olivine([1])
    sites = vacant_sites(three, [full], IonHops())
    states = three.oxidation_states.copy()
    states[np.flatnonzero(three.numbers == 25)[0]] = 3
    alike = distinct_hops(three, sites, IonHops(max_distance=6.5))
    unlike = distinct_hops(replace(three, oxidation_states=states), sites, IonHops(max_distance=6.5))
    assert len(unlike) > len(alike)


def test_images_advance_evenly_from_the_ion_to_the_site_and_move_nothing_else() -> None:
    full, three = olivine(), olivine([1])
    sites = vacant_sites(three, [full], IonHops())
    (hop,) = distinct_hops(three, sites, IonHops())
    images = hop_images(three, hop, 5, np.random.default_rng(0))
    assert len(images) == 6
    start = three.positions[hop.ion]
    advanced = [(image[hop.ion] - start) @ hop.vector / hop.distance**2 for image in images]
    np.testing.assert_allclose(advanced, np.arange(1, 7) / 6, atol=1e-9)
    np.testing.assert_allclose(images[-1][hop.ion], start + hop.vector)
    travelled = [float(np.linalg.norm(image[hop.ion] - start)) for image in images]
    assert travelled == sorted(travelled)
    for image in images:
        np.testing.assert_array_equal(np.delete(image, hop.ion, axis=0), np.delete(three.positions, hop.ion, axis=0))


def test_ways_lead_around_the_atoms_on_the_straight_line() -> None:
    full, three = olivine(), olivine([1])
    (hop,) = distinct_hops(three, vacant_sites(three, [full], IonHops()), IonHops())
    images = hop_images(three, hop, 5, np.random.default_rng(0))
    straight = [three.positions[hop.ion] + share * hop.vector for share in np.arange(1, 6) / 6]

    def nearest(position: np.ndarray) -> float:
        atoms = three.moved_to(np.where(np.arange(len(three))[:, None] == hop.ion, position, three.positions)).to_ase()
        return float(np.delete(atoms.get_distances(hop.ion, range(len(atoms)), mic=True), hop.ion).min())

    assert min(nearest(image[hop.ion]) for image in images[:-1]) > min(map(nearest, straight)) + 0.05
    assert min(closest_share(three.moved_to(image)) for image in images) > 0.8


def test_the_six_neighbours_of_a_vacancy_in_a_layer_are_one_hop() -> None:
    atoms = read(STRUCTURES / "LiCoO2.cif").repeat((2, 2, 2))
    full = Configuration.from_ase(atoms)
    kept = np.delete(np.arange(len(full)), lithium(full)[0])
    start = Configuration(full.numbers[kept], full.positions[kept], full.cell, full.oxidation_states[kept])
    sites = vacant_sites(start, [full], IonHops())
    (hop,) = distinct_hops(start, sites, IonHops())
    assert hop.distance == pytest.approx(2.816, abs=0.01)
    squeezed = hop_images(start, hop, 1, np.random.default_rng(0))[0]
    assert closest_share(start.moved_to(squeezed)) > 0.75


def points_of(hops: IonHops, seed: int = 0):
    given = {name: GivenStructure(one, states_known=False) for name, one in structures().items()}
    return starting_points(given, CHEMISTRY, ExplorationSettings(ion_hops=hops, seed=seed))


def structures() -> dict[str, Configuration]:
    return {"Li4": olivine(), "Li3": olivine([1]), "Li2": olivine([0, 1])}


def test_points_along_hops_tell_where_they_come_from() -> None:
    points = points_of(IonHops(n_images=2))
    assert [point.name for point in points[:3]] == ["Li4", "Li3", "Li2"]
    along = [point for point in points if point.on_hop]
    assert {point.structure for point in along} == {"Li3", "Li2"}
    assert len({point.name for point in points}) == len(points)
    first = [point.name for point in along if point.structure == "Li3"]
    assert first == [f"Li3, hop 1 (Li 26, 3.05 Å), {end}" for end in ("image 1", "image 2", "end")]


def test_of_many_hops_the_seed_chooses() -> None:
    def chosen(seed: int, most: int) -> set[str]:
        return {one.name.partition("(")[2] for one in points_of(IonHops(max_distance=6.5, max_hops=most), seed)}

    everything, some = chosen(0, 100), [chosen(seed, 1) for seed in range(6)]
    assert all(one < everything for one in some)
    assert chosen(3, 1) == some[3]
    assert len({frozenset(one) for one in some}) > 1


def test_nothing_to_hop_to_is_said_in_one_sentence() -> None:
    with pytest.raises(InputError, match=r"No structure has Na with a vacant site within 4 Å; give ion_hops.sites, a"):
        points_of(IonHops(element="Na"))
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        IonHops(max_hops=0)


class Olivine(SpringCommittee):
    """Springs for cells with any number of atoms: none."""

    encoding = Encoding.for_species(
        "species", [Species("Mn", 2), Species("Mn", 3), Species("O", -2), Species("Li", 1), Species("P", 5)]
    )

    def _evaluate(self, here: Configuration):
        self.sites = here.positions
        return super()._evaluate(here)


def explored(**changes):
    given = {name: GivenStructure(one, states_known=False) for name, one in structures().items()}
    settings = ExplorationSettings(**{"ion_hops": IonHops(n_images=3), **changes})
    return explore(Olivine(np.zeros(3)), given, CHEMISTRY, settings)


def test_images_of_hops_are_frames_with_believed_patterns_and_others_walk_and_relax() -> None:
    walk = Walk(stages=(Stage(n_steps=2, temperature=300.0),), frame_interval=1)
    found = explored(walks=(walk,), relaxations=Relaxations(max_steps=1))
    hops = [frame for frame in found.frames if "hop" in frame.walker]
    assert hops
    assert all(frame.configuration.total_charge == 0 for frame in hops)
    assert {one.kind for one in found.walkers if "hop" in one.name} == {"hop"}
    assert {one.kind for one in found.walkers if "hop" not in one.name} == {"start", "relaxation", "walk"}


def test_walks_begin_on_hops_where_they_are_asked_for() -> None:
    walk = Walk(stages=(Stage(n_steps=2, temperature=300.0),), frame_interval=1)
    found = explored(walks=(walk,), ion_hops=IonHops(n_images=1, walks=True))
    assert any(one.name.endswith("image 1, walk 1.1") and one.n_steps == 2 for one in found.walkers)


def test_images_beyond_the_limits_are_named_and_left_out() -> None:
    found = explored(limits={"closest": 0.95})
    stopped = [one for one in found.walkers if one.kind == "hop" and one.stopped == "too_close"]
    assert stopped
    assert not {one.name for one in stopped} & {frame.walker for frame in found.frames}


def test_a_way_depends_on_nothing_but_its_name_and_the_seed() -> None:
    one, other = (
        [point.configuration.positions for point in points_of(IonHops(max_hops=number)) if point.structure == "Li3"]
        for number in (1, 6)
    )
    np.testing.assert_array_equal(one, other[: len(one)])
