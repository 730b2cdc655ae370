"""What a user sees while things are made, and when they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from steps.progress import ALREADY_THERE, DONE, Progress, StepError, run_logged


def test_lines_count_steps_and_say_how_each_ended(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=9, first=3)
    progress.step("Quantum ESPRESSO 7.2", lambda: DONE)
    progress.step("pseudopotentials", lambda: ALREADY_THERE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[3/9] Quantum ESPRESSO 7.2 … done in ")
    assert lines[1] == "[4/9] pseudopotentials … already there"


def test_failure_is_reported_and_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> str:
        raise StepError("It did not work.", "try something else")

    with pytest.raises(StepError):
        Progress(1).step("a step", fail)
    assert capsys.readouterr().out == "[1/1] a step … failed\n"


def test_a_failed_program_says_what_to_do_and_shows_the_end_of_its_log(tmp_path: Path) -> None:
    program = "print('first line'); raise SystemExit('no space left on device')"
    with pytest.raises(StepError) as failure:
        run_logged([sys.executable, "-c", program], tmp_path / "a.log", what="It failed.", remedy="free some space")
    message = str(failure.value)
    assert message.startswith("It failed.\n  what to do: free some space\n")
    assert "no space left on device" in message
    assert str(tmp_path / "a.log") in message


def test_a_program_that_is_not_there_is_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="It failed"):
        run_logged([tmp_path / "absent"], tmp_path / "a.log", what="It failed.", remedy="install it")


def test_programs_are_never_asked_questions(tmp_path: Path) -> None:
    run_logged(
        [sys.executable, "-c", "import sys; assert sys.stdin.read() == ''"],
        tmp_path / "a.log",
        what="",
        remedy="",
    )
