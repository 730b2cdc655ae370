"""The program in pw.x's place prints what the reader of pw.x outputs reads back."""

from __future__ import annotations

import io

import numpy as np
import pytest

from aiida_redoxmlp.dataset.file import read_dataset, write_dataset
from aiida_redoxmlp.redox.pw_output import read_pw_output
from tests.engine_runs.deployment import CHECKOUT
from tests.engine_runs.replayed_pw import main


@pytest.fixture(scope="module")
def frames():
    return read_dataset(CHECKOUT / "benchmarks" / "data" / "limnpo4.npz")[::90]


@pytest.fixture
def ask(frames, tmp_path, capsys):
    write_dataset(tmp_path / "pool.npz", frames)

    def answer(symbols, positions):
        rows = [f"{symbol} {x:.10f} {y:.10f} {z:.10f}" for symbol, (x, y, z) in zip(symbols, positions, strict=True)]
        text = "\n".join(["&CONTROL", "/", "ATOMIC_POSITIONS angstrom", *rows, "K_POINTS automatic", "1 1 1 0 0 0"])
        (tmp_path / "aiida.in").write_text(text)
        code = main([str(tmp_path / "pool.npz"), "0", "-in", str(tmp_path / "aiida.in")])
        return code, capsys.readouterr()

    return answer


def kinds_of(frame):
    symbols = frame.configuration.to_ase().get_chemical_symbols()
    return [f"{symbol}{site + 1}" if symbol == "Mn" else symbol for site, symbol in enumerate(symbols)]


def test_a_known_geometry_gets_its_label(frames, ask):
    for frame in frames:
        code, printed = ask(kinds_of(frame), frame.configuration.positions)
        found = read_pw_output(io.StringIO(printed.out))
        assert (code, found.complete, found.warnings) == (0, True, ())
        (step,) = found.steps
        assert step.energy == pytest.approx(frame.energy, abs=1e-6)
        np.testing.assert_allclose(step.forces, frame.forces, atol=1e-6)
        np.testing.assert_allclose(step.positions, frame.configuration.positions, atol=1e-6)
        for site, levels in zip(step.occupations, frame.eigenvalues, strict=True):
            np.testing.assert_allclose(np.sort(site.eigenvalues), np.sort(levels), atol=1e-6)


def test_another_geometry_is_refused(frames, ask):
    code, printed = ask(kinds_of(frames[0]), frames[0].configuration.positions + 0.01)
    assert code == 1
    assert "has no frame with the geometry of" in printed.err
