"""Running a script with the programs and the AiiDA profile of a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ("run_in_environment",)


def run_in_environment(checkout: Path, script: Path, *arguments: str) -> None:
    """Run a script by the checkout's Python, in the environment that its ``bootstrap.py env`` prints."""
    bootstrap = [sys.executable, str(checkout / "setup_profiles" / "bootstrap.py"), "env"]
    exports = subprocess.run(bootstrap, check=True, capture_output=True, text=True).stdout
    python = str(checkout / ".venv" / "bin" / "python")
    command = ["bash", "-c", 'eval "$0" && exec "$@"', exports, python, "-W", "ignore", str(script), *arguments]
    subprocess.run(command, check=True)
