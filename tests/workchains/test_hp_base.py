"""What is left of hp.x after it was stopped, and what is tried when it does not converge."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from plumpy import ProcessState

from aiida_redoxmlp.calculations.hp import HpCalculation
from aiida_redoxmlp.workchains.hp_base import HpBaseWorkChain

FOLDER = Path(__file__).parents[1] / "fixtures" / "hp"
CHI = (FOLDER / "nio.chi.pert_1.dat").read_bytes()
DNS = (FOLDER / "nio.dns.pert_1.q_1.dat").read_bytes()


@pytest.fixture
def process(aiida_localhost, aiida_code_installed, demo_structure):
    def instantiate(parameters, responses=None):
        mesh = orm.KpointsData()
        mesh.set_kpoints_mesh([2, 2, 2])
        inputs = {
            "hp": {
                "code": aiida_code_installed(default_calc_job_plugin="redoxmlp.hp", filepath_executable="/bin/true"),
                "parameters": orm.Dict(parameters),
                "qpoints": mesh,
                "parent_scf": orm.RemoteData(computer=aiida_localhost, remote_path="/scratch").store(),
                "hubbard_structure": demo_structure,
                **({"responses": responses} if responses else {}),
            }
        }
        made = instantiate_process(get_manager().get_runner(), HpBaseWorkChain, **inputs)
        made.setup()
        return made

    return instantiate


@pytest.fixture
def ended(make_calculation):
    def make(files, exit_code=None, perturbed=(0, 1), n_q_points=None):
        node = make_calculation("redoxmlp.hp", files)
        content = {"perturbed": list(perturbed), "n_q_points": n_q_points or {}, "responses": []}
        parameters = orm.Dict(content)
        parameters.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="output_parameters")
        parameters.store()
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(exit_code.status if exit_code else 0)
        node.set_exit_message(exit_code.message if exit_code else "")
        return node

    return make


STOPPED = HpCalculation.exit_codes.ERROR_STOPPED_EARLY
OUT_OF_TIME = HpCalculation.exit_codes.ERROR_OUT_OF_TIME


def dns(atom, *q_points):
    return {f"aiida.dns.pert_{atom}.q_{q}.dat": DNS for q in q_points}


def run_parts(process, ended):
    """The parameters of all runs from the present one on, when every part goes well."""
    runs = [process.ctx.inputs.parameters.get_dict()]
    while process.handle_part(ended({})) is not None:
        runs.append(process.ctx.inputs.parameters.get_dict())
    return runs


def test_whole_run_goes_on_atom_by_atom_where_it_stopped(process, ended):
    made = process({"conv_thr_chi": 1e-6})
    report = made.handle_stop(ended({"aiida.chi.pert_1.dat": CHI, **dns(1, 1, 2, 3), **dns(2, 1, 2)}, OUT_OF_TIME))
    assert report.do_break
    assert report.exit_code.status == 0
    assert run_parts(made, ended) == [
        {"conv_thr_chi": 1e-6, "perturb_only_atom": [2], "start_q": 3},
        {"conv_thr_chi": 1e-6, "perturb_only_atom": [2], "sum_pertq": True},
        {"conv_thr_chi": 1e-6, "compute_hp": True},
    ]
    assert list(made.ctx.inputs.responses) == ["part_0"]


def test_share_of_wave_vectors_goes_on_without_a_sum(process, ended):
    made = process({"perturb_only_atom": [2], "start_q": 3, "last_q": 6})
    made.handle_stop(ended(dns(2, 3, 4), STOPPED, perturbed=[1]))
    assert run_parts(made, ended) == [{"perturb_only_atom": [2], "start_q": 5, "last_q": 6}]


def test_atom_that_had_not_begun_is_run_whole(process, ended):
    made = process({})
    made.handle_stop(ended({"aiida.chi.pert_1.dat": CHI}, STOPPED))
    assert run_parts(made, ended) == [{"perturb_only_atom": [2]}, {"compute_hp": True}]


def test_cut_response_is_computed_again(process, ended):
    made = process({"perturb_only_atom": [1]})
    made.handle_stop(ended({**dns(1, 1), "aiida.dns.pert_1.q_2.dat": DNS[:-50]}, STOPPED, perturbed=[0]))
    assert run_parts(made, ended)[0]["start_q"] == 2


def test_a_second_stop_goes_on_from_both_parts(process, ended):
    made = process({"perturb_only_atom": [1]})
    made.handle_stop(ended(dns(1, 1), OUT_OF_TIME, perturbed=[0]))
    made.handle_stop(ended(dns(1, 2), OUT_OF_TIME, perturbed=[0]))
    assert made.ctx.inputs.parameters["start_q"] == 3
    assert len(made.ctx.inputs.responses) == 2


@pytest.mark.parametrize("asked", [{}, {"perturb_only_atom": [1]}])
def test_finished_wave_vectors_without_a_sum_are_only_summed(process, ended, asked):
    """hp.x passes over a wave vector beyond the mesh, which the parser then takes for a failure."""
    made = process(asked)
    made.handle_stop(ended(dns(1, 1, 2, 3, 4), STOPPED, perturbed=[0], n_q_points={"0": 4}))
    joined = [] if asked else [{"compute_hp": True}]
    assert run_parts(made, ended) == [{"perturb_only_atom": [1], "sum_pertq": True}, *joined]


def test_the_number_of_wave_vectors_is_remembered_from_the_run_that_told_it(process, ended):
    made = process({"perturb_only_atom": [1]})
    made.handle_stop(ended(dns(1, 1, 2, 3), OUT_OF_TIME, perturbed=[0], n_q_points={"0": 4}))
    made.handle_stop(ended(dns(1, 4), STOPPED, perturbed=[0]))
    assert run_parts(made, ended) == [{"perturb_only_atom": [1], "sum_pertq": True}]


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        ({"perturb_only_atom": [1], "start_q": 1, "last_q": 2}, dns(1, 1, 2)),
        ({"perturb_only_atom": [1], "start_q": 3, "last_q": 9}, dns(1, 3, 4)),
        ({"perturb_only_atom": [1], "start_q": 4}, dns(1, 4)),
        ({"perturb_only_atom": [1]}, {"aiida.chi.pert_1.dat": CHI, **dns(1, 1, 2, 3, 4)}),
    ],
)
def test_a_part_that_was_stopped_after_its_last_response_repeats_none(process, ended, asked, files):
    """A listing of seconds hands the finished responses on."""
    made = process(asked)
    made.handle_stop(ended(files, STOPPED, perturbed=[0], n_q_points={"0": 4}))
    assert run_parts(made, ended) == [{"perturb_only_atom": [1], "determine_q_mesh_only": True}]
    assert list(made.ctx.inputs.responses) == ["part_0"]


def test_a_share_beyond_the_mesh_does_not_count_as_finished(process, ended):
    asked = {"perturb_only_atom": [1], "start_q": 5, "last_q": 6}
    made = process(asked)
    made.handle_stop(ended({}, STOPPED, perturbed=[0], n_q_points={"0": 4}))
    assert run_parts(made, ended) == [asked]


def test_responses_of_earlier_runs_are_not_computed_again(process, ended):
    given = ended({"aiida.chi.pert_1.dat": CHI, **dns(2, 1)}, STOPPED).outputs.retrieved
    made = process({}, responses={"earlier": given})
    made.handle_stop(ended(dns(2, 2), STOPPED))
    assert run_parts(made, ended)[0] == {"perturb_only_atom": [2], "start_q": 3}
    assert set(made.ctx.inputs.responses) == {"earlier", "part_1"}


def test_a_run_that_was_stopped_before_it_listed_its_atoms_is_repeated_as_it_was(process, ended):
    made = process({"conv_thr_chi": 1e-6})
    made.handle_stop(ended({}, STOPPED, perturbed=[]))
    assert run_parts(made, ended) == [{"conv_thr_chi": 1e-6}]


@pytest.mark.parametrize(
    "asked",
    [{"determine_num_pert_only": True}, {"perturb_only_atom": [1], "sum_pertq": True}, {"compute_hp": True}],
)
def test_a_run_of_seconds_is_repeated_as_it_was(process, ended, asked):
    made = process(asked)
    made.handle_stop(ended({}, STOPPED))
    assert run_parts(made, ended) == [asked]


def test_no_progress_twice_asks_for_more_time(process, ended):
    made = process({"perturb_only_atom": [1]})
    assert made.handle_stop(ended({}, OUT_OF_TIME)).exit_code.status == 0
    refused = made.handle_stop(ended({}, OUT_OF_TIME)).exit_code
    assert refused == HpBaseWorkChain.exit_codes.ERROR_NO_PROGRESS
    assert "longer wall time" in refused.message


def test_responses_that_do_not_settle_are_mixed_less_and_then_given_up(process, ended):
    made = process({"perturb_only_atom": [1]})
    failed = HpCalculation.exit_codes.ERROR_NOT_CONVERGED
    mixing = []
    for _ in range(2):
        assert made.handle_mixing(ended(dns(1, 1), failed, perturbed=[0])).exit_code.status == 0
        mixing.append(next(iter(made.ctx.inputs.parameters["alpha_mix"].values())))
        assert made.ctx.inputs.parameters["start_q"] == 2
    assert mixing[1] < mixing[0] < 0.3
    assert made.handle_mixing(ended({}, failed)).exit_code.status == 300


def test_later_parts_keep_the_mixing_that_was_found_to_work(process, ended):
    made = process({})
    failed = HpCalculation.exit_codes.ERROR_DIVERGED
    made.handle_mixing(ended({"aiida.chi.pert_1.dat": CHI, **dns(2, 1)}, failed))
    runs = run_parts(made, ended)
    assert [one.get("start_q") for one in runs] == [2, None, None]
    assert all(list(one["alpha_mix"].values()) == [0.1] for one in runs)


def test_what_would_fail_again_is_not_repeated(process, ended):
    made = process({})
    report = made.handle_fatal(ended({}, HpCalculation.exit_codes.ERROR_HUBBARD_ATOMS_NOT_FIRST))
    assert report.exit_code.status == 300
    assert made.handle_fatal(ended({}, OUT_OF_TIME)) is None
    assert made.handle_fatal(ended({})) is None


def test_parts_that_go_well_are_no_restarts(process, ended):
    made = process({})
    made.ctx.iteration = made.inputs.max_iterations.value
    assert not made.should_run_process()
    made.ctx.left = [{"compute_hp": True}]
    made.handle_part(ended({}))
    assert made.should_run_process()
