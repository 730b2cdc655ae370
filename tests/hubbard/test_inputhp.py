"""The namelist of hp.x: what is written, and what is refused with a sentence."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from aiida_redoxmlp.hubbard.hp_responses import is_whole_response, response_of
from aiida_redoxmlp.hubbard.inputhp import InputHp
from tests.hubbard.test_hp_output import FOLDER


def test_namelist_has_what_was_given_and_the_mesh():
    text = InputHp(conv_thr_chi=1e-6, perturb_only_atom=(2,), alpha_mix={1: 0.1}, skip_type=(3,)).namelist(
        "aiida", "./out/", [2, 2, 1], defaults={"max_seconds": 950.0}
    )
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "&INPUTHP"
    assert lines[-1] == "/"
    assert {
        "prefix = 'aiida'",
        "outdir = './out/'",
        "nq1 = 2",
        "nq3 = 1",
        "conv_thr_chi = 1d-06",
        "perturb_only_atom(2) = .true.",
        "alpha_mix(1) = 0.1",
        "skip_type(3) = .true.",
        "max_seconds = 950",
        "iverbosity = 2",
    } <= set(lines)


def test_keys_that_were_not_given_are_left_to_hp():
    text = InputHp().namelist("aiida", "./out/", [1, 1, 1])
    assert "dist_thr" not in text
    assert "determine_q_mesh_only" not in text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"conv_thr_xi": 1.0}, "Extra inputs"),
        ({"determine_num_pert_only": True, "compute_hp": True}, "exclude each other"),
        ({"perturb_only_atom": (1, 2)}, "hp.x takes one"),
        ({"perturb_only_atom": (0,)}, "count from 1"),
        ({"start_q": 1}, "needs one perturbed atom"),
        ({"sum_pertq": True}, "sum_pertq needs one perturbed atom"),
        ({"compute_hp": True, "perturb_only_atom": (1,)}, "responses of all atoms"),
        ({"sum_pertq": True, "perturb_only_atom": (1,), "start_q": 2}, "remove start_q"),
        ({"perturb_only_atom": (1,), "start_q": 3, "last_q": 2}, "start_q 3 comes after last_q 2"),
        ({"find_atpert": 5}, "less than or equal to 4"),
    ],
)
def test_keys_that_do_not_fit_are_refused(given, says):
    with pytest.raises(ValidationError, match=says):
        InputHp.model_validate(given)


@pytest.mark.parametrize(
    ("name", "holds"), [("nio.chi.pert_1.dat", ("chi", 1, 0)), ("nio.dns.pert_1.q_1.dat", ("dns", 1, 1))]
)
def test_a_response_is_finished_only_when_it_is_whole(name, holds):
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert response_of(name) == holds
    assert is_whole_response(text)
    assert not any(is_whole_response(text[:cut]) for cut in range(0, len(text.rstrip()), 7))


@pytest.mark.parametrize("name", ["aiida.out", "aiida.chi.dat", "aiida.chi.pert_1.q_1.dat", "aiida.dns.pert_1.dat"])
def test_other_files_are_no_responses(name):
    assert response_of(name) is None
