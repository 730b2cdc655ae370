"""The command ``redoxmlp-run``: what a job's script calls on the cluster."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from aiida_redoxmlp.errors import (
    JobInterruptedError,
    NoGpuError,
    OutOfMemoryError,
    RedoxmlpError,
    TrainingDivergedError,
)

__all__ = (
    "EXIT_DISK_FULL",
    "EXIT_DIVERGED",
    "EXIT_INTERRUPTED",
    "EXIT_NO_GPU",
    "EXIT_OUT_OF_MEMORY",
    "EXIT_REFUSED",
    "EXIT_UNEXPECTED",
    "JOBS",
    "SAYS_DISK_FULL",
    "SAYS_DIVERGED",
    "SAYS_INTERRUPTED",
    "SAYS_NO_GPU",
    "SAYS_OUT_OF_MEMORY",
    "SAYS_REFUSED",
    "main",
)

JOBS = ("evaluate", "explore", "search", "select", "train")
"""Every job is a module of this package with a function ``run(folder)``."""

EXIT_UNEXPECTED = 1
EXIT_REFUSED = 2
EXIT_DIVERGED = 3
EXIT_OUT_OF_MEMORY = 4
EXIT_NO_GPU = 5
EXIT_INTERRUPTED = 6
EXIT_DISK_FULL = 7

SAYS_REFUSED = "Error: "
SAYS_DIVERGED = "Diverged: "
SAYS_OUT_OF_MEMORY = "Out of memory: "
SAYS_NO_GPU = "No GPU: "
SAYS_INTERRUPTED = "Interrupted: "
SAYS_DISK_FULL = "Disk full: "

_ENDINGS: tuple[tuple[type[RedoxmlpError], str, int], ...] = (
    (TrainingDivergedError, SAYS_DIVERGED, EXIT_DIVERGED),
    (OutOfMemoryError, SAYS_OUT_OF_MEMORY, EXIT_OUT_OF_MEMORY),
    (NoGpuError, SAYS_NO_GPU, EXIT_NO_GPU),
    (JobInterruptedError, SAYS_INTERRUPTED, EXIT_INTERRUPTED),
    (RedoxmlpError, SAYS_REFUSED, EXIT_REFUSED),
)

_DISK_FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))
"""What the system says; libraries in other languages pass on its words, but not its number."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job and return the exit code.

    The last line on standard error tells how it ended: ``Error: …`` (2) for an input that cannot be used,
    ``Diverged: …`` (3) for a training whose loss is no longer a number, ``Out of memory: …`` (4) where one frame alone
    does not fit, ``No GPU: …`` (5) where one was asked for, ``Interrupted: …`` (6) for a job that a signal
    stopped after a checkpoint, ``Disk full: …`` (7) where nothing more can be written; anything else leaves a
    traceback (1).
    """
    parser = argparse.ArgumentParser(prog="redoxmlp-run", description="Run one job in its folder.")
    parser.add_argument("job", choices=JOBS, help="what to run")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="the job's folder (here by default)")
    chosen = parser.parse_args(arguments)
    try:
        importlib.import_module(f"aiida_redoxmlp.runners.{chosen.job}").run(chosen.folder)
    except RedoxmlpError as error:
        kind, code = next((kind, code) for one, kind, code in _ENDINGS if isinstance(error, one))
        return _tell(kind, error, code)
    except Exception as error:  # noqa: BLE001 - the traceback is printed whole, and the exit code tells
        if any(words in str(error) for words in _DISK_FULL):
            return _tell(SAYS_DISK_FULL, error, EXIT_DISK_FULL)
        traceback.print_exc()
        return EXIT_UNEXPECTED
    return 0


def _tell(kind: str, error: Exception, code: int) -> int:
    sys.stderr.write(f"{kind}{' '.join(str(error).split())}\n")
    return code
