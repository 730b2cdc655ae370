from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from aiida_redoxmlp.cli.occupations import EXIT_INCOMPLETE, occupations
from aiida_redoxmlp.errors import ClosureError, InputError, OutputFormatError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pw"


def _run(*arguments: str):
    return CliRunner().invoke(occupations, arguments)


def _json(*arguments: str):
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


def _error(*arguments: str):
    result = _run(str(FIXTURES / "scf_afm" / "pw.out"), *arguments)
    assert result.exit_code != 0
    return result.exception


def test_json_has_every_step_of_the_dynamics():
    document = _json(str(FIXTURES / "md" / "pw.out"))
    steps = document["steps"]
    assert document["complete"] is True
    assert [step["closed"] for step in steps] == [True] * 6 + [False] * 2
    assert [step["ambiguous"] for step in steps] == [False] * 6 + [True] * 2
    assert steps[7]["naive_states"] == [2, 2]
    assert steps[7]["states"] == [2, 3]
    assert steps[0]["redox_sites"] == [0, 1]
    assert steps[0]["kinds"] == ["Mn1", "Mn2"]
    assert steps[0]["eigenvalues"][1][1][0] == 0.553
    assert len(steps[0]["confidence"]) == 2
    assert steps[0]["margin"] > 10


def test_xml_is_read_as_well():
    (step,) = _json(str(FIXTURES / "scf_fm" / "data-file-schema.xml"))["steps"]
    assert step["states"] == step["naive_states"] == [2, 3]
    assert step["closed"]


def test_a_margin_without_alternative_is_null():
    (step,) = _json(str(FIXTURES / "mno_scf_high_verbosity_7.2" / "pw.out"))["steps"]
    assert step["states"] == [2]
    assert step["margin"] is None


def test_charges_and_states_can_be_given():
    arguments = ("--fixed", "Li=1, P=5,O=-2", "--states", "Mn=2/3", "--charge", "0")
    (step,) = _json(str(FIXTURES / "scf_afm" / "pw.out"), *arguments)["steps"]
    assert step["states"] == [2, 3]


def test_the_table_fits_80_columns_and_marks_what_is_ambiguous():
    output = _run(str(FIXTURES / "md" / "pw.out")).output
    assert max(len(line) for line in output.splitlines()) <= 80
    assert output.count("not closed") == 2
    assert "0.55 0.98 0.99 0.99 1.00" in output
    assert "Ionic steps: 8, ambiguous: 2" in output


def test_an_output_that_is_cut_gives_whole_steps_a_warning_and_its_own_exit_code(tmp_path):
    text = (FIXTURES / "md" / "pw.out").read_text()
    path = tmp_path / "pw.out"
    path.write_text(text[: text.index("Entering Dynamics:    iteration =     4")])
    result = _run(str(path), "--json")
    assert result.exit_code == EXIT_INCOMPLETE == 3
    document = json.loads(result.stdout)
    assert len(document["steps"]) == 3
    assert document["complete"] is False
    assert "Ionic step 4 is left out" in result.stderr
    assert "cut off" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--charge", "20"), ClosureError, "No assignment closes the total charge"),
        (("--fixed", "Mn=3"), InputError, "no redox site"),
        (("--fixed", "Li"), InputError, "'Li' is not understood"),
        (("--fixed", "Li=one"), InputError, "'one' where a whole number"),
        (("--fixed", "Qq=1"), InputError, "'Qq' is not a chemical symbol"),
        (("--states", "Mn=2/x"), InputError, "'x' where a whole number"),
        (("--states", "Mn=12/13"), InputError, "from -3 to 7"),
        (("--states", "Mn=2/3", "--fixed", "Mn=2"), InputError, "name it in one of them"),
    ],
)
def test_wrong_options_are_one_sentence(arguments, error, message):
    caught = _error(*arguments)
    assert isinstance(caught, error)
    assert message in str(caught)
    assert "\n" not in str(caught)


def test_files_that_are_not_from_pw_are_refused():
    result = _run(str(FIXTURES / "hp" / "hp.out"))
    assert isinstance(result.exception, OutputFormatError)


def test_a_run_without_hubbard_occupations_says_what_is_missing(tmp_path):
    text = (FIXTURES / "scf_afm" / "pw.out").read_text()
    path = tmp_path / "pw.out"
    path.write_text(text.replace("HUBBARD OCCUPATIONS", "NOTHING"))
    assert "no Hubbard occupations" in str(_run(str(path)).exception)


def test_the_command_does_not_load_aiida():
    code = "import sys, aiida_redoxmlp.cli.occupations; sys.exit('aiida' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
