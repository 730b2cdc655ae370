"""Concurrent perturbations: which jobs there are, how many at a time, and what is run again."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from plumpy import ProcessState

from aiida_redoxmlp.workchains.hp import HpWorkChain
from aiida_redoxmlp.workchains.hp_base import HpBaseWorkChain


@pytest.fixture
def process(aiida_localhost, aiida_code_installed, demo_structure, monkeypatch):
    def instantiate(parallelize, *, max_concurrent=2, mesh=(2, 2, 2)):
        builder = HpWorkChain.get_builder_from_protocol(
            aiida_code_installed(default_calc_job_plugin="redoxmlp.hp", filepath_executable="/bin/true"),
            demo_structure,
            parent_scf=orm.RemoteData(computer=aiida_localhost, remote_path="/scratch").store(),
            protocol="demo",
            overrides={"mesh": list(mesh), "parallelize": parallelize, "max_concurrent": max_concurrent},
        )
        builder.hp.hp.hubbard_structure = demo_structure
        made = instantiate_process(get_manager().get_runner(), HpWorkChain, **builder._inputs(prune=True))
        submitted = []

        def submit(process_class, **inputs):
            assert process_class is HpBaseWorkChain
            submitted.append(inputs)
            node = orm.WorkChainNode(process_type=HpBaseWorkChain.build_process_type())
            node.base.links.add_incoming(
                made.node, link_type=LinkType.CALL_WORK, link_label=inputs["metadata"]["call_link_label"]
            )
            return node.store()

        monkeypatch.setattr(made, "submit", submit)
        made.setup()
        return made, submitted

    return instantiate


def end(node, *, exit_status=0, **outputs):
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    for label, data in outputs.items():
        data.store()
        data.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    return node


def perform(made, awaitables):
    """What ToContext does once everything has ended."""
    for name, node in awaitables.items():
        made.ctx[name] = node


def list_atoms(made, atoms):
    awaited = made.run_listing()
    end(awaited["listing"], output_parameters=orm.Dict({"perturbed": atoms, "n_q_points": {}}))
    perform(made, awaited)
    assert made.inspect_listing() is None


def run_wave(made, failing=()):
    awaited = made.run_jobs()
    for name, node in awaited.items():
        end(node, exit_status=300 if name in failing else 0, retrieved=orm.FolderData())
    perform(made, awaited)
    made.inspect_jobs()
    return list(awaited)


def test_one_job_an_atom_and_no_more_at_a_time_than_allowed(process):
    made, submitted = process({"over": "atoms"}, max_concurrent=2)
    list_atoms(made, [0, 1, 4])
    assert submitted[0]["hp"].parameters["determine_num_pert_only"]
    assert run_wave(made) == ["atom_1", "atom_2"]
    assert run_wave(made) == ["atom_5"]
    assert not made.jobs_left()
    assert made.check_jobs() is None
    made.run_last()
    assert [one["hp"].parameters.get_dict().get("perturb_only_atom") for one in submitted[1:]] == [[1], [2], [5], None]
    assert submitted[-1]["hp"].parameters["compute_hp"]
    assert len(submitted[-1]["hp"].responses) == 3


def test_one_inequivalent_atom_is_not_divided(process):
    made, submitted = process({"over": "atoms"})
    list_atoms(made, [0])
    assert not made.jobs_left()
    made.run_last()
    assert "compute_hp" not in submitted[-1]["hp"].parameters.get_dict()


def test_wave_vectors_are_shared_evenly(process):
    made, submitted = process({"over": "q_points", "jobs_per_atom": 3}, max_concurrent=9)
    list_atoms(made, [0, 1])
    awaited = made.run_meshes()
    for (_, node), (atom, count) in zip(awaited.items(), [(0, 8), (1, 2)], strict=True):
        end(node, output_parameters=orm.Dict({"perturbed": [atom], "n_q_points": {str(atom): count}}))
    perform(made, awaited)
    assert made.inspect_meshes() is None
    shares = [
        (job["changes"]["perturb_only_atom"], job["changes"]["start_q"], job["changes"]["last_q"])
        for job in made.ctx.jobs
    ]
    assert shares == [([1], 1, 2), ([1], 3, 5), ([1], 6, 8), ([2], 1, 1), ([2], 2, 2)]
    run_wave(made)
    made.plan_sums()
    assert run_wave(made) == ["sum_1", "sum_2"]
    assert submitted[-1]["hp"].parameters["sum_pertq"]
    assert len(submitted[-1]["hp"].responses) == 5


def test_only_what_failed_is_run_again(process):
    made, submitted = process({"over": "atoms"}, max_concurrent=3)
    list_atoms(made, [0, 1, 2])
    run_wave(made, failing=["atom_2"])
    assert run_wave(made) == ["atom_2"]
    assert submitted[-1]["metadata"]["call_link_label"] == "atom_2_again"
    assert made.check_jobs() is None
    assert len(made.ctx.responses) == 3


def test_a_perturbation_that_fails_twice_is_named(process):
    made, _ = process({"over": "atoms"}, max_concurrent=3)
    list_atoms(made, [0, 1, 2])
    run_wave(made, failing=["atom_3"])
    run_wave(made, failing=["atom_3"])
    exit_code = made.check_jobs()
    assert exit_code.status == 310
    assert "1 of 3 jobs failed, the first of atom_3" in exit_code.message
    assert len(made.ctx.responses) == 2


def test_undivided_run_is_one_job(process):
    made, submitted = process({"over": "none"})
    assert not made.is_divided()
    made.run_last()
    assert len(submitted) == 1


@pytest.mark.parametrize(
    ("parallelize", "says"),
    [
        ({"over": "k_points"}, "cannot be parallelised over 'k_points'"),
        ({"over": "atoms", "jobs": 2}, "'jobs' of `parallelize` is not known"),
        ({"over": "q_points", "jobs_per_atom": 0}, "jobs_per_atom is 0"),
        ({"over": "q_points", "jobs_per_atom": 9}, "2×2×2 does not divide into 9 jobs an atom; ask for at most 8"),
    ],
)
def test_bad_division_is_refused_before_submission(process, parallelize, says):
    with pytest.raises(ValueError, match=says):
        process(parallelize)


@pytest.mark.parametrize("count", [0, -1])
def test_no_jobs_at_a_time_are_refused_before_submission(process, count):
    """They would never end."""
    with pytest.raises(ValueError, match=rf"max_concurrent\b.* is {count}; give a "):
        process({"over": "atoms"}, max_concurrent=count)


def test_a_failed_listing_ends_the_work_chain(process):
    made, _ = process({"over": "atoms"})
    awaited = made.run_listing()
    awaited["listing"].set_exit_message("no ground state")
    end(awaited["listing"], exit_status=300)
    perform(made, awaited)
    refused = made.inspect_listing()
    assert refused.status == 300
    assert "no ground state" in refused.message


def test_a_failed_last_run_ends_the_work_chain(process):
    made, _ = process({"over": "none"})
    awaited = made.run_last()
    end(awaited["last"], exit_status=310)
    perform(made, awaited)
    assert made.inspect_last().status == 320


def test_u_and_matrices_of_the_last_run_are_handed_over(process, demo_structure):
    made, _ = process({"over": "none"})
    awaited = made.run_last()
    found = {
        "output_parameters": orm.Dict({"perturbed": [0]}),
        "hubbard": orm.ArrayData(),
        "hubbard_structure": demo_structure.clone(),
    }
    end(awaited["last"], **found)
    perform(made, awaited)
    assert made.inspect_last() is None
    assert {name: made.outputs[name].uuid for name in found} == {name: one.uuid for name, one in found.items()}


@pytest.mark.parametrize("protocol", ["fast", "balanced", "stringent"])
def test_protocols_take_denser_meshes_for_more_accuracy(protocol, demo_structure, aiida_code_installed):
    code = aiida_code_installed(default_calc_job_plugin="redoxmlp.hp", filepath_executable="/bin/true")
    builder = HpWorkChain.get_builder_from_protocol(code, demo_structure, protocol=protocol)
    points = {"fast": 1, "balanced": 4, "stringent": 8}[protocol]
    mesh = builder.hp.hp.qpoints.get_kpoints_mesh()[0]
    assert mesh[0] * mesh[1] * mesh[2] >= points
