"""What the pw.x base work chain does with calculations that failed."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import ParserFactory
from plumpy import ProcessState

from aiida_redoxmlp.calculations.pw import RedoxPwCalculation
from aiida_redoxmlp.workchains.pw_base import MAX_INTERRUPTIONS, RedoxPwBaseWorkChain

SCF_NOT_CONVERGED = RedoxPwCalculation.exit_codes.ERROR_ELECTRONIC_CONVERGENCE_NOT_REACHED
CUT_OFF = [
    RedoxPwCalculation.exit_codes[f"ERROR_{name}"]
    for name in ("OUTPUT_STDOUT_INCOMPLETE", "OUTPUT_STDOUT_MISSING", "OUTPUT_FILES", "SCHEDULER_NODE_FAILURE")
]
STEPS_USED_UP = RedoxPwCalculation.exit_codes.ERROR_IONIC_CYCLE_EXCEEDED_NSTEP


@pytest.fixture
def process(demo_structure, chemistry, pseudos, aiida_code_installed):
    def instantiate(*, accept_partial_relaxation=False):
        kpoints = orm.KpointsData()
        kpoints.set_kpoints_mesh([1, 1, 1])
        inputs = {
            "kpoints": kpoints,
            "accept_partial_relaxation": orm.Bool(accept_partial_relaxation),
            "pw": {
                "code": aiida_code_installed(
                    default_calc_job_plugin="quantumespresso.pw", filepath_executable="/bin/true"
                ),
                "structure": demo_structure,
                "pseudos": pseudos,
                "redox": orm.Dict(chemistry),
                "parameters": orm.Dict({"CONTROL": {"calculation": "relax"}, "SYSTEM": {}, "ELECTRONS": {}}),
                "metadata": {"options": {"resources": {"num_machines": 1}}},
            },
        }
        made = instantiate_process(get_manager().get_runner(), RedoxPwBaseWorkChain, **inputs)
        made.setup()
        made.validate_kpoints()
        return made

    return instantiate


@pytest.fixture
def failed(make_calculation, demo_structure):
    def make(exit_code):
        node = make_calculation("redoxmlp.pw", {})
        moved = demo_structure.clone()
        moved.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="output_structure")
        moved.store()
        node.set_process_state(ProcessState.FINISHED)
        node.set_exit_status(exit_code.status)
        return node

    return make


def test_chemistry_reaches_the_calculation(process, chemistry):
    assert process().ctx.inputs.redox.get_dict() == chemistry


def test_sloshing_is_met_with_stronger_remedies_until_there_are_none(process, failed):
    chain = process()
    tried = []
    while (report := chain.handle_sloshing(failed(SCF_NOT_CONVERGED))) is not None:
        assert report.do_break
        tried.append(dict(chain.ctx.inputs.parameters["ELECTRONS"]))
    betas = [one["mixing_beta"] for one in tried]
    assert betas == sorted(betas, reverse=True)
    assert tried[-1]["mixing_mode"] == "local-TF"
    assert tried[-1]["electron_maxstep"] > tried[0].get("electron_maxstep", 100)
    assert chain.ctx.inputs.parameters["CONTROL"]["restart_mode"] == "from_scratch"


@pytest.mark.parametrize("accepted", [True, False])
def test_used_up_steps_end_a_relaxation_only_where_that_was_asked_for(process, failed, accepted):
    chain = process(accept_partial_relaxation=accepted)
    report = chain.handle_partial_relaxation(failed(STEPS_USED_UP))
    assert (report is not None) == accepted
    assert bool(chain.ctx.get("is_finished", False)) == accepted


@pytest.mark.parametrize("cut_off", CUT_OFF, ids=lambda code: str(code.status))
def test_a_run_killed_from_outside_goes_on_from_its_last_geometry_but_not_for_ever(process, failed, cut_off):
    chain = process()
    for _ in range(MAX_INTERRUPTIONS):
        killed = failed(cut_off)
        assert chain.handle_interruption(killed).do_break
        assert chain.ctx.inputs.structure.uuid == killed.outputs.output_structure.uuid
        assert chain.ctx.inputs.parameters["CONTROL"]["restart_mode"] == "from_scratch"
    assert chain.handle_interruption(failed(cut_off)) is None


def test_a_run_killed_before_its_first_step_starts_again(process, make_calculation):
    chain = process()
    banner = "     Program PWSCF v.7.2 starts on 21Nov2026 at 10:00:00\n"
    given = chain.inputs.pw
    inputs = {name: given[name] for name in ("structure", "parameters", "redox")}
    inputs["kpoints"] = chain.inputs.kpoints
    killed = make_calculation("redoxmlp.pw", {"aiida.out": banner}, inputs=inputs, output_filename="aiida.out")
    _, parsed = ParserFactory("redoxmlp.pw").parse_from_node(killed, store_provenance=False)
    killed.set_process_state(ProcessState.FINISHED)
    killed.set_exit_status(parsed.exit_status)
    assert chain.handle_interruption(killed).do_break
