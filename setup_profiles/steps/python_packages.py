"""The checkout's own Python environment: AiiDA, the package and MACE."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from steps.checkout import Checkout
from steps.progress import StepError
from steps.virtual_environment import VirtualEnvironment, version_of

__all__ = ("ensure_python_packages", "package_environment")

# Installed before anything else asks for torch: the newest torch may come with several GB of CUDA libraries.
_TORCH = "torch==2.13.0"
_NEEDED_BYTES = 5e9


def package_environment(checkout: Checkout) -> VirtualEnvironment:
    """The package's virtual environment; ``REDOXMLP_TORCH`` replaces the pinned torch."""
    torch = os.environ.get("REDOXMLP_TORCH", _TORCH)
    return VirtualEnvironment(
        folder=checkout.venv,
        interpreter=Path(getattr(sys, "_base_executable", sys.executable)),
        installs=((torch,), ("--editable", f"{checkout.root}[mace,dev]", torch)),
        depends_on=((checkout.root / "pyproject.toml").read_text(encoding="utf-8"),),
        log=checkout.logs / "python-environment.log",
    )


def ensure_python_packages(checkout: Checkout) -> str:
    """Make ``.venv`` and install the package with MACE into it.

    Raises:
        StepError: when the machine lacks something, or pip fails.
    """
    environment = package_environment(checkout)
    if environment.is_current:
        return environment.ensure()
    if version_of(environment.interpreter) is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise StepError(
            f"{environment.interpreter} has no venv with ensurepip, so it cannot make {checkout.venv}.",
            f"install it (Debian or Ubuntu: `apt-get install python3-venv` or `python{version}-venv`), or "
            "name another Python with `make PYTHON=/path/to/python3 …`",
        )
    free = shutil.disk_usage(checkout.root).free
    if free < _NEEDED_BYTES:
        raise StepError(
            f"{checkout.root} has {free / 1e9:.1f} GB left, and set-up needs {_NEEDED_BYTES / 1e9:.0f} GB.",
            "free some space, or put the checkout on another disk",
        )
    return environment.ensure()
