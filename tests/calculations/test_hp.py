"""What hp.x gets, and what is refused before anything is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory

from aiida_redoxmlp.calculations.hubbard import order_for_hp, with_interactions
from aiida_redoxmlp.hubbard.interactions import Interaction

FOLDER = Path(__file__).parents[1] / "fixtures" / "hp"


@pytest.fixture
def inputs(licoo2, aiida_localhost, aiida_code_installed):
    qpoints = orm.KpointsData()
    qpoints.set_kpoints_mesh([2, 2, 2])
    return {
        "code": aiida_code_installed(default_calc_job_plugin="redoxmlp.hp", filepath_executable="/bin/true"),
        "parameters": orm.Dict({"conv_thr_chi": 1e-6}),
        "qpoints": qpoints,
        "parent_scf": orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/scf").store(),
        "hubbard_structure": order_for_hp(licoo2)["structure"],
        "metadata": {"options": {"max_wallclock_seconds": 1000}},
    }


def prepare(inputs):
    with SandboxFolder() as folder:
        process = instantiate_process(get_manager().get_runner(), CalculationFactory("redoxmlp.hp"), **inputs)
        info = process.prepare_for_submission(folder)
        with folder.open("aiida.in") as handle:
            return info, handle.read()


def test_the_ground_state_is_linked_and_hp_stops_before_the_walltime(inputs):
    info, text = prepare(inputs)
    computer = inputs["parent_scf"].computer.uuid
    assert info.remote_symlink_list == [(computer, "/scratch/scf/out/aiida.save", "out/aiida.save")]
    assert not info.get("remote_copy_list")
    assert "max_seconds = 950" in text
    assert "nq1 = 2" in text
    assert list(info.codes_info[0].cmdline_params) == ["-in", "aiida.in"]


def test_everything_a_restart_needs_is_retrieved(inputs):
    info, _ = prepare(inputs)
    assert info.retrieve_list == [
        "aiida.out",
        "aiida.err",
        "aiida.Hubbard_parameters.dat",
        ("out/HP/aiida.chi.pert_*.dat", ".", 0),
        ("out/HP/aiida.dns.pert_*.dat", ".", 0),
    ]


def test_a_time_of_the_users_own_is_kept(inputs):
    inputs["parameters"] = orm.Dict({"max_seconds": 60.0})
    assert "max_seconds = 60" in prepare(inputs)[1]


def test_without_a_walltime_there_is_no_time_limit(inputs):
    del inputs["metadata"]
    assert "max_seconds" not in prepare(inputs)[1]


def test_finished_responses_are_brought_in_and_cut_ones_are_not(inputs):
    folder = orm.FolderData()
    whole = (FOLDER / "nio.dns.pert_1.q_1.dat").read_bytes()
    folder.base.repository.put_object_from_bytes(whole, "aiida.dns.pert_1.q_1.dat")
    folder.base.repository.put_object_from_bytes(whole[:-100], "aiida.dns.pert_1.q_2.dat")
    folder.base.repository.put_object_from_bytes(b"", "aiida.out")
    inputs["responses"] = {"part_0": folder.store()}
    info, _ = prepare(inputs)
    assert info.local_copy_list == [(folder.uuid, "aiida.dns.pert_1.q_1.dat", "out/HP/aiida.dns.pert_1.q_1.dat")]


def test_command_line_options_come_first(inputs):
    inputs["settings"] = orm.Dict({"cmdline": ["-nk", "4"]})
    info, _ = prepare(inputs)
    assert list(info.codes_info[0].cmdline_params) == ["-nk", "4", "-in", "aiida.in"]


def changed(inputs, **changes):
    return {**inputs, **changes}


def test_bad_input_is_refused_with_a_sentence(inputs, licoo2, aiida_computer_local, aiida_profile):
    mesh = orm.KpointsData()
    mesh.set_kpoints_mesh([2, 2, 2], offset=[0.5, 0.5, 0.5])
    points = orm.KpointsData()
    points.set_kpoints([[0.0, 0.0, 0.0]])
    coarse = orm.KpointsData()
    coarse.set_kpoints_mesh([1, 1, 1])
    far = with_interactions(inputs["hubbard_structure"], [Interaction(0, "3d", 1, "2p", (2, 0, 0), 0.5)])
    elsewhere = aiida_computer_local(label="elsewhere")
    for case, says in (
        (changed(inputs, parameters=orm.Dict({"niter": 3})), "'niter' is not known"),
        (changed(inputs, parameters=orm.Dict({"start_q": 1})), "start_q needs one perturbed atom"),
        (changed(inputs, qpoints=mesh), "shifted"),
        (changed(inputs, qpoints=points), "give a mesh"),
        (changed(inputs, hubbard_structure=with_interactions(licoo2, [])), "has no Hubbard manifold"),
        (changed(inputs, hubbard_structure=licoo2), "before all others"),
        (changed(inputs, hubbard_structure=far), r"3×3×3 supercell"),
        (changed(inputs, qpoints=coarse), "1×1×1 is a supercell in which 3 pairs"),
        (
            changed(inputs, parent_scf=orm.RemoteData(computer=elsewhere, remote_path="/scratch").store()),
            "on elsewhere and hp.x on localhost",
        ),
    ):
        with pytest.raises(ValueError, match=says):
            prepare(case)
