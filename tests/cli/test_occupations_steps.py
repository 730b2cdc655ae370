from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from aiida_redoxmlp.cli.occupations import EXIT_INCOMPLETE, occupations
from aiida_redoxmlp.cli.occupations_json import JsonWriter
from aiida_redoxmlp.cli.occupations_steps import StepsOfRun
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.elements import RedoxTable
from aiida_redoxmlp.redox.pw_output import read_pw_output

MD = Path(__file__).parents[1] / "fixtures" / "pw" / "md" / "pw.out"


@pytest.fixture(scope="module")
def steps():
    return read_pw_output(MD).steps


@pytest.fixture
def reading(monkeypatch):
    """Let the command read these steps."""

    def read(steps):
        def whole(run):
            yield from steps
            run._complete = True

        monkeypatch.setattr(StepsOfRun, "_steps", whole)

    return read


def _run(*arguments):
    return CliRunner().invoke(occupations, [str(MD), *arguments])


def test_a_later_step_without_occupations_is_left_out_with_a_warning(steps, reading):
    reading([steps[0], steps[1], replace(steps[2], occupations=()), steps[3]])
    result = _run("--json")
    assert result.exit_code == EXIT_INCOMPLETE
    document = json.loads(result.stdout)
    assert [step["step"] for step in document["steps"]] == [0, 1, 3]
    assert not document["complete"]
    assert document["warnings"][0].startswith("Ionic step 3 is left out: Atom 1 (Mn) is a redox site but has no")


def test_a_first_step_without_a_site_is_an_error_of_the_input(steps, reading):
    reading([replace(steps[0], occupations=steps[0].occupations[:1])])
    caught = _run().exception
    assert isinstance(caught, InputError)
    assert "Atom 2 (Mn) is a redox site but has no occupations" in str(caught)


def test_a_run_without_steps_has_no_occupations(reading):
    reading([])
    assert "no Hubbard occupations" in str(_run().exception)


def test_long_runs_are_printed_in_parts(steps, reading):
    reading([replace(steps[row % 6], index=row) for row in range(450)])
    output = _run().output
    assert output.count("eigenvalues ↑ ↓") == 3
    rows = [line.split()[0] for line in output.splitlines() if "Mn1 1" in line]
    assert rows == [str(number) for number in range(1, 451)]
    assert "Ionic steps: 450, ambiguous: 0" in output


def test_many_switches_are_cut(steps, reading):
    exchanged = [
        replace(site, site=1 - site.site, eigenvalues=site.eigenvalues[::-1]) for site in reversed(steps[0].occupations)
    ]
    moved = replace(steps[0], occupations=tuple(exchanged))
    reading([replace(moved if row // 4 % 2 else steps[0], index=row) for row in range(80)])
    output = _run().output
    assert output.count("Switched between steps") == 10
    assert "… and 18 more switches." in output


def test_one_step_has_nothing_to_say_of_switches(steps, reading):
    reading(steps[:1])
    assert "switch" not in _run().output


@pytest.mark.parametrize("n_steps", [0, 1, 3])
def test_the_json_is_laid_out_as_python_would(steps, tmp_path, n_steps):
    class Cut(StepsOfRun):
        def _steps(self):
            yield from steps[:n_steps]

    run = Cut(MD, 0, RedoxTable.default())
    with (tmp_path / "md.json").open("w") as stream:
        writer = JsonWriter(stream, MD, 0)
        for one in run:
            writer.add(one)
        writer.finish(run.outcome())
    text = (tmp_path / "md.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2) + "\n"
