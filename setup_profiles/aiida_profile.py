"""The part of the bootstrap that needs AiiDA; `bootstrap.py` starts it with the Python of ``.venv``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from aiida.common.exceptions import AiidaException
from profile_steps.computers import ensure_code, ensure_computer, render
from profile_steps.daemon import describe_daemon, ensure_daemon, stop_daemon
from profile_steps.family import ensure_family
from profile_steps.profile import ensure_profile
from steps.checkout import PROFILE, Checkout
from steps.progress import ALREADY_THERE, DONE, Progress, StepError

__all__ = ("main",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="aiida_profile.py", description=__doc__)
    parser.add_argument("command", choices=("setup", "status", "stop"))
    parser.add_argument("--first", type=int, default=1, help="number of the first progress line")
    parser.add_argument("--total", type=int, default=4, help="number of progress lines")
    own = Checkout.of_this_file().quantum_espresso / "bin"
    parser.add_argument("--pw", type=Path, default=own / "pw.x", help="pw.x; the checkout's own by default")
    parser.add_argument("--hp", type=Path, help="hp.x; no code is made without it")
    parser.add_argument("--mpi", action="store_true", help="run pw.x and hp.x with mpirun")
    parser.add_argument("--slurm", action="store_true", help="register the one-machine SLURM")
    options = parser.parse_args(arguments)
    checkout = Checkout.of_this_file()
    try:
        _run(checkout, options)
    except StepError as failure:
        sys.stderr.write(f"\n{failure}\n")
        return 1
    return 0


def _run(checkout: Checkout, options: argparse.Namespace) -> None:
    try:
        if options.command == "setup":
            _setup(checkout, options)
        elif options.command == "stop":
            stop_daemon(PROFILE)
        else:
            sys.stdout.write(f"{describe_daemon(PROFILE)}\n")
    except AiidaException as error:
        raise StepError(
            f"AiiDA refused: {error}.",
            f"see {checkout.aiida}/daemon/log, and try `make stop` before the same again",
        ) from error


def _setup(checkout: Checkout, options: argparse.Namespace) -> None:
    progress = Progress(options.total, options.first)
    progress.step(f"AiiDA profile {PROFILE} (SQLite, ZeroMQ)", lambda: ensure_profile(PROFILE, _aiida_path(checkout)))
    progress.step(
        "pseudopotential family",
        lambda: ensure_family(checkout.recipes / "cutoffs.json", checkout.pseudopotentials),
    )
    progress.step("computer localhost and its codes", lambda: _ensure_localhost(checkout, options))
    if options.slurm:
        progress.step("computers slurm-cpu, slurm-gpu and their codes", lambda: _ensure_slurm(checkout, options))
    progress.step("daemon", lambda: ensure_daemon(PROFILE, checkout.root / "aiida_redoxmlp"))


def _aiida_path(checkout: Checkout) -> Path:
    return Path(os.environ.get("AIIDA_PATH", checkout.aiida))


def _ensure_localhost(checkout: Checkout, options: argparse.Namespace) -> str:
    folder = checkout.setup_profiles / "localhost"
    values = _values(checkout, options, "localhost")
    outcomes = [
        ensure_computer(render(folder / "computer.yaml", values), render(folder / "computer-configure.yaml", values))
    ]
    outcomes += [ensure_code(render(folder / f"code-{code}.yaml", values)) for code in _codes(options)]
    return DONE if DONE in outcomes else ALREADY_THERE


def _ensure_slurm(checkout: Checkout, options: argparse.Namespace) -> str:
    """The same codes on the one-machine SLURM, whose nodes see the same files."""
    templates = checkout.setup_profiles
    outcomes = []
    for partition, codes in (("cpu", _codes(options)), ("gpu", ("redoxmlp",))):
        label = f"slurm-{partition}"
        values = _values(checkout, options, label)
        setup = render(templates / "one-machine-slurm" / f"computer-{partition}.yaml", values)
        outcomes.append(ensure_computer(setup, render(templates / "localhost" / "computer-configure.yaml", values)))
        for code in codes:
            code_setup = render(templates / "localhost" / f"code-{code}.yaml", values)
            outcomes.append(ensure_code({**code_setup, "computer": label}))
    return DONE if DONE in outcomes else ALREADY_THERE


def _codes(options: argparse.Namespace) -> tuple[str, ...]:
    return ("pw", "hp", "redoxmlp") if options.hp else ("pw", "redoxmlp")


def _values(checkout: Checkout, options: argparse.Namespace, computer: str) -> dict[str, str]:
    return {
        "work_dir": str(_aiida_path(checkout) / "work" / computer),
        "pw_executable": str(options.pw),
        "hp_executable": str(options.hp),
        "redoxmlp_executable": str(Path(sys.executable).parent / "redoxmlp-run"),
        "with_mpi": "true" if options.mpi else "false",
    }


if __name__ == "__main__":
    sys.exit(main())
