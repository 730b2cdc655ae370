"""The command ``redoxmlp-run``: what a job's script calls on the cluster."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from aiida_redoxmlp.errors import RedoxmlpError, TrainingDivergedError

__all__ = ("EXIT_DIVERGED", "EXIT_REFUSED", "EXIT_UNEXPECTED", "JOBS", "main")

JOBS = ("evaluate", "search", "train")
"""Every job is a module of this package with a function ``run(folder)``."""

EXIT_UNEXPECTED = 1
EXIT_REFUSED = 2
EXIT_DIVERGED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job and return the exit code.

    The last line on standard error tells how it ended: ``Error: …`` (2) for an input that cannot be used,
    ``Diverged: …`` (3) for a training whose loss is no longer a number; anything else leaves a traceback (1).
    """
    parser = argparse.ArgumentParser(prog="redoxmlp-run", description="Run one job in its folder.")
    parser.add_argument("job", choices=JOBS, help="what to run")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="the job's folder (here by default)")
    chosen = parser.parse_args(arguments)
    try:
        importlib.import_module(f"aiida_redoxmlp.runners.{chosen.job}").run(chosen.folder)
    except TrainingDivergedError as error:
        return _tell("Diverged", error, EXIT_DIVERGED)
    except RedoxmlpError as error:
        return _tell("Error", error, EXIT_REFUSED)
    except Exception:  # noqa: BLE001 - the traceback is printed whole, and the exit code tells
        traceback.print_exc()
        return EXIT_UNEXPECTED
    return 0


def _tell(kind: str, error: RedoxmlpError, code: int) -> int:
    sys.stderr.write(f"{kind}: {' '.join(str(error).split())}\n")
    return code
