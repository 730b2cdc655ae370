"""Every exit code of hp.x from a real or truncated output, and what a finished run gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.plugins import ParserFactory
from ase.io import read

from aiida_redoxmlp.calculations.hp import HpCalculation
from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.neighbours import IntersiteRule, neighbour_interactions

FOLDER = Path(__file__).parents[1] / "fixtures" / "hp"
EXAMPLES = Path(__file__).parents[2] / "examples" / "structures"


@pytest.fixture
def structures(aiida_profile):
    nickel = read(EXAMPLES / "NiO.cif")[[1, 2, 0, 3]]
    cobalt = read(EXAMPLES / "LiCoO2.cif")[[2, 1, 3, 0]]
    pairs = neighbour_interactions(cobalt, [IntersiteRule(between=("Co-3d", "O-2p"), nearest=True)])
    return {
        "nio": with_interactions(
            orm.StructureData(ase=nickel), [Interaction(n, "3d", n, "3d", (0, 0, 0), 5.0) for n in (0, 1)]
        ),
        "licoo2_v": with_interactions(
            orm.StructureData(ase=cobalt), [Interaction(0, "3d", 0, "3d", (0, 0, 0), 5.0), *pairs]
        ),
    }


@pytest.fixture
def parse(make_calculation, structures, aiida_localhost):
    def run(stdout, parameters=None, *, material="nio", files=None, **extra):
        mesh = orm.KpointsData()
        mesh.set_kpoints_mesh([1, 1, 1])
        retrieved = {"aiida.out": (FOLDER / stdout).read_bytes()} if stdout else {}
        node = make_calculation(
            "redoxmlp.hp",
            {**retrieved, **(files or {})},
            inputs={
                "parameters": orm.Dict(parameters or {}),
                "qpoints": mesh,
                "hubbard_structure": structures[material].clone(),
                "parent_scf": orm.RemoteData(computer=aiida_localhost, remote_path="/scratch"),
            },
        )
        if "exit_status" in extra:
            node.set_exit_status(extra["exit_status"])
        return ParserFactory("redoxmlp.hp").parse_from_node(node, store_provenance=False)

    return run


def content(name):
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize(
    ("stdout", "code"),
    [
        ("misspelt_key", "ERROR_INPUT_REFUSED"),
        ("hubbard_atoms_not_first", "ERROR_HUBBARD_ATOMS_NOT_FIRST"),
        ("no_hubbard_card", "ERROR_NO_HUBBARD_ATOM"),
        ("not_a_hubbard_atom", "ERROR_NO_HUBBARD_ATOM"),
        ("no_ground_state", "ERROR_PARENT_UNREADABLE"),
        ("missing_chi", "ERROR_MISSING_RESPONSES"),
        ("missing_dns", "ERROR_MISSING_RESPONSES"),
        ("out_of_time", "ERROR_OUT_OF_TIME"),
        ("not_converged", "ERROR_NOT_CONVERGED"),
    ],
)
def test_failures_have_exit_codes_of_their_own(parse, stdout, code):
    outputs, node = parse(f"{stdout}.out")
    assert node.exit_status == HpCalculation.exit_codes[code].status
    assert outputs["output_parameters"]["reason"] in node.exit_message


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("JOB DONE", "", "ERROR_STOPPED_EARLY"),
        ("-0.133575", "NaN", "ERROR_NOT_A_NUMBER"),
        ("chi:   2   0.0", "chi:   2   9999.0", "ERROR_DIVERGED"),
        ("JOB DONE", "JOB DONE\n Error in routine cdiaghg (1):\n S is not positive definite\n", "ERROR_ENGINE"),
        ("JOB DONE", "Cannot allocate memory", "ERROR_OUT_OF_MEMORY"),
    ],
)
def test_failures_of_a_changed_real_output(parse, old, new, code):
    text = content("nio_whole.out").decode()
    changed = text.replace(old, new)
    assert changed != text
    _, node = parse(None, files={"aiida.out": changed})
    assert node.exit_status == HpCalculation.exit_codes[code].status, node.exit_message


def test_lack_of_memory_is_read_from_the_standard_error(parse):
    _, node = parse("out_of_memory.out", files={"aiida.err": content("out_of_memory.err")})
    assert node.exit_status == HpCalculation.exit_codes.ERROR_OUT_OF_MEMORY.status


@pytest.mark.parametrize(("scheduler", "code"), [(110, "ERROR_OUT_OF_MEMORY"), (120, "ERROR_OUT_OF_TIME")])
def test_the_scheduler_says_why_a_cut_run_was_stopped(parse, scheduler, code):
    text = content("nio_whole.out").decode()
    _, node = parse(None, files={"aiida.out": text[: len(text) // 2]}, exit_status=scheduler)
    assert node.exit_status == HpCalculation.exit_codes[code].status


def test_no_output_at_all(parse):
    _, node = parse(None)
    assert node.exit_status == HpCalculation.exit_codes.ERROR_STOPPED_EARLY.status


@pytest.mark.parametrize(
    ("stdout", "parameters", "says"),
    [
        ("q_point_beyond_the_mesh", {"perturb_only_atom": [1], "start_q": 5, "last_q": 6}, "of 4 wave vectors"),
        ("atom_beyond_the_cell", {"perturb_only_atom": [7]}, "atom 7 was to be perturbed"),
        ("nio_whole", {"perturb_only_atom": [1]}, "no response of atom 1"),
        ("nio_whole", {}, "wrote no parameters"),
    ],
)
def test_hp_passing_over_what_was_asked_is_noticed(parse, stdout, parameters, says):
    _, node = parse(f"{stdout}.out", parameters)
    assert node.exit_status == HpCalculation.exit_codes.ERROR_NOT_WHAT_WAS_ASKED.status
    assert says in node.exit_message


def test_lists_of_atoms_and_wave_vectors(parse):
    outputs, node = parse("nio_listing.out", {"determine_num_pert_only": True})
    assert node.is_finished_ok
    assert outputs["output_parameters"]["perturbed"] == [0]
    outputs, node = parse("nio_mesh.out", {"determine_q_mesh_only": True, "perturb_only_atom": [1]})
    assert node.is_finished_ok
    assert outputs["output_parameters"]["n_q_points"] == {"0": 4}


def test_finished_part_needs_its_response_file(parse):
    files = {"aiida.chi.pert_1.dat": content("nio.chi.pert_1.dat")}
    outputs, node = parse("nio_whole.out", {"perturb_only_atom": [1]}, files=files)
    assert node.is_finished_ok
    assert "hubbard" not in outputs


def test_u_of_both_nickel_atoms_goes_into_the_structure(parse, structures):
    files = {"aiida.Hubbard_parameters.dat": content("nio.Hubbard_parameters.dat")}
    outputs, node = parse("nio_whole.out", files=files)
    assert node.is_finished_ok
    found = interactions_of(outputs["hubbard_structure"])
    assert [one.value for one in found] == [7.272478, 7.272478]
    assert [site.kind_name for site in outputs["hubbard_structure"].sites] == [
        site.kind_name for site in structures["nio"].sites
    ]
    arrays = outputs["hubbard"]
    difference = np.linalg.inv(arrays.get_array("chi0")) - np.linalg.inv(arrays.get_array("chi"))
    np.testing.assert_allclose(arrays.get_array("hubbard"), difference, atol=1e-3)
    assert arrays.get_array("spins").tolist() == [1, -1]


def test_v_of_exactly_the_pairs_that_have_one(parse, structures):
    files = {"aiida.Hubbard_parameters.dat": content("licoo2_v.Hubbard_parameters.dat")}
    outputs, node = parse("licoo2_v.out", material="licoo2_v", files=files)
    assert node.is_finished_ok
    asked, found = interactions_of(structures["licoo2_v"]), interactions_of(outputs["hubbard_structure"])
    assert [(one.site, one.neighbour, one.translation) for one in found] == [
        (one.site, one.neighbour, one.translation) for one in asked
    ]
    assert [one.value for one in found[1:]] == [0.4587] * 6
    assert outputs["hubbard"].get_array("pairs").shape == (63, 2)


def test_pair_that_hp_does_not_list_has_an_exit_code(parse):
    files = {"aiida.Hubbard_parameters.dat": content("nio.Hubbard_parameters.dat")}
    _, node = parse("nio_whole.out", material="licoo2_v", files=files)
    assert node.exit_status == HpCalculation.exit_codes.ERROR_PAIR_MISSING.status


def test_parameters_that_contradict_themselves_are_not_believed(parse):
    text = content("nio.Hubbard_parameters.dat").decode().replace("7.272478", "6.272478")
    _, node = parse("nio_whole.out", files={"aiida.Hubbard_parameters.dat": text})
    assert node.exit_status == HpCalculation.exit_codes.ERROR_OUTPUT_INVALID.status
