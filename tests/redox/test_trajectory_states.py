from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.errors import ClosureError, InputError
from aiida_redoxmlp.redox.digitise import digitise
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.occupations import IonicStep, SiteOccupations
from aiida_redoxmlp.redox.pw_output import read_pw_output
from aiida_redoxmlp.redox.trajectory_states import StatesAlongTrajectory, StatesRecorder, states_along

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pw"
TABLE = RedoxTable.default()
D5 = np.array([[0.98, 0.99, 0.99, 1.0, 1.0], [0.02, 0.03, 0.03, 0.09, 0.11]])
F1 = np.array([[0.01, 0.01, 0.02, 0.02, 0.02, 0.03, 0.99], [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.02]])


@pytest.fixture(scope="module")
def dynamics():
    return read_pw_output(FIXTURES / "md" / "pw.out").steps


def _step(index, symbols, levels, **fields):
    occupations = tuple(SiteOccupations(site, "", values) for site, values in enumerate(levels))
    made = IonicStep(
        index=index,
        symbols=symbols,
        positions=np.zeros((len(symbols), 3)),
        cell=np.eye(3),
        energy=-1.0,
        forces=None,
        stress=None,
        occupations=occupations,
        scf_converged=True,
        scf_iterations=9,
    )
    return replace(made, **fields)


def test_every_row_is_what_its_step_gave(dynamics):
    assignments = [digitise(step.occupations, step.symbols, 0, TABLE) for step in dynamics]
    found = StatesAlongTrajectory.from_assignments(dynamics, assignments)
    assert len(found) == 8
    assert (found.sites, found.symbols) == ((0, 1), ("Mn", "Mn"))
    for row, (step, assignment) in enumerate(zip(dynamics, assignments, strict=True)):
        assert found.pattern(row) == assignment.pattern
        assert tuple(found.naive_states[row]) == assignment.naive_states
        assert tuple(found.moment_signs[row]) == assignment.moment_signs
        assert (found.confidences[row] == assignment.confidences).all()
        assert found.margins[row] == assignment.margin
        assert (found.closed[row], found.ambiguous[row]) == (assignment.closed, assignment.ambiguous)
        assert (found.eigenvalues[row, 1] == step.occupations[1].eigenvalues).all()
        assert (found.energies[row], found.temperatures[row]) == (step.energy, step.temperature)
    assert found.sure.tolist() == [True] * 6 + [False] * 2


def test_a_step_that_did_not_converge_is_not_sure(dynamics):
    found = states_along([replace(dynamics[0], scf_converged=False), dynamics[1]], 0, TABLE)
    assert not found.ambiguous.any()
    assert found.sure.tolist() == [False, True]


def test_steps_are_taken_one_by_one_whatever_their_number(dynamics):
    many = (replace(dynamics[index % 6], index=index, time=0.5 * index) for index in range(2500))
    found = states_along(many, 0, TABLE)
    assert found.steps.tolist() == list(range(2500))
    assert found.times[-1] == pytest.approx(1249.5)
    assert (found.energies[1998:2004] == found.energies[:6]).all()
    assert found.states.dtype == np.int64


def test_what_a_run_does_not_have_is_none_and_what_a_step_lacks_is_nan():
    relaxed = states_along(read_pw_output(FIXTURES / "mno_relax_7.2" / "pw.out").steps, 0, TABLE)
    assert relaxed.temperatures is relaxed.times is relaxed.conserved is None
    assert (relaxed.margins == inf).all()
    steps = [_step(0, ("Mn", "O"), [D5], temperature=300.0), _step(1, ("Mn", "O"), [D5])]
    assert states_along(steps, 0, TABLE).temperatures.tolist() == pytest.approx([300.0, np.nan], nan_ok=True)


def test_smaller_shells_are_filled_with_nan():
    step = _step(0, ("Mn", "Ce", "O", "O", "O"), [D5, F1])
    found = states_along([step], 0, TABLE.with_overrides({"Mn": {"states": [2, 3]}, "Ce": {"states": [3, 4]}}))
    assert found.eigenvalues.shape == (1, 2, 2, 7)
    assert np.isnan(found.eigenvalues[0, 0, :, 5:]).all()
    assert (found.eigenvalues[0, 1] == F1).all()


def test_nothing_is_no_trajectory():
    with pytest.raises(InputError, match="no ionic step"):
        StatesRecorder().result()


def test_a_charge_that_cannot_close_is_refused(dynamics):
    with pytest.raises(ClosureError):
        states_along(dynamics, 20, TABLE)


def test_another_structure_is_refused(dynamics):
    with pytest.raises(InputError, match=r"\[0, 1\] up to ionic step 1 and \[0\]"):
        states_along([dynamics[0], _step(1, ("Mn", "O"), [D5])], 0, TABLE)


def test_a_step_that_comes_twice_is_refused(dynamics):
    with pytest.raises(InputError, match="Step 1 follows step 1"):
        states_along([dynamics[0], dynamics[1], dynamics[1]], 0, TABLE)


def test_columns_that_are_too_short_are_refused(dynamics):
    found = states_along(dynamics, 0, TABLE)
    with pytest.raises(InputError, match="margins has 7 rows for 8 steps"):
        replace(found, margins=found.margins[1:])
    with pytest.raises(InputError, match="a column of states for each site"):
        replace(found, symbols=("Mn",))
