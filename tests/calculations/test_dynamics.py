from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiida import orm

from aiida_redoxmlp.calculations.dynamics import change_composition, go_on, start_moving
from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.calculations.trajectories import describe_trajectory, join_chunks
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.data.trajectory import trajectory_from_steps
from aiida_redoxmlp.dataset.labelling import frames_from_steps
from aiida_redoxmlp.dynamics.velocities import RYDBERG_TIME, kinetic_temperature
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pw_output import read_pw_output

MD = Path(__file__).parents[1] / "fixtures" / "pw" / "md" / "pw.out"
TIMESTEP = 60 * RYDBERG_TIME


def dynamics(*segments, **settings):
    first = {"n_steps": 8, "temperature": 600.0}
    return orm.Dict({"segments": [first, *segments], "timestep": TIMESTEP, **settings})


def velocities_in(settings):
    """Velocities in the settings of pw.x, in Å/fs."""
    return np.array(settings["ATOMIC_VELOCITIES"]) * 0.529177210903 / RYDBERG_TIME


def masses_of(structure):
    return np.array([structure.get_kind(site.kind_name).mass for site in structure.sites])


@pytest.fixture(scope="module")
def steps():
    return read_pw_output(MD).steps


def test_velocities_of_a_segment_have_its_temperature_and_keep_the_other_settings(demo_structure):
    made = start_moving(demo_structure, dynamics(), orm.Int(0), orm.Dict({"CMDLINE": ["-nk", "2"]}))
    assert made["CMDLINE"] == ["-nk", "2"]
    assert kinetic_temperature(masses_of(demo_structure), velocities_in(made)) == pytest.approx(600.0)


def test_segments_and_seeds_have_velocities_of_their_own(demo_structure):
    def drawn(segment, **settings):
        asked = dynamics({"n_steps": 1, "temperature": 600.0}, **settings)
        return velocities_in(start_moving(demo_structure, asked, orm.Int(segment), orm.Dict({})))

    np.testing.assert_array_equal(drawn(0), drawn(0))
    assert not np.allclose(drawn(0), drawn(1))
    assert not np.allclose(drawn(0), drawn(0, random_seed=7))


def test_a_real_run_is_continued_with_the_velocities_it_had(demo_structure, steps):
    """The step that the velocities lead to is the one pw.x made."""
    for last in range(1, 7):
        trajectory = trajectory_from_steps(steps[: last + 1])
        made = go_on(demo_structure, trajectory, orm.Dict({"ATOMIC_VELOCITIES": [[0.0] * 3] * 13}), dynamics())
        velocities = velocities_in(made["settings"])
        now, following = steps[last], steps[last + 1]
        # velocities at the middle of the next step, by Newton's law
        masses = np.array([54.94, 54.94, 30.97, *[16.0] * 4, 30.97, *[16.0] * 4, 6.94])
        half = velocities + 0.5 * TIMESTEP * now.forces / masses[:, None] * 0.009648533
        np.testing.assert_allclose(now.positions + TIMESTEP * half, following.positions, atol=2e-5)
        np.testing.assert_allclose(made["structure"].get_ase().positions, now.positions, atol=1e-9)
        assert interactions_of(made["structure"]) == interactions_of(demo_structure)


def test_after_one_step_the_velocities_are_those_it_began_with(demo_structure, steps):
    begun = [[1e-4 * atom, 0.0, 0.0] for atom in range(13)]
    made = go_on(demo_structure, trajectory_from_steps(steps[:1]), orm.Dict({"ATOMIC_VELOCITIES": begun}), dynamics())
    np.testing.assert_allclose(made["settings"]["ATOMIC_VELOCITIES"], begun, atol=1e-12)


def test_lithium_leaves_and_the_others_go_on(demo_structure):
    moving = start_moving(demo_structure, dynamics(), orm.Int(0), orm.Dict({}))
    made = change_composition(demo_structure, dynamics({"n_steps": 1, "remove": [12]}), orm.Int(1), moving)
    assert made["structure"].get_ase().get_chemical_symbols().count("Li") == 0
    assert interactions_of(made["structure"]) == interactions_of(demo_structure)
    before, after = velocities_in(moving)[:12], velocities_in(made["settings"])
    np.testing.assert_allclose(np.diff(after - before, axis=0), 0.0, atol=1e-12)  # but for the centre of mass
    np.testing.assert_allclose(masses_of(made["structure"]) @ after, 0.0, atol=1e-10)


def test_atoms_before_the_hubbard_sites_may_leave_too(demo_structure):
    atoms = demo_structure.get_ase()[[12, *range(12)]]
    image = (1, 0, 0)
    structure = with_interactions(
        orm.StructureData(ase=atoms),
        [Interaction(1, "3d", 1, "3d", (0, 0, 0), 4.5), Interaction(1, "3d", 4, "2p", image, 0.5)],
    )
    moving = start_moving(structure, dynamics(), orm.Int(0), orm.Dict({}))
    made = change_composition(structure, dynamics({"n_steps": 1, "remove": [0]}), orm.Int(1), moving)
    assert interactions_of(made["structure"]) == [
        Interaction(0, "3d", 0, "3d", (0, 0, 0), 4.5),
        Interaction(0, "3d", 3, "2p", image, 0.5),
    ]


def test_lithium_comes_in_at_its_place_and_moves(demo_structure):
    moving = start_moving(demo_structure, dynamics(), orm.Int(0), orm.Dict({}))
    asked = dynamics({"n_steps": 1, "insert": [{"symbol": "Li", "position": [0.5, 0.5, 0.25]}]})
    made = change_composition(demo_structure, asked, orm.Int(1), moving)
    atoms = made["structure"].get_ase()
    assert atoms.get_chemical_symbols()[-2:] == ["Li", "Li"]
    np.testing.assert_allclose(atoms.get_scaled_positions()[-1], [0.5, 0.5, 0.25], atol=1e-9)
    assert np.linalg.norm(velocities_in(made["settings"])[-1]) > 0


@pytest.fixture
def chunk(steps, chemistry):
    """The nodes of a chunk that ran some of the fixture's steps."""

    def make(first, last):
        made = RedoxChemistry.model_validate(chemistry)

        own = [replace(step, index=number) for number, step in enumerate(steps[first:last])]
        labelled = frames_from_steps(own, total_charge=0, table=made.table(), group=f"from {first}", source="uuid")
        return {
            "trajectory": trajectory_from_steps(own),
            "frames": DatasetData.from_frames(labelled.frames),
            "states": OxidationStatesData.from_assignments(labelled.assignments, range(len(own)), own[0].symbols),
        }

    return make


def join(chunks, plan):
    nodes = {f"{name}_{kind}": node for name, made in chunks.items() for kind, node in made.items()}
    return join_chunks(orm.Dict({"timestep": TIMESTEP, "chunks": plan}), **nodes)


def test_chunks_are_joined_without_a_step_lost_or_doubled(aiida_profile, chunk, steps):
    plan = [
        {"name": "a", "first_step": 0, "repeats": False},
        {"name": "b", "first_step": 2, "repeats": True},
        {"name": "c", "first_step": 5, "repeats": True},
    ]
    joined = join({"a": chunk(0, 3), "b": chunk(2, 6), "c": chunk(5, 8)}, plan)
    assert joined["trajectory"].get_array("steps").tolist() == list(range(8))
    np.testing.assert_allclose(joined["trajectory"].get_array("positions"), [step.positions for step in steps])
    np.testing.assert_allclose(joined["trajectory"].get_array("times"), np.arange(8) * TIMESTEP / 1000)
    frames = joined["frames"].frames
    assert [frame.step for frame in frames] == list(range(8))
    assert {frame.group for frame in frames} == {"from 0"}
    np.testing.assert_allclose([frame.energy for frame in frames], [step.energy for step in steps])
    states = joined["oxidation_states"]
    assert states.get_array("step_indices").tolist() == list(range(8))
    assert states.get_array("ambiguous").tolist() == [frame.ambiguous for frame in frames]
    assert states.sites == (0, 1)


def test_labels_beyond_the_step_a_run_went_on_from_are_left_out(aiida_profile, chunk, steps):
    early = {**chunk(0, 5), "trajectory": trajectory_from_steps(steps[:3])}
    plan = [{"name": "a", "first_step": 0, "repeats": False}, {"name": "b", "first_step": 2, "repeats": True}]
    joined = join({"a": early, "b": chunk(2, 8)}, plan)
    assert [frame.step for frame in joined["frames"].frames] == list(range(8))
    np.testing.assert_allclose([frame.energy for frame in joined["frames"].frames], [step.energy for step in steps])


def test_one_whole_run_and_its_chunks_are_the_same(aiida_profile, chunk):
    whole = join({"a": chunk(0, 8)}, [{"name": "a", "first_step": 0, "repeats": False}])
    plan = [{"name": "a", "first_step": 0, "repeats": False}, {"name": "b", "first_step": 3, "repeats": True}]
    divided = join({"a": chunk(0, 4), "b": chunk(3, 8)}, plan)
    assert divided["frames"].base.repository.hash() == whole["frames"].base.repository.hash()
    for name in whole["trajectory"].get_arraynames():
        np.testing.assert_array_equal(divided["trajectory"].get_array(name), whole["trajectory"].get_array(name))


def test_what_happened_along_a_run(aiida_profile, chunk, steps):
    joined = join({"a": chunk(0, 8)}, [{"name": "a", "first_step": 0, "repeats": False}])
    said = describe_trajectory(joined["oxidation_states"], joined["frames"], joined["trajectory"])
    assert said["n_steps"] == said["n_labelled"] == 8
    assert said["patterns"] == [{"states": [2, 3], "steps": 6}]
    assert (said["events"], said["hops"]) == ([], [])
    assert said["ambiguous_intervals"] == [[6, 7]]
    assert said["mean_temperature"] == pytest.approx(np.mean([step.temperature for step in steps]))


def test_a_trajectory_ends_where_a_run_can_go_on(steps):

    gave_up = replace(steps[3], forces=None, scf_converged=False)
    assert trajectory_from_steps([*steps[:3], gave_up]).get_array("steps").tolist() == [0, 1, 2]
    assert trajectory_from_steps([*steps[:3], steps[4]]).get_array("steps").tolist() == [0, 1, 2]
    assert trajectory_from_steps([steps[0], steps[2], steps[3]]).get_array("steps").tolist() == [0, 2, 3]
