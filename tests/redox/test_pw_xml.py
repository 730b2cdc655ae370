from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_redoxmlp.errors import OutputFormatError
from aiida_redoxmlp.redox.pw_output import read_pw_output
from aiida_redoxmlp.redox.pw_xml import read_pw_xml

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pw"
RUNS = sorted(path.parent.name for path in FIXTURES.glob("*/data-file-schema.xml"))


@pytest.mark.parametrize("run", RUNS)
def test_xml_and_text_agree_on_the_last_step(run):
    xml = read_pw_xml(FIXTURES / run / "data-file-schema.xml")
    text = read_pw_output(FIXTURES / run / "pw.out").steps[-1]
    assert (xml.index, xml.symbols, xml.scf_iterations) == (text.index, text.symbols, text.scf_iterations)
    assert xml.scf_converged == text.scf_converged
    assert xml.energy == pytest.approx(text.energy, abs=1e-6)
    np.testing.assert_allclose(xml.positions, text.positions, atol=1e-5)
    np.testing.assert_allclose(xml.cell, text.cell, atol=1e-5)
    np.testing.assert_allclose(xml.forces, text.forces, atol=1e-6)
    if text.stress is None:
        assert xml.stress is None
    else:
        np.testing.assert_allclose(xml.stress, text.stress, atol=1e-6)
    assert [(site.site, site.kind) for site in xml.occupations] == [(s.site, s.kind) for s in text.occupations]
    for one, other in zip(xml.occupations, text.occupations, strict=True):
        np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, atol=6e-4)
        np.testing.assert_allclose(one.matrices, other.matrices, atol=6e-4)


def test_positions_after_dynamics_are_not_those_of_the_step_to_come():
    xml = read_pw_xml(FIXTURES / "md" / "data-file-schema.xml")
    np.testing.assert_allclose(xml.positions[0], [-0.0294318792, 0.1072064456, 0.0091290344], atol=1e-9)


def test_matrices_give_more_digits_than_the_text():
    site = read_pw_xml(FIXTURES / "scf_fm" / "data-file-schema.xml").occupations[1]
    assert site.eigenvalues.sum() == pytest.approx(5.06624, abs=2e-5)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], "not a whole XML file"),
        (lambda _: "", "not a whole XML file"),
        (lambda _: "<a/>", "no results of pw.x"),
        (lambda text: text.replace('NAME="PWSCF"', 'NAME="CP"'), "no results of pw.x"),
        (lambda text: text.replace("9.896855961822325E-01", "NaN"), "Hubbard_ns does not hold 25 numbers"),
        (lambda text: text.replace("9.896855961822325E-01", "*****"), "garbled"),
        (lambda text: text.replace('dims="           5           5"', 'dims="3 3"'), "3 rows"),
        (lambda text: text.replace('specie="Mn2" label="3d" spin="2" index="2"', ""), "garbled"),
        (lambda text: text.replace("<etot>", "<e>").replace("</etot>", "</e>"), "etot is missing"),
    ],
)
def test_xml_that_is_not_whole_is_one_sentence(tmp_path, edit, message):
    path = tmp_path / "data-file-schema.xml"
    path.write_text(edit((FIXTURES / "scf_fm" / "data-file-schema.xml").read_text()))
    with pytest.raises(OutputFormatError, match=message):
        read_pw_xml(path)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(OutputFormatError, match="not a whole XML file"):
        read_pw_xml(tmp_path / "nowhere.xml")
