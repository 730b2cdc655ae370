"""Virtual environments with a stamp, so that a second call takes no time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steps.progress import ALREADY_THERE, DONE, StepError, run_logged

__all__ = ("VirtualEnvironment", "find_interpreter", "version_of")

_STAMP = "redoxmlp-stamp"
_VERSION_PROBE = "import ensurepip, sys, venv; print('%d.%d.%d' % sys.version_info[:3])"
_PIP_REMEDY = (
    "look at the log for the package's name, check that pip reaches its index (network, proxy, "
    "`pip config list`), then run the same command again: what is installed already is kept"
)


@dataclass(frozen=True)
class VirtualEnvironment:
    """A virtual environment and what has to be in it.

    Attributes:
        folder: where it is made.
        interpreter: the Python it is made from.
        installs: pip's arguments, one tuple a call, in order.
        depends_on: texts whose change makes the environment outdated.
        log: log file of venv and pip.
    """

    folder: Path
    interpreter: Path
    installs: tuple[tuple[str, ...], ...]
    depends_on: tuple[str, ...]
    log: Path

    @property
    def python(self) -> Path:
        """The environment's own interpreter."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> str:
        """Changes whenever the environment has to be made again or completed."""
        parts = (str(self.folder), str(version_of(self.interpreter)), repr(self.installs), *self.depends_on)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def is_current(self) -> bool:
        """Whether a former call has installed exactly this."""
        stamp = self.folder / _STAMP
        return self.python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == self.stamp

    def ensure(self) -> str:
        """Make or complete the environment; returns ``DONE`` or ``ALREADY_THERE``.

        Raises:
            StepError: when venv or pip fails.
        """
        if self.is_current:
            return ALREADY_THERE
        self.log.unlink(missing_ok=True)
        (self.folder / _STAMP).unlink(missing_ok=True)
        if not self._is_usable():
            run_logged(
                [self.interpreter, "-m", "venv", "--clear", self.folder],
                self.log,
                what=f"{self.interpreter} could not make the virtual environment {self.folder}.",
                remedy="check that the disk is not full; on Debian or Ubuntu, `apt-get install python3-venv`",
            )
        for arguments in self.installs:
            self._pip_install(arguments)
        (self.folder / _STAMP).write_text(self.stamp, encoding="utf-8")
        return DONE

    def _is_usable(self) -> bool:
        """Whether the folder holds an environment of the same Python, made in this very place."""
        pip = self.folder / "bin" / "pip"
        if not self.python.exists() or not pip.is_file():
            return False
        # A copied checkout brings scripts whose first line still names the interpreter of the original.
        here = os.fsencode(self.folder) + b"/bin/python" in pip.read_bytes().splitlines()[0]
        same = version_of(self.python, probe="import sys; print('%d.%d.%d' % sys.version_info[:3])")
        return here and same == version_of(self.interpreter)

    def _pip_install(self, arguments: Sequence[str]) -> None:
        run_logged(
            [self.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *arguments],
            self.log,
            what=f"pip could not install {' '.join(arguments)} into {self.folder}.",
            remedy=_PIP_REMEDY,
            env={name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}},
        )


def version_of(interpreter: Path, probe: str = _VERSION_PROBE) -> tuple[int, ...] | None:
    """Version of a Python that can make virtual environments, or None if it does not run or cannot.

    Version managers leave `python3.x` commands on the path that only print how to enable them, hence a probe.
    """
    try:
        answer = subprocess.run([interpreter, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(int(number) for number in answer.stdout.strip().split("."))


def find_interpreter(minors: Sequence[int], purpose: str) -> Path:
    """The first working CPython 3.``minor`` with venv and ensurepip.

    The running interpreter is preferred, then `python3.x` on the path, then those of pyenv.

    Args:
        minors: accepted minor versions, the preferred one first.
        purpose: what it is for, for the message.

    Raises:
        StepError: when there is none.
    """
    own = Path(getattr(sys, "_base_executable", sys.executable))
    if sys.version_info.minor in minors and version_of(own) is not None:
        return own
    folders = [Path(entry) for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry]
    for minor in minors:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin"), reverse=True)
        for folder in [*folders, *pyenv]:
            candidate = folder / f"python3.{minor}"
            found = version_of(candidate) if candidate.exists() else None
            if found is not None and found[:2] == (3, minor):
                return candidate
    allowed = ", ".join(f"3.{minor}" for minor in minors)
    raise StepError(
        f"No Python {allowed} with venv and ensurepip was found for {purpose}.",
        "install one of them; on Debian or Ubuntu, `apt-get install python3 python3-venv`",
    )
