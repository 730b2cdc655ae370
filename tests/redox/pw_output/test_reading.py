from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.redox.pw_output import read_pw_output

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pw"
RUNS = sorted(path.parent.name for path in FIXTURES.glob("*/pw.out"))
KBAR = 6.241509074e-4  # eV/Å³
SMALL_RUNS = ["mno_md_6.7", "mno_relax_7.2", "mno_vc_relax_7.2", "mno_relax_afm_6.7", "mno_hubbard_v_6.7"]


def _text(run: str) -> str:
    return (FIXTURES / run / "pw.out").read_text()


def _read(run: str):
    return read_pw_output(FIXTURES / run / "pw.out")


def _read_text(text: str):
    return read_pw_output(io.StringIO(text))


def _same(one, other) -> bool:
    arrays = [(getattr(one, name), getattr(other, name)) for name in ("positions", "cell", "forces", "stress")]
    arrays += [(a.eigenvalues, b.eigenvalues) for a, b in zip(one.occupations, other.occupations, strict=True)]
    names = ("index", "energy", "temperature", "scf_converged", "scf_iterations", "symbols")
    return all(getattr(one, name) == getattr(other, name) for name in names) and all(
        (a is None and b is None) or np.array_equal(a, b) for a, b in arrays
    )


def _replace_nth(text: str, old: str, new: str, n: int) -> str:
    """Replace the ``n``-th occurrence, from 0; negative from the end."""
    parts = text.split(old)
    cut = n % (len(parts) - 1) + 1
    return old.join(parts[:cut]) + new + old.join(parts[cut:])


@pytest.mark.parametrize("run", RUNS)
def test_finished_runs_are_complete_and_physical(run):
    output = _read(run)
    assert output.complete
    assert output.warnings == ()
    assert [step.index for step in output.steps] == list(range(len(output.steps)))
    assert output.steps
    for step in output.steps:
        assert step.occupations
        for site in step.occupations:
            assert np.all(np.diff(site.eigenvalues, axis=1) >= 0)
            assert -0.05 < site.eigenvalues.min() <= site.eigenvalues.max() < 1.05
        if step.forces is not None:
            np.testing.assert_allclose(step.forces.sum(axis=0), 0, atol=2e-3)


def test_versions_are_read():
    assert _read("scf_afm").version == "7.2"
    assert _read("mno_md_6.7").version == "6.7MaX"


def test_dynamics_has_one_step_an_energy_and_the_block_before_it():
    output = _read("md")
    assert len(output.steps) == 8
    fifth = [round(float(step.occupations[1].eigenvalues[1, 0]), 2) for step in output.steps]
    assert fifth == [0.55, 0.56, 0.61, 0.67, 0.74, 0.81, 0.92, 0.98]
    assert [step.scf_iterations for step in output.steps] == [14, 6, 9, 11, 11, 12, 13, 13]


def test_energies_forces_and_positions_are_in_ev_and_angstrom():
    step = _read("scf_fm").steps[0]
    assert step.energy == pytest.approx(-399.00399269 * 13.605693123, abs=1e-6)
    assert step.forces[12] == pytest.approx(np.array([0.00038675, -0.025486, -0.01175565]) * 25.7110432, rel=1e-6)
    np.testing.assert_allclose(step.positions[0], [0.01624345, -0.00611756, -0.00528172], atol=1e-6)
    np.testing.assert_allclose(step.cell[0], [2.825, -4.175, 0], atol=1e-5)


def test_positions_of_a_step_are_those_printed_after_the_step_before():
    steps = _read("md").steps
    np.testing.assert_allclose(steps[2].positions[0], [0.0030340676, 0.0325441299, -0.0041792842], atol=1e-12)
    assert len({step.positions[0, 0] for step in steps}) == 8


def test_dynamics_conserves_energy_with_each_steps_own_temperature():
    steps = _read("md").steps
    kinetic = np.array([step.temperature for step in steps]) * 1.5 * (13 - 1) * 8.617333e-5
    total = kinetic + np.array([step.energy for step in steps])
    assert np.ptp(total) < 0.05 * np.ptp([step.energy for step in steps])


def test_kinds_are_sites_and_symbols_are_elements():
    step = _read("scf_afm").steps[0]
    assert step.symbols == ("Mn", "Mn", "P", "O", "O", "O", "O", "P", "O", "O", "O", "O", "Li")
    assert [site.kind for site in step.occupations] == ["Mn1", "Mn2"]
    assert [site.site for site in step.occupations] == [0, 1]


@pytest.mark.parametrize(
    ("run", "unit"),
    [
        ("mno_relax_alat_7.2", "alat"),
        ("mno_md_6.7", "bohr"),
        ("mno_vc_relax_7.2", "angstrom"),
        ("mno_relax_7.2", "crystal"),
    ],
)
def test_ions_move_little_in_the_first_step_whatever_the_unit(run, unit):
    assert f"ATOMIC_POSITIONS ({unit}" in _text(run)
    first, second = _read(run).steps[:2]
    fractional = [step.positions @ np.linalg.inv(step.cell) for step in (first, second)]
    moved = np.abs(fractional[1] - fractional[0]).max()
    assert 0 < moved < 0.02


def test_a_changing_cell_belongs_to_the_step_after_it():
    first, second = _read("mno_vc_relax_7.2").steps
    assert np.linalg.det(first.cell) == pytest.approx(147.6677 * 0.529177210903**3, rel=1e-5)
    assert abs(np.linalg.det(second.cell)) < 0.8 * np.linalg.det(first.cell)


def test_the_final_scf_cycle_of_a_variable_cell_run_is_a_step():
    steps = _read("mno_vc_relax_final_scf_7.2").steps
    assert [step.scf_iterations for step in steps] == [7, 8]
    np.testing.assert_allclose(steps[0].positions, steps[1].positions, atol=1e-5)


def test_stress_is_negative_pressure_as_in_ase():
    step = _read("mno_unpolarised_7.2").steps[0]
    assert np.trace(step.stress) / 3 == pytest.approx(3079.21 * KBAR, rel=1e-3)
    np.testing.assert_array_equal(step.stress, step.stress.T)
    assert _read("scf_afm").steps[0].stress is None


def test_one_spin_channel_stands_for_both():
    site = _read("mno_unpolarised_7.2").steps[0].occupations[0]
    np.testing.assert_array_equal(site.eigenvalues[0], site.eigenvalues[1])
    assert site.moment == 0


@pytest.mark.parametrize("pair", ["mno_hubbard_v", "mno_hubbard_v_unpolarised"])
def test_intersite_runs_list_oxygen_as_well(pair):
    sites = _read(f"{pair}_6.7").steps[0].occupations
    assert [(site.kind, site.orbital_l) for site in sites] == [("Mn1", 2), ("O", 1)]


def test_both_versions_read_the_same_physics():
    new, old = (_read(f"mno_hubbard_v_{version}").steps[0] for version in ("7.2", "6.7"))
    assert new.energy == pytest.approx(old.energy, abs=1e-3)
    for one, other in zip(new.occupations, old.occupations, strict=True):
        np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, atol=2e-3)


def test_occupation_matrices_have_the_printed_eigenvalues():
    for site in _read("scf_afm").steps[0].occupations:
        np.testing.assert_allclose(np.linalg.eigvalsh(site.matrices), site.eigenvalues, atol=3e-3)


def test_an_scf_cycle_that_gave_up_is_returned_unconverged_without_forces():
    (step,) = _read("mno_relax_stopped_7.2").steps
    assert not step.scf_converged
    assert step.forces is None
    assert step.scf_iterations == 3


def test_running_out_of_iterations_is_not_convergence_whatever_pw_says():
    assert "convergence has been achieved in   3 iterations" in _text("mno_md_few_iterations_7.2")
    assert [step.scf_converged for step in _read("mno_md_few_iterations_7.2").steps] == [False, False]
    assert all(step.scf_converged for step in _read("md").steps)


def test_windows_line_ends_and_gzip_do_not_matter(tmp_path):
    text, expected = _text("mno_relax_7.2"), _read("mno_relax_7.2").steps
    windows, zipped = tmp_path / "windows.out", tmp_path / "pw.out.gz"
    windows.write_bytes(text.replace("\n", "\r\n").encode())
    zipped.write_bytes(gzip.compress(text.encode()))
    for source in (windows, zipped, io.StringIO(text.replace("\n", "\r\n"))):
        assert all(_same(*pair) for pair in zip(read_pw_output(source).steps, expected, strict=True))


def test_a_gzip_file_that_is_cut_gives_what_can_be_unpacked(tmp_path):
    cut = tmp_path / "pw.out.gz"
    data = gzip.compress(_text("md").encode())
    cut.write_bytes(data[: len(data) // 2])
    output = read_pw_output(cut)
    assert 0 < len(output.steps) < 8
    assert not output.complete


@pytest.mark.parametrize("text", ["", "hello\nworld\n", "\x00\xff\n", (FIXTURES / "hp" / "hp.out").read_text()])
def test_text_of_another_program_is_refused(text):
    with pytest.raises(OutputFormatError, match=r"not an output of pw\.x"):
        _read_text(text)


def test_a_path_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(OutputFormatError, match="cannot be read"):
        read_pw_output(tmp_path / "nowhere.out")


@given(st.sampled_from(SMALL_RUNS), st.floats(0.02, 0.999))
@settings(max_examples=60, deadline=None)
def test_a_file_cut_anywhere_gives_its_whole_steps(run, fraction):
    text, whole = _text(run), _read(run).steps
    cut = text[: int(fraction * len(text))]
    output = _read_text(cut)
    assert all(_same(*pair) for pair in zip(output.steps, whole[: len(output.steps)], strict=True))
    forces = cut.count("Total force =")
    assert forces - 1 <= len(output.steps) <= forces
    assert output.complete == ("JOB DONE.\n" in cut)
    assert output.complete or output.warnings[-1].startswith("The output is cut off")


def test_a_step_that_is_cut_is_named():
    text = _text("md")
    output = _read_text(text[: text.index("Entering Dynamics:    iteration =     3")])
    assert len(output.steps) == 2
    assert output.warnings[0] == "Ionic step 3 is left out: the output ends within it (it begins at byte 124086)."


@pytest.mark.parametrize(
    ("garbled", "what"),
    [
        ("*****  0.981  0.990  0.995  0.997", "atom 2 has '*****' where a number belongs"),
        ("  NaN  0.981  0.990  0.995  0.997", "atom 2 has 'NaN' where a number belongs"),
        ("0.981  0.990  0.995  0.997", "atom 2 has 4 eigenvalues"),
        ("0.91  0.981  0.990  0.995  0.997", "a number that is cut"),
        ("0.910  0.981  0.990  0.995  0.997", "the eigenvalues of atom 2 add up to"),
    ],
)
def test_garbage_in_the_block_that_counts_costs_that_step_only(garbled, what):
    text = _text("md")
    energy = text.index("!    total energy              =    -398.17618199")
    start = text.rindex("eigenvalues:\n", 0, energy) + len("eigenvalues:\n")
    output = _read_text(text[:start] + f"       {garbled}" + text[text.index("\n", start) :])
    assert [step.index for step in output.steps] == [0, 1, 3, 4, 5, 6, 7]
    assert all(_same(step, _read("md").steps[step.index]) for step in output.steps[:3])
    assert len(output.warnings) == 1
    assert output.warnings[0].startswith("Ionic step 3 is left out: ")
    assert what in output.warnings[0]
    assert not output.complete


def test_garbage_in_an_earlier_scf_iteration_does_not_matter():
    text = _text("md")
    garbled = _replace_nth(text, "eigenvalues:\n", "eigenvalues:\n  ****\n", 3)
    assert len(_read_text(garbled).steps) == 8


@pytest.mark.parametrize(
    ("run", "old", "new", "left_out", "what"),
    [
        (
            "mno_relax_7.2",
            "ATOMIC_POSITIONS (crystal)\n",
            "ATOMIC_POSITIONS (crystal)\n****\n",
            2,
            "do not list",
        ),
        ("mno_relax_7.2", "ATOMIC_POSITIONS (crystal)\n", "ATOMIC\n", 2, "step before are missing"),
        ("mno_vc_relax_7.2", "CELL_PARAMETERS (angstrom)\n", "garbage\n", 2, "the new cell is missing"),
        ("mno_relax_7.2", "Forces acting on atoms", "####", 1, "the forces have no heading"),
        ("mno_relax_7.2", "atom    2 type  2   force =", "atom    2 type  2   ****", 1, "force on atom 2"),
        (
            "mno_relax_7.2",
            "!    total energy              =",
            "!    total energy              = ****",
            1,
            "total",
        ),
        ("mno_relax_7.2", "!    total energy", "garbage", 1, "no total energy"),
        ("mno_vc_relax_7.2", "(kbar)     P=    -", "(kbar)     P=    -\n ****", 1, "the stress has"),
        (
            "mno_md_6.7",
            "temperature           =",
            "temperature           = NaN",
            1,
            "the temperature has 'NaN'",
        ),
        ("mno_relax_7.2", "tau(   1) = (", "tau(   1) = ( ***", 1, "starting positions"),
    ],
)
def test_garbage_elsewhere_costs_the_step_it_belongs_to(run, old, new, left_out, what):
    output = _read_text(_replace_nth(_text(run), old, new, 0))
    assert left_out - 1 not in [step.index for step in output.steps]
    assert len(output.steps) == len(_read(run).steps) - 1
    assert output.warnings[0].startswith(f"Ionic step {left_out} is left out")
    assert what in output.warnings[0]


@pytest.mark.parametrize("run", ["mno_relax_afm_6.7", "scf_afm"])
def test_a_site_missing_from_its_block_is_noticed(run):
    text = _text(run)
    heading = "atom    3   Tr[ns(na)]" if "6.7" in run else "------------------------ ATOM    2 "
    start = text.rindex(heading)
    end = text.index("atomic mag. moment" if "6.7" in run else "\n\n", start)
    output = _read_text(text[:start] + text[end:])
    assert len(output.steps) == len(_read(run).steps) - 1
    assert "add up to" in output.warnings[0]


@pytest.mark.parametrize("gone", ["     Self-consistent Calculation\n", "     iteration #  1 "])
def test_damage_to_one_line_does_not_merge_two_steps(gone):
    whole = _read("mno_relax_7.2").steps
    output = _read_text(_replace_nth(_text("mno_relax_7.2"), gone, "\n", 1))
    assert all(_same(*pair) for pair in zip(output.steps, whole, strict=True))


def test_a_header_without_a_cell_gives_no_steps_but_a_reason():
    output = _read_text(_text("scf_afm").replace("a(2) = (", "a(2) = ****"))
    assert output.steps == ()
    assert not output.complete
    assert output.warnings == ("No ionic step can be read: the cell does not have the vectors 1, 2 and 3.",)


def test_an_error_of_pw_is_passed_on():
    text = _text("mno_relax_7.2")
    start = text.index("BFGS Geometry Optimization")
    crash = "BFGS Geometry Optimization\n\n     Error in routine bfgs (1):\n     dE0s is positive\n"
    output = _read_text(text[:start] + crash)
    assert len(output.steps) == 1
    assert output.warnings[0] == "pw.x stopped with an error: Error in routine bfgs (1): dE0s is positive."


@given(
    st.sampled_from(SMALL_RUNS),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["", "****", "\x00 NaN 1 2"]),
)
@settings(max_examples=60, deadline=None)
def test_no_line_of_garbage_raises_or_loses_a_step_silently(run, where, garbage):
    lines = _text(run).splitlines()
    lines[int(where * len(lines))] = garbage
    try:
        output = _read_text("\n".join(lines) + "\n")
    except OutputFormatError:
        assert "Program PWSCF" not in "\n".join(lines)
        return
    assert len(output.steps) == len(_read(run).steps) or output.warnings
