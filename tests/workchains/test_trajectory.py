"""The decisions of a trajectory, on chunks made by hand; real runs are in tests/engine_runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine import CalcJob
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida_pseudo.groups.family import PseudoPotentialFamily
from plumpy import ProcessState

from aiida_redoxmlp.calculations.hubbard import interactions_of
from aiida_redoxmlp.data.dataset import DatasetData
from aiida_redoxmlp.data.oxidation_states import OxidationStatesData
from aiida_redoxmlp.data.trajectory import trajectory_from_steps
from aiida_redoxmlp.dataset.labelling import frames_from_steps
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pw_output import read_pw_output
from aiida_redoxmlp.workchains.dynamics import DynamicsWorkChain
from aiida_redoxmlp.workchains.trajectory import TrajectoryWorkChain

MD = Path(__file__).parents[1] / "fixtures" / "pw" / "md" / "pw.out"
OUT_OF_TIME = 400
STOPPED_BY_MONITOR = 150


@pytest.fixture(scope="module")
def steps():
    return read_pw_output(MD).steps


@pytest.fixture
def family(pseudos):
    group, created = PseudoPotentialFamily.collection.get_or_create(label="made-up-dynamics")
    if created:
        group.add_nodes([pseudo.store() for pseudo in pseudos.values()])
    return group.label


@pytest.fixture
def build(demo_structure, chemistry, family, aiida_code_installed):
    def builder(work_chain=TrajectoryWorkChain, *, structure=None, redox=None, label=None, **inputs):
        code = aiida_code_installed(
            label="pw", default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true"
        )
        overrides = {"label": {"pw": {"SYSTEM": {"ecutwfc": 20.0}}, **(label or {})}}
        if work_chain is TrajectoryWorkChain:
            inputs.setdefault("pattern", [2, 3])
            overrides["dynamics"] = inputs.pop("dynamics", {})
        else:
            overrides = {**overrides, "relax": None, **inputs.pop("overrides", {})}
        return work_chain.get_builder_from_protocol(
            code,
            structure or demo_structure,
            redox=redox or chemistry,
            pseudo_family=family,
            protocol="demo",
            overrides=overrides,
            **inputs,
        )

    return builder


@pytest.fixture
def process(build, monkeypatch):
    """A work chain whose submissions are recorded instead of made."""

    def instantiate(work_chain=TrajectoryWorkChain, **inputs):
        prepared = build(work_chain, **inputs)._inputs(prune=True)
        made = instantiate_process(get_manager().get_runner(), work_chain, **prepared)
        submitted = []

        def submit(process_class, **inputs):
            submitted.append(inputs)
            is_job = issubclass(process_class, CalcJob)
            node = orm.CalcJobNode() if is_job else orm.WorkChainNode()
            node.process_type = process_class.build_process_type()
            node.base.links.add_incoming(
                made.node,
                link_type=LinkType.CALL_CALC if is_job else LinkType.CALL_WORK,
                link_label=inputs["metadata"]["call_link_label"],
            )
            return node.store()

        monkeypatch.setattr(made, "submit", submit)
        made.setup()
        return made, submitted

    return instantiate


@pytest.fixture
def chunk(steps, chemistry, aiida_localhost):
    """Run the next chunk of a process and have it end after these steps of the fixture."""
    table = RedoxChemistry.model_validate(chemistry).table()

    def run(made, first=0, last=0, exit_status=0):
        assert made.steps_left()
        made.run_chunk()
        node = made.node.called[-1]
        own = [replace(step, index=number) for number, step in enumerate(steps[first:last])]
        outputs = {"remote_folder": orm.RemoteData(computer=aiida_localhost, remote_path="/scratch")}
        if own:
            labelled = frames_from_steps(own, total_charge=0, table=table, group=node.uuid, source=node.uuid)
            states = OxidationStatesData.from_assignments(labelled.assignments, range(len(own)), own[0].symbols)
            outputs["output_trajectory"] = trajectory_from_steps(own)
            outputs["oxidation_states"] = states
            outputs["frames"] = DatasetData.from_frames(labelled.frames)
        for label, data in outputs.items():
            data.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label=label)
            data.store()
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(exit_status)
        node.set_exit_message("the walltime is over" if exit_status else None)
        made.ctx.chunks = [*(made.ctx.get("chunks") or []), node]
        made.inspect_chunk()
        return node

    return run


EIGHT = {"segments": [{"n_steps": 8, "temperature": 600.0}], "steps_per_chunk": 3}


def begin(process, **settings):
    made, submitted = process(dynamics={**EIGHT, **settings})
    assert made.segments_left()
    made.begin_segment()
    return made, submitted


def test_the_first_chunk_starts_from_the_seeds_with_velocities(process, chunk):
    made, submitted = begin(process)
    chunk(made, 0, 3)
    parameters = submitted[0]["parameters"].get_dict()
    assert parameters["CONTROL"]["calculation"] == "md"
    assert parameters["CONTROL"]["nstep"] == 3
    assert parameters["IONS"]["ion_velocities"] == "from_input"
    assert parameters["SYSTEM"]["starting_ns_eigenvalue"]
    assert len(submitted[0]["settings"]["ATOMIC_VELOCITIES"]) == 13
    assert "parent_folder" not in submitted[0]


def test_the_next_chunk_repeats_one_step_from_the_density_and_the_velocities_there(process, chunk, steps):
    made, submitted = begin(process)
    chunk(made, 0, 3)
    chunk(made, 2, 6)
    second = submitted[1]
    assert second["parameters"]["CONTROL"]["nstep"] == 4
    assert second["parameters"]["ELECTRONS"]["startingpot"] == "file"
    assert "starting_ns_eigenvalue" not in second["parameters"]["SYSTEM"]
    assert second["parent_folder"].pk == made.ctx.chunks[0].outputs.remote_folder.pk
    np.testing.assert_allclose(second["structure"].get_ase().positions, steps[2].positions, atol=1e-9)
    assert interactions_of(second["structure"]) == interactions_of(made.inputs.structure)
    assert made.ctx.left == 2
    assert made.ctx.steps_done == 6


def test_the_run_ends_when_its_steps_are_there_whatever_ended_the_chunks(process, chunk):
    made, _ = begin(process)
    chunk(made, 0, 3)
    chunk(made, 2, 5, OUT_OF_TIME)
    chunk(made, 4, 8, OUT_OF_TIME)
    assert not made.steps_left()
    assert not made.segments_left()
    assert made.results() is None
    assert made.outputs["trajectories"]["part_0"].get_array("steps").tolist() == list(range(8))
    assert made.outputs["frames"].n_frames == 8
    assert made.outputs["events"]["part_0"]["ambiguous_intervals"] == [[6, 7]]


def test_a_chunk_that_only_repeats_made_no_progress(process, chunk):
    made, submitted = begin(process)
    chunk(made, 0, 3)
    chunk(made, 2, 3, OUT_OF_TIME)
    assert made.ctx.steps_done == 3
    chunk(made, 2, 6)
    again = submitted[2]
    assert again["metadata"]["call_link_label"] == "chunk_2_again_1"
    assert "parent_folder" not in again
    assert again["parameters"]["SYSTEM"]["starting_ns_eigenvalue"]
    np.testing.assert_allclose(again["settings"]["ATOMIC_VELOCITIES"], submitted[1]["settings"]["ATOMIC_VELOCITIES"])


def test_remedies_for_the_scf_cycle_come_before_giving_up(process, chunk):
    made, submitted = begin(process)
    chunk(made, 0, 3)
    for _ in range(5):
        chunk(made, exit_status=OUT_OF_TIME)
    assert [one["parameters"]["ELECTRONS"]["mixing_beta"] for one in submitted] == [0.4, 0.4, 0.4, 0.2, 0.2, 0.1]
    assert not made.steps_left()
    failed = made.results()
    assert failed.status == 400
    assert "After 3 of 8 steps" in failed.message
    assert made.outputs["frames"].n_frames == 3  # what was reached is handed over


def test_a_run_the_watch_has_stopped_is_over_and_keeps_what_it_reached(process, chunk):
    made, submitted = begin(process, maximum_temperature=900.0)
    chunk(made, 0, 2, STOPPED_BY_MONITOR)
    assert submitted[0]["monitors"]["dynamics"]["kwargs"]["maximum_temperature"] == 900.0
    failed = made.results()
    assert failed.status == 420
    assert made.outputs["frames"].n_frames == 2


def test_a_chunk_that_was_killed_by_hand_is_not_run_again(process, chunk):
    made, _ = begin(process)
    chunk(made, 0, 3)
    killed = chunk(made, 0, 0, OUT_OF_TIME)
    made.ctx.failure = None
    killed.set_process_state(ProcessState.KILLED)
    made.inspect_chunk()
    assert not made.steps_left()
    assert made.results().status == 410
    assert made.outputs["frames"].n_frames == 3


def test_no_limits_no_watch(process, chunk):
    made, submitted = begin(process, maximum_drift=None, maximum_temperature=None)
    chunk(made, 0, 3)
    assert "monitors" not in submitted[0]


def test_a_thermostat_has_its_temperature_and_its_energy_is_not_watched(process, chunk):
    made, submitted = begin(process, thermostat="svr", thermostat_parameters={"nraise": 20}, maximum_drift=0.1)
    chunk(made, 0, 3)
    ions = submitted[0]["parameters"]["IONS"]
    assert (ions["ion_temperature"], ions["tempw"], ions["nraise"]) == ("svr", 600.0, 20)
    assert submitted[0]["monitors"]["dynamics"]["kwargs"]["maximum_drift"] is None


def test_a_segment_without_a_temperature_goes_on_and_one_with_it_starts_anew(process, chunk):
    segments = [{"n_steps": 3, "temperature": 600.0}, {"n_steps": 3}, {"n_steps": 2, "temperature": 300.0}]
    made, submitted = process(dynamics={"segments": segments})
    made.segments_left()
    made.begin_segment()
    chunk(made, 0, 3)
    made.begin_segment()
    going_on = made._settings["ATOMIC_VELOCITIES"]
    chunk(made, 2, 6)
    np.testing.assert_allclose(submitted[1]["settings"]["ATOMIC_VELOCITIES"], going_on)
    made.begin_segment()
    chunk(made, 5, 8)
    speeds = [np.abs(np.array(one["settings"]["ATOMIC_VELOCITIES"])).sum() for one in submitted]
    assert speeds[2] < 0.9 * speeds[0]
    assert made.results() is None
    assert made.outputs["trajectories"]["part_0"].get_array("steps").tolist() == list(range(8))


def test_lithium_that_leaves_begins_a_new_part_with_a_pattern_that_closes(process, chunk):
    segments = [{"n_steps": 2, "temperature": 600.0}, {"n_steps": 2, "remove": [12]}]
    made, submitted = process(dynamics={"segments": segments})
    made.segments_left()
    made.begin_segment()
    chunk(made, 0, 2)
    made.begin_segment()
    assert made.ctx.pattern == [3, 3]
    made.run_chunk()
    last = submitted[-1]
    assert last["structure"].get_ase().get_chemical_symbols().count("Li") == 0
    assert last["parameters"]["CONTROL"]["nstep"] == 2  # nothing is repeated in a new composition
    assert "parent_folder" not in last
    assert last["parameters"]["SYSTEM"]["starting_ns_eigenvalue"]


def test_without_occupations_there_is_no_result(process):
    made, _ = begin(process)
    assert made.results().status == 310


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"remove": [13]}, "removes atom 13, but there are atoms 0 to 12"),
        ({"remove": [0]}, "removes atom 0, a redox site"),
        ({"remove": [2]}, "Segment 1: No allowed states"),
        ({"insert": [{"symbol": "Na", "position": [0, 0, 0]}]}, "no pseudopotential for Na"),
        ({"pattern": [2, 2]}, "Segment 1: The pattern"),
    ],
)
def test_atoms_are_followed_through_the_segments_before_submission(build, second, says):
    dynamics = {"segments": [{"n_steps": 2, "temperature": 600.0}, {"n_steps": 1, **second}]}
    inputs = build(dynamics=dynamics)._inputs(prune=True)
    with pytest.raises(ValueError, match=says):
        instantiate_process(get_manager().get_runner(), TrajectoryWorkChain, **inputs)


def test_several_trajectories_are_followed_before_submission_too(build):
    segments = [{"n_steps": 2, "temperature": 600.0}, {"n_steps": 1, "remove": [13]}]
    overrides = {"trajectory": {"dynamics": {"segments": segments}}}
    inputs = build(DynamicsWorkChain, patterns=[[2, 3]], overrides=overrides)._inputs(prune=True)
    with pytest.raises(ValueError, match="removes atom 13"):
        instantiate_process(get_manager().get_runner(), DynamicsWorkChain, **inputs)


def test_a_pattern_that_does_not_fit_is_refused(build):
    inputs = build(pattern=[2, 2])._inputs(prune=True)
    with pytest.raises(ValueError, match="Segment 0: The pattern"):
        instantiate_process(get_manager().get_runner(), TrajectoryWorkChain, **inputs)


def test_settings_that_make_no_sense_are_refused_as_they_are_set(build):
    with pytest.raises(ValueError, match="the first segment has no temperature"):
        build(dynamics={"segments": [{"n_steps": 2}]})


def test_every_pattern_and_seed_is_a_trajectory_as_many_at_a_time_as_allowed(process):
    made, submitted = process(
        DynamicsWorkChain,
        patterns=[[2, 3], [3, 2]],
        overrides={"random_seeds": [4, 5], "max_concurrent": 3},
    )
    assert made.trajectories_left()
    made.run_trajectories()
    assert [one["pattern"].get_list() for one in submitted] == [[2, 3], [3, 2], [2, 3]]
    assert [one["dynamics"]["random_seed"] for one in submitted] == [4, 4, 5]
    assert [one["metadata"]["call_link_label"] for one in submitted] == ["run_0", "run_1", "run_2"]


def test_trajectories_that_failed_do_not_take_the_others_along(process, make_frame):
    made, _ = process(DynamicsWorkChain, patterns=[[2, 3], [3, 2]])
    made.run_trajectories()
    runs = made.node.called
    frames = DatasetData.from_frames([make_frame(step) for step in range(4)]).store()
    frames.base.links.add_incoming(runs[1], link_type=LinkType.RETURN, link_label="frames")
    events = orm.Dict({"events": []}).store()
    events.base.links.add_incoming(runs[1], link_type=LinkType.RETURN, link_label="events__part_0")
    for run, status in zip(runs, (400, 0), strict=True):
        run.set_process_state(ProcessState.FINISHED)
        run.set_exit_status(status)
    made.ctx.trajectories = runs
    assert made.results() is None
    assert made.outputs["frames"].n_frames == 4
    assert 0 < made.outputs["dataset"].n_frames <= 4
    assert made.outputs["events"]["run_1_part_0"].uuid == events.uuid


def test_without_any_frames_dynamics_fail(process):
    made, _ = process(DynamicsWorkChain, patterns=[[2, 3]])
    made.run_trajectories()
    (run,) = made.node.called
    run.set_process_state(ProcessState.FINISHED)
    run.set_exit_status(400)
    made.ctx.trajectories = [run]
    assert made.results().status == 300


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"patterns": [[3, 3]]}, "The pattern"),
        ({"patterns": [[2, 3]], "overrides": {"random_seeds": []}}, "give at least one"),
        ({"patterns": [[2, 3]], "overrides": {"random_seeds": [1, 1]}}, "each once"),
        ({"patterns": [[2, 3]], "overrides": {"max_concurrent": 0}}, "from 1"),
    ],
)
def test_bad_numbers_of_dynamics_are_refused(build, inputs, says):
    prepared = build(DynamicsWorkChain, **inputs)._inputs(prune=True)
    with pytest.raises(ValueError, match=says):
        instantiate_process(get_manager().get_runner(), DynamicsWorkChain, **prepared)


def relaxed(node, structure, verdict, frames=None, status=0):
    """End a relaxation."""
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(status)
    for label, data in {"structure": structure, "verdict": orm.Dict(verdict), "frames": frames}.items():
        if data is not None:
            data.store()
            data.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)


def test_trajectories_start_from_relaxations_that_ended_on_a_sure_pattern(process, demo_structure, make_frame):
    made, submitted = process(
        DynamicsWorkChain,
        patterns=[[2, 3], [3, 2], [2, 3]],
        overrides={"relax": {}, "max_concurrent": 3, "random_seeds": [1, 2]},
    )
    assert made.should_relax()
    assert made.relaxations_left()
    made.run_relaxations()
    assert not made.relaxations_left()
    runs = made.node.called
    geometry = orm.StructureData(ase=demo_structure.get_ase())
    frames = [DatasetData.from_frames([make_frame(step, group=f"relax {one}") for step in range(6)]) for one in (0, 1)]
    relaxed(runs[0], geometry, {"ambiguous": False, "found": [3, 2]}, frames[0])
    relaxed(runs[1], geometry.clone(), {"ambiguous": True, "found": [3, 2]}, frames[1])
    runs[2].set_process_state(ProcessState.FINISHED)
    runs[2].set_exit_status(300)
    made.ctx.relaxations = runs
    assert made.start_from_relaxed() is None
    made.run_trajectories()
    assert [one["pattern"].get_list() for one in submitted[3:]] == [[3, 2], [3, 2]]
    assert [one["dynamics"]["random_seed"] for one in submitted[3:]] == [1, 2]
    assert interactions_of(submitted[3]["structure"]) == interactions_of(demo_structure)

    run = made.node.called[3]
    dynamics = DatasetData.from_frames([make_frame(step) for step in range(4)]).store()
    dynamics.base.links.add_incoming(run, link_type=LinkType.RETURN, link_label="frames")
    run.set_process_state(ProcessState.FINISHED)
    run.set_exit_status(0)
    made.ctx.trajectories = [run]
    assert made.results() is None
    assert made.outputs["frames"].n_frames == 16
    notes = {name: group["note"] for name, group in made.outputs["subsampling_summary"]["groups"].items()}
    assert notes["relax 0"].startswith("A relaxation")
    assert "too few" in notes["run"]


def test_without_any_sure_relaxation_there_are_no_trajectories(process):
    made, _ = process(DynamicsWorkChain, patterns=[[2, 3]], overrides={"relax": {}})
    made.run_relaxations()
    (run,) = made.node.called
    run.set_process_state(ProcessState.FINISHED)
    run.set_exit_status(300)
    made.ctx.relaxations = [run]
    assert made.start_from_relaxed().status == 301
