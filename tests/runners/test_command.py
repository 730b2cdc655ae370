from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from aiida_redoxmlp.errors import (
    ClosureError,
    NoGpuError,
    OutOfMemoryError,
    TrainingDivergedError,
    TrainingInterruptedError,
)
from aiida_redoxmlp.runners.command import (
    EXIT_DISK_FULL,
    EXIT_DIVERGED,
    EXIT_INTERRUPTED,
    EXIT_NO_GPU,
    EXIT_OUT_OF_MEMORY,
    EXIT_REFUSED,
    EXIT_UNEXPECTED,
    JOBS,
    main,
)


def install(monkeypatch: pytest.MonkeyPatch, job: str, run: Callable[[Path], None]) -> None:
    module = ModuleType(job)
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"aiida_redoxmlp.runners.{job}", module)


def raising(error: Exception) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        raise error

    return run


@pytest.mark.parametrize("job", JOBS)
def test_job_runs_in_the_folder_named(job: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Path] = []
    install(monkeypatch, job, seen.append)
    assert main([job, str(tmp_path)]) == 0
    assert main([job]) == 0
    assert seen == [tmp_path, Path()]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ClosureError("No assignment\ncloses +7."), EXIT_REFUSED, "Error: No assignment closes +7.\n"),
        (TrainingDivergedError("Lower the rate."), EXIT_DIVERGED, "Diverged: Lower the rate.\n"),
        (NoGpuError("torch finds none."), EXIT_NO_GPU, "No GPU: torch finds none.\n"),
        (OutOfMemoryError("One frame is too much."), EXIT_OUT_OF_MEMORY, "Out of memory: One frame is too much.\n"),
        (TrainingInterruptedError("SIGTERM."), EXIT_INTERRUPTED, "Interrupted: SIGTERM.\n"),
    ],
)
def test_our_own_errors_are_one_line_and_an_exit_code(
    error: Exception,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(monkeypatch, "train", raising(error))
    assert main(["train"]) == code
    assert capsys.readouterr().err == words


class ElsewhereError(Exception):
    """An error of a library that passes on what the system said."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "checkpoints/train.partial"),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        ElsewhereError('I/O error: Os { code: 28, message: "No space left on device" }'),
    ],
)
def test_a_full_disk_is_told_in_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, "explore", raising(error))
    assert main(["explore"]) == EXIT_DISK_FULL
    assert capsys.readouterr().err == f"Disk full: {error}\n"


def test_fault_of_ours_leaves_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, "search", raising(ZeroDivisionError("oops")))
    assert main(["search"]) == EXIT_UNEXPECTED
    assert "Traceback" in capsys.readouterr().err


def test_unknown_job_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["tarin"])
    assert stopped.value.code == EXIT_REFUSED
    told = capsys.readouterr().err
    assert all(job in told for job in JOBS)
