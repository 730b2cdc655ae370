from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aiida_redoxmlp.redox.pw_output import read_pw_output

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pw"
MD = (FIXTURES / "md" / "pw.out").read_text()
POSITION = re.compile(r"^(?:Mn\d|P|O|Li)((?: +-?\d+\.\d{10}){3})$", re.MULTILINE)
FORCE = re.compile(r"force = ((?: +-?\d+\.\d{8}){3})$", re.MULTILINE)
BOTH = "positions and forces do not obey"


def _read(text: str):
    return read_pw_output(io.StringIO(text))


def _indices(output) -> list[int]:
    return [step.index for step in output.steps]


def _with_digit(text: str, at: int, digit: int) -> str:
    return text[:at] + str((int(text[at]) + digit) % 10) + text[at + 1 :]


@given(
    step=st.integers(0, 7), atom=st.integers(0, 12), axis=st.integers(0, 2), place=st.integers(0, 7),
    digit=st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_wrong_digit_of_a_position_costs_the_step_at_that_position(step, atom, axis, place, digit):
    # At first the time step is not known well enough to see more.
    assume(step > 2 or place < 5)
    match = list(POSITION.finditer(MD))[13 * step + atom]
    number = list(re.finditer(r"\d+\.\d+", match[1]))[axis]
    at = match.start(1) + number.start() + number[0].index(".") + 1 + place
    output = _read(_with_digit(MD, at, digit))
    # Positions after the last step are no frame's, but may as well be its forces that are wrong. Behind the rounding of
    # the starting positions, those of the second step may as well be the forces on the third.
    left_out = {min(step + 1, 7)}
    assert left_out <= set(range(8)) - set(_indices(output)) <= (left_out if step else {1, 2})
    assert BOTH in output.warnings[0]


@given(
    step=st.integers(1, 7), atom=st.integers(0, 12), axis=st.integers(0, 2), place=st.integers(0, 6),
    digit=st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_wrong_digit_of_a_force_costs_its_step(step, atom, axis, place, digit):
    start = [match.start() for match in re.finditer("Forces acting on atoms", MD)][step]
    match = list(FORCE.finditer(MD, start))[atom]
    number = list(re.finditer(r"\d+\.\d+", match[1]))[axis]
    at = match.start(1) + number.start() + number[0].index(".") + 1 + place
    output = _read(_with_digit(MD, at, digit))
    # The rounding of the starting positions hides whether it is those of the step before that are wrong.
    culprits = {step, step - 1} if step < 3 else {step}
    assert {step} <= set(range(8)) - set(_indices(output)) <= culprits


def test_where_a_thermostat_kicks_the_ions_no_step_is_lost():
    kicked = MD.replace("temperature is set once at start", "temperature is controlled by velocity rescaling")
    for match in list(POSITION.finditer(MD))[13 * 3 : 13 * 8]:
        numbers = [f"{1.001 * float(word):20.10f}" for word in match[1].split()]
        kicked = kicked.replace(match[1], "".join(numbers), 1)
    output = _read(kicked)
    assert output.warnings == ()
    assert _indices(output) == list(range(8))


def test_ions_that_obey_another_equation_of_motion_are_left_alone():
    halved = MD.replace("54.94000", "54.93000").replace("16.00000", "15.99900")
    output = _read(halved)
    assert output.warnings == ()
    assert _indices(output) == list(range(8))


def test_positions_folded_back_into_the_cell_are_no_violation():
    folded = MD
    for match in list(POSITION.finditer(MD))[13 * 4 + 12 :: 13]:
        x, y, z = (float(word) for word in match[1].split())
        new = f"{x:20.10f}{y:20.10f}{z + 1.229925 * 9.526029 * 0.529177210903:20.10f}"
        folded = folded.replace(match[1], new, 1)
    assert _indices(_read(folded)) == list(range(8))


def test_a_lost_piece_from_step_to_step_joins_nothing():
    begin = MD.index("iteration #  5", MD.index("-398.15359677"))
    end = MD.index("iteration #  5", MD.index("-398.17618199"))
    output = _read(MD[:begin] + MD[end:])
    energies = [step.energy for step in _read(MD).steps]
    assert [step.energy for step in output.steps] == [*energies[:2], *energies[4:]]
    assert "is numbered 4" in output.warnings[0]


def test_a_step_without_what_the_others_have_is_left_out():
    block = MD.index("     kinetic energy (Ekin) =           0.06840313 Ry")
    end = MD.index("     Linear momentum", block)
    output = _read(MD[:block] + MD[end:])
    assert _indices(output) == list(range(1, 8))
    assert "lacks its thermal" in output.warnings[0] or "missing" in output.warnings[0]


@pytest.mark.parametrize("step", [1, 2])
def test_a_relaxation_keeps_its_centre(step):
    text = (FIXTURES / "mno_relax_7.2" / "pw.out").read_text()
    match = list(POSITION.finditer(text))[2 * step - 1]
    output = _read(_with_digit(text, match.end() - 4, 5))
    assert _indices(output) == [index for index in range(3) if index != step]
    assert "displaced as a whole" in output.warnings[0]


def test_a_restarted_run_may_begin_with_any_number():
    restarted = MD.replace(
        "     Current dimensions of program",
        "     Atomic positions and unit cell read from directory:\n     Current dimensions of program",
    )
    for number in range(8, 0, -1):
        restarted = restarted.replace(f"iteration = {number:5d}\n", f"iteration = {number + 90:5d}\n")
        restarted = restarted.replace(
            f"time      = {number * 2.9027e-3:8.4f} pico", f"time      = {(number + 90) * 2.9027e-3:8.4f} pico"
        )
    output = _read(restarted)
    assert output.warnings == ()
    assert output.steps[0].time == pytest.approx(90 * 2.9027, abs=0.1)


def test_without_a_restart_the_first_number_is_one():
    lost = MD.index("iteration #  2"), MD.index("iteration #  2", MD.index("-398.14868322"))
    output = _read(MD[: lost[0]] + MD[lost[1] :])
    assert "it is numbered 2 where 1 belongs" in output.warnings[0]
    assert len(output.steps) == 6
