"""Every exit code of hp.x from a real or truncated output, and what a finished run gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.plugins import ParserFactory
from ase.io import read

from aiida_redoxmlp.calculations.hp import HpCalculation
from aiida_redoxmlp.calculations.hubbard import interactions_of, with_interactions
from aiida_redoxmlp.hubbard.interactions import Interaction
from aiida_redoxmlp.hubbard.neighbours import IntersiteRule, neighbour_interactions

FOLDER = Path(__file__).parents[1] / "fixtures" / "hp"
EXAMPLES = Path(__file__).parents[2] / "examples" / "structures"


def content(name):
    return (FOLDER / name).read_bytes()


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
    def run(stdout, parameters=None, *, material="nio", files=None, parent=None, **extra):
        mesh = orm.KpointsData()
        mesh.set_kpoints_mesh([1, 1, 1])
        retrieved = {"aiida.out": (FOLDER / stdout).read_bytes()} if stdout else {}
        node = make_calculation(
            "redoxmlp.hp",
            {**retrieved, **(files or {})},
            inputs={
                "parameters": orm.Dict(parameters or {}),
                "qpoints": mesh,
                "parent_scf": parent or orm.RemoteData(computer=aiida_localhost, remote_path="/scratch"),
                **({"hubbard_structure": structures[material].clone()} if material else {}),
            },
        )
        if "exit_status" in extra:
            node.set_exit_status(extra["exit_status"])
        return ParserFactory("redoxmlp.hp").parse_from_node(node, store_provenance=False)

    return run


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


@pytest.mark.parametrize(
    ("scheduler", "code"),
    [(0, "ERROR_STOPPED_EARLY"), (110, "ERROR_OUT_OF_MEMORY"), (120, "ERROR_OUT_OF_TIME")],
)
def test_no_output_at_all(parse, scheduler, code):
    outputs, node = parse(None, exit_status=scheduler)
    assert node.exit_status == HpCalculation.exit_codes[code].status
    assert not outputs


@pytest.mark.parametrize("scheduler", [110, 120])
def test_what_hp_says_of_itself_counts_more_than_what_the_scheduler_says(parse, scheduler):
    _, node = parse("not_converged.out", exit_status=scheduler)
    assert node.exit_status == HpCalculation.exit_codes.ERROR_NOT_CONVERGED.status


def test_a_stopped_run_tells_how_far_it_came(parse):
    content_of = parse("out_of_time.out")[0]["output_parameters"].get_dict()
    (response,) = content_of["responses"]
    assert (response["atom"], response["q_point"], response["converged"]) == (0, 1, False)
    assert response["iterations"] == 3
    assert response["residue"] == pytest.approx(0.0387607437)
    assert content_of["failure"] == "out of time"


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


MESH = content("nio_mesh.out").decode()
LISTING = content("nio_listing.out").decode()


@pytest.mark.parametrize(
    ("text", "parameters", "q_points", "says"),
    [
        (MESH, {"start_q": 2, "last_q": 4}, [1, 3], "of 4 wave vectors it left out [2, 4]"),
        (MESH, {"last_q": 9}, [1, 2, 3], "of 4 wave vectors it left out [4]"),
        (LISTING, {"determine_q_mesh_only": True}, [], "lists no wave vectors"),
        (MESH.replace("which will be perturbed", ""), {}, [], "lists no atom to perturb"),
    ],
)
def test_missing_parts_are_named(parse, text, parameters, q_points, says):
    files = {f"aiida.dns.pert_1.q_{number}.dat": content("nio.dns.pert_1.q_1.dat") for number in q_points}
    _, node = parse(None, {"perturb_only_atom": [1], **parameters}, files={**files, "aiida.out": text})
    assert node.exit_status == HpCalculation.exit_codes.ERROR_NOT_WHAT_WAS_ASKED.status
    assert says in node.exit_message


@pytest.mark.parametrize(
    ("parameters", "q_points"),
    [({"start_q": 2, "last_q": 3}, [2, 3]), ({"start_q": 3}, [3, 4]), ({"last_q": 9}, [1, 2, 3, 4])],
)
def test_a_share_of_the_wave_vectors_is_done_with_the_file_of_each(parse, parameters, q_points):
    files = {f"aiida.dns.pert_1.q_{number}.dat": content("nio.dns.pert_1.q_1.dat") for number in q_points}
    _, node = parse(None, {"perturb_only_atom": [1], **parameters}, files={**files, "aiida.out": MESH})
    assert node.is_finished_ok, node.exit_message


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


@pytest.fixture
def parent_of(make_calculation, structures, aiida_localhost):
    """The remote folder of a pw.x calculation on a structure."""

    def make(structure):
        calculation = make_calculation("redoxmlp.pw", {}, inputs={"structure": structure})
        remote = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch")
        remote.base.links.add_incoming(calculation, link_type=LinkType.CREATE, link_label="remote_folder")
        return remote.store()

    return make


def test_the_structure_is_the_ground_states_where_none_is_given(parse, parent_of, structures):
    files = {"aiida.Hubbard_parameters.dat": content("nio.Hubbard_parameters.dat")}
    outputs, node = parse("nio_whole.out", material=None, parent=parent_of(structures["nio"].clone()), files=files)
    assert node.is_finished_ok, node.exit_message
    assert [one.value for one in interactions_of(outputs["hubbard_structure"])] == [7.272478, 7.272478]


@pytest.mark.parametrize("known", [True, False])
def test_a_ground_state_without_u_has_an_exit_code(parse, parent_of, known):
    plain = orm.StructureData(ase=read(EXAMPLES / "NiO.cif"))
    files = {"aiida.Hubbard_parameters.dat": content("nio.Hubbard_parameters.dat")}
    outputs, node = parse("nio_whole.out", material=None, parent=parent_of(plain) if known else None, files=files)
    assert node.exit_status == HpCalculation.exit_codes.ERROR_PARENT_UNREADABLE.status
    assert "hubbard" not in outputs


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
