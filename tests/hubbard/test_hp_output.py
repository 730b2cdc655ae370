"""Why hp.x stopped and how far it came, from real outputs, whole, cut and garbled."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_redoxmlp.hubbard.hp_output import read_hp_output
from aiida_redoxmlp.hubbard.results import HpFailure

FOLDER = Path(__file__).parents[1] / "fixtures" / "hp"
WHOLE = (FOLDER / "nio_whole.out").read_text(encoding="utf-8")


@pytest.fixture
def read_text(tmp_path):
    def read(text, errors=""):
        path = tmp_path / "aiida.out"
        path.write_text(text, encoding="utf-8")
        return read_hp_output(path, errors)

    return read


@pytest.mark.parametrize(
    ("name", "failure", "says"),
    [
        ("out_of_time", HpFailure.OUT_OF_TIME, "Maximum CPU time exceeded"),
        ("not_converged", HpFailure.NOT_CONVERGED, "after 2 iterations"),
        ("missing_chi", HpFailure.MISSING_RESPONSES, "aiida.chi.pert_1.dat does not exist"),
        ("missing_dns", HpFailure.MISSING_RESPONSES, "aiida.dns.pert_1.q_1.dat does not exist"),
        ("misspelt_key", HpFailure.INPUT_REFUSED, "reading inputhp namelist"),
        ("hubbard_atoms_not_first", HpFailure.HUBBARD_ATOMS_NOT_FIRST, "must be listed first"),
        ("not_a_hubbard_atom", HpFailure.NO_HUBBARD_ATOM, "non-Hubbard atom"),
        ("no_hubbard_card", HpFailure.NO_HUBBARD_ATOM, "HUBBARD card"),
        ("no_ground_state", HpFailure.PARENT_UNREADABLE, "fatal error reading xml file"),
    ],
)
def test_every_failure_is_told_from_what_hp_prints(name, failure, says):
    output = read_hp_output(FOLDER / f"{name}.out")
    assert output.failure is failure
    assert says in output.reason


def test_lack_of_memory_shows_in_the_standard_error():
    errors = (FOLDER / "out_of_memory.err").read_text(encoding="utf-8")
    output = read_hp_output(FOLDER / "out_of_memory.out", errors)
    assert output.failure is HpFailure.OUT_OF_MEMORY
    assert "memory" in output.reason.lower()


def test_an_error_of_an_unknown_routine_is_an_engine_error(read_text):
    text = (FOLDER / "missing_chi.out").read_text(encoding="utf-8").replace("hp_read_chi", "cdiaghg")
    assert read_text(text).failure is HpFailure.ENGINE_ERROR


@pytest.mark.parametrize("garbage", ["NaN", "**********", "Infinity"])
def test_a_response_that_is_no_number_is_a_failure_although_the_job_is_done(read_text, garbage):
    assert "JOB DONE" in WHOLE
    output = read_text(WHOLE.replace("-0.0659982115", garbage))
    assert output.failure is HpFailure.NOT_A_NUMBER
    assert garbage in output.reason


def test_a_response_that_runs_away_is_a_failure(read_text):
    output = read_text(WHOLE.replace("-0.0659982115", "-6599.82017"))
    assert output.failure is HpFailure.DIVERGED
    assert "atom 1" in output.reason


def test_whole_run_says_what_was_perturbed_and_how_far_it_came():
    output = read_hp_output(FOLDER / "nio_whole.out")
    assert output.failure is None
    assert output.version == "7.2"
    assert output.perturbed == (0,)  # hp.x finds the two Ni of antiferromagnetic NiO equivalent
    assert output.n_q_points == {0: 1}
    (response,) = output.responses
    assert response.converged
    assert response.iterations == 13
    assert response.residue == pytest.approx(9.878e-7)
    assert output.wall_time == pytest.approx(38.81)


def test_two_perturbed_atoms_with_four_wave_vectors_each():
    output = read_hp_output(FOLDER / "licoo2_v.out")
    assert output.perturbed == (0, 1)
    assert output.n_q_points == {0: 4, 1: 4}
    assert [(one.atom, one.q_point) for one in output.responses] == [(a, q) for a in (0, 1) for q in (1, 2, 3, 4)]
    assert all(one.converged for one in output.responses)
    assert output.wall_time == pytest.approx(145.47)


def test_stopped_response_is_not_converged():
    (response,) = read_hp_output(FOLDER / "out_of_time.out").responses
    assert not response.converged
    assert response.iterations == 3


def test_run_that_only_lists_has_no_responses():
    assert read_hp_output(FOLDER / "nio_listing.out").perturbed == (0,)
    assert read_hp_output(FOLDER / "nio_listing.out").responses == ()
    assert read_hp_output(FOLDER / "nio_mesh.out").n_q_points == {0: 4}


def test_windows_line_ends_change_nothing(read_text):
    assert read_text(WHOLE.replace("\n", "\r\n")) == read_text(WHOLE)


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_a_cut_output_is_never_a_finished_one(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "aiida.out"
    path.write_text(WHOLE[:cut], encoding="utf-8")
    output = read_hp_output(path)
    if "JOB DONE" not in WHOLE[:cut]:
        assert output.failure is not None
    assert all(0 <= one.atom < 4 for one in output.responses)


@given(
    where=st.integers(0, len(WHOLE)),
    garbage=st.sampled_from(["****", "NaN", "\r\n", "1d+400"]) | st.text(max_size=30) | st.just("\x00\ud7ff"),
)
def test_no_garbage_makes_the_reader_raise(tmp_path_factory, where, garbage):
    path = tmp_path_factory.mktemp("garbled") / "aiida.out"
    path.write_bytes((WHOLE[:where] + garbage + WHOLE[where + len(garbage) :]).encode("utf-8", "replace"))
    output = read_hp_output(path)
    assert output.failure is None or output.reason
