from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.redox.pw_output import read_pw_output
from aiida_redoxmlp.redox.pw_output.numbers import GarbledBlockError
from aiida_redoxmlp.redox.pw_output.occupation_checks import check_occupations
from aiida_redoxmlp.redox.pw_output.occupations import OccupationBlock, Shell

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pw"


def _text(run: str) -> str:
    return (FIXTURES / run / "pw.out").read_text()


def _read(text: str):
    return read_pw_output(io.StringIO(text))


@pytest.mark.parametrize(
    ("run", "old", "new", "what"),
    [
        ("scf_afm", "up, down, total) =   0.52", "up, down, total) =   0.53", "do not fit together"),
        (
            "scf_afm",
            "!    total energy              =    -39",
            "!    total energy              =    -38",
            "its smearing",
        ),
        ("scf_afm", "hartree contribution      =", "hartree contribution      =  1", "sum of its printed parts"),
        ("scf_afm", "absolute magnetization    =     9", "absolute magnetization    =     8", "converged"),
        ("scf_afm", "Total force =     0.", "Total force =     1.", "the forces add up to a total"),
        (
            "scf_afm",
            "   6           O   tau(   6) = (   0.85",
            "   6           O   tau(   6) = (   0.75",
            "energy of the ions",
        ),
        ("mno_vc_relax_7.2", "P=    -2692.73", "P=    -2682.73", "the pressure is not the mean"),
        ("mno_vc_relax_7.2", "  -0.01829292   0.00117855", "  -0.01829292   0.00117845", "the stress is not symmetric"),
        ("mno_vc_relax_7.2", "-2690.98", "-2691.98", "the stress in Ry/bohr³"),
        ("mno_relax_7.2", "new  =     -80.1440735776", "new  =     -80.1440735676", "printed with two values"),
        (
            "md",
            "temperature           =         637.63077442",
            "temperature           =         637.73077442",
            "temperature",
        ),
        ("md", "(const)   =        -398.08090353", "(const)   =        -398.08090253", "conserved quantity"),
        ("md", "achieved in   6 iterations", "achieved in   8 iterations", "its last SCF iteration is number 6"),
        (
            "md",
            "Entering Dynamics:    iteration =     3",
            "Entering Dynamics:    iteration =     8",
            "it is numbered 8",
        ),
        ("md", "time      =   0.0116", "time      =   0.0216", "its time is not"),
        (
            "md",
            "mag/cell\n     absolute magnetization    =    10.70 B",
            "m\n     absolute magnetization    =     0.70 B",
            "larger than",
        ),
    ],
)
def test_a_number_that_contradicts_another_costs_its_step(run, old, new, what):
    text = _text(run)
    start = text.rindex(old)
    whole, output = _read(text), _read(text[:start] + new + text[start + len(old) :])
    assert len(output.steps) < len(whole.steps)
    assert what in output.warnings[0]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("a(2) = (   0.560409   0.828216", "a(2) = (   0.560409   0.828226", "reciprocal"),
        ("celldm(1)=   9.526029", "celldm(1)=   9.526129", "two values"),
        ("unit-cell volume          =     986.9", "unit-cell volume          =     987.9", "printed volume"),
        ("     PseudoPot. # 3 for P ", "     PseudoPot. # 3 for B ", "the pseudopotentials contradict"),
        ("number of atoms/cell      =           13", "number of atoms/cell      =           12", "atoms 1 to 12"),
    ],
)
def test_a_header_that_contradicts_itself_gives_no_steps(old, new, what):
    text = _text("md")
    assert old in text
    output = _read(text.replace(old, new, 1))
    assert output.steps == ()
    assert what in output.warnings[0]


def _block(eigenvalues: np.ndarray, vectors: np.ndarray) -> OccupationBlock:
    """Print occupations of one site with two spins as pw.x does: rounded to three decimals."""
    matrices = np.einsum("sik,sk,sjk->sij", vectors, eigenvalues, vectors)
    up, down = np.trace(matrices, axis1=1, axis2=2)
    sums = np.round([[[up, down, up + down, up - down]]], 5)
    shell = Shell(np.array([1]), *(np.round(array, 3)[None, None] for array in (eigenvalues, vectors, matrices)), sums)
    return OccupationBlock((shell,), (1,), squared=False, generalised=False, total=np.array([round(up + down, 4)]))


def test_rounding_alone_is_never_a_contradiction():
    rng = np.random.default_rng(0)
    for _ in range(300):
        vectors = np.linalg.qr(rng.normal(size=(2, 5, 5)))[0]
        check_occupations(_block(np.sort(rng.random((2, 5)), axis=1), vectors))


def test_nearly_every_wrong_digit_of_a_matrix_is_a_contradiction():
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(300):
        vectors = np.linalg.qr(rng.normal(size=(2, 5, 5)))[0]
        block = _block(np.sort(rng.random((2, 5)), axis=1), vectors)
        array = (block.shells[0].matrices if rng.random() < 5 / 6 else block.shells[0].eigenvalues).reshape(-1)
        array[rng.integers(array.size)] += rng.integers(1, 10) * 10.0 ** -rng.integers(1, 4)
        try:
            check_occupations(block)
        except GarbledBlockError:
            seen += 1
    assert seen > 0.95 * 300
