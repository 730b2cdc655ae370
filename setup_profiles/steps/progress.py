"""Progress lines, log files and failures that say what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ("ALREADY_THERE", "DONE", "Progress", "StepError", "run_logged")

DONE = "done"
ALREADY_THERE = "already there"

_SIGN_OF_LIFE_SECONDS = 15.0
_LOG_TAIL_LINES = 15


class StepError(Exception):
    """A step that could not be done.

    Args:
        what: one sentence that says what failed.
        remedy: one sentence that says what to do about it.
        log: the file that tells more, if there is one.
    """

    def __init__(self, what: str, remedy: str, log: Path | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.log = log

    def __str__(self) -> str:
        lines = [self.what, f"  what to do: {self.remedy}"]
        if self.log is not None and self.log.is_file():
            tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
            lines += [f"  log: {self.log}, which ends with", *(f"    | {line}" for line in tail)]
        return "\n".join(lines)


class Progress:
    """Numbered progress lines: ``[3/9] Quantum ESPRESSO 7.2 … done in 12 s``.

    Args:
        total: number of steps of the whole run.
        first: number of the first step that is reported here.
    """

    def __init__(self, total: int, first: int = 1) -> None:
        self._total = total
        self._number = first

    @property
    def number(self) -> int:
        """Number of the next step."""
        return self._number

    def skip_to(self, number: int) -> None:
        """Go on with step ``number``: those before it were reported by another program."""
        self._number = number

    def step(self, title: str, action: Callable[[], str]) -> str:
        """Run one step and report it.

        Args:
            title: what the step provides.
            action: does it, and returns ``DONE``, ``ALREADY_THERE`` or a short note of its own.

        Returns:
            What ``action`` returned.

        Raises:
            StepError: when ``action`` raises it.
        """
        self._write(f"[{self._number}/{self._total}] {title} … ")
        started = time.monotonic()
        over = threading.Event()
        alive = threading.Thread(target=self._show_signs_of_life, args=(over,), daemon=True)
        alive.start()
        try:
            outcome = action()
        except BaseException:
            self._write("failed\n")
            raise
        finally:
            over.set()
            alive.join()
        took = f" in {time.monotonic() - started:.0f} s" if outcome == DONE else ""
        self._write(f"{outcome}{took}\n")
        self._number += 1
        return outcome

    def _show_signs_of_life(self, over: threading.Event) -> None:
        while not over.wait(_SIGN_OF_LIFE_SECONDS):
            self._write(". ")

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    *,
    what: str,
    remedy: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a program without a terminal, its output appended to a log file.

    Args:
        command: program and arguments.
        log: file that gets the command line, stdout and stderr.
        what: the sentence for a failure.
        remedy: what to do about a failure.
        env: the program's environment; the own one by default.
        cwd: the program's working folder.

    Raises:
        StepError: when the program cannot be started or returns non-zero.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [os.fspath(word) for word in command]
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {' '.join(words)}\n")
        stream.flush()
        try:
            status = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=env, cwd=cwd, check=False
            ).returncode
        except OSError as error:
            stream.write(f"{error}\n")
            status = -1
    if status != 0:
        raise StepError(what, remedy, log)
