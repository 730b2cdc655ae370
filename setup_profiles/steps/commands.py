"""The commands of ``bootstrap.py``."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from steps.checkout import Checkout
from steps.progress import Progress, StepError
from steps.pseudopotential_recipes import ensure_pseudopotentials
from steps.python_packages import ensure_python_packages
from steps.quantum_espresso import Programs, ensure_quantum_espresso, find_programs
from steps.slurm_cluster import SlurmCluster

__all__ = ("main",)

Command = Callable[[Checkout, argparse.Namespace], int]

_MACHINE_STEPS = 3
_PROFILE_STEPS = 4
_SLURM_STEPS = 2
_REMOVED_BY_CLEAN = (
    "build",
    "dist",
    "demo-output",
    "hubbard-output",
    "dynamics-output",
    "demo-slurm-output",
    "docs/_build",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".import_linter_cache",
)
_REMOVED_BY_DISTCLEAN = (".venv", ".qe", ".aiida", ".slurm", ".cache")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    checkout = Checkout.of_this_file()
    command: Command = parsed.command
    try:
        return command(checkout, parsed)
    except StepError as failure:
        sys.stderr.write(f"\n{failure}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; run the same command again to go on where it stopped\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bootstrap.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str, *parents: argparse.ArgumentParser) -> None:
        subparser = commands.add_parser(name, help=text, description=text, parents=parents)
        subparser.set_defaults(command=command)

    engines = argparse.ArgumentParser(add_help=False)
    engines.add_argument(
        "--pw",
        metavar="PATH",
        default=os.environ.get("REDOXMLP_PW") or None,
        help="your own pw.x 7.x, with hp.x and ld1.x beside it (default: $REDOXMLP_PW, else installed)",
    )
    engines.add_argument(
        "--mpi",
        action="store_true",
        default=bool(os.environ.get("REDOXMLP_MPI")),
        help="run your own pw.x with mpirun",
    )
    add("setup", _setup, "everything: environments, engines, pseudopotentials, AiiDA profile, daemon", engines)
    add(
        "slurm",
        _setup_with_slurm,
        "the same, with the one-machine SLURM up, its computers and codes",
        engines,
    )
    add(
        "test",
        _setup_for_tests,
        "what the tests need: environments, engines, pseudopotentials, SLURM",
        engines,
    )
    add("status", _status, "what is there, and whether daemon and SLURM run")
    add(
        "env",
        _print_environment,
        'print what to export to use verdi by hand: eval "$(python3 setup_profiles/bootstrap.py env)"',
    )
    add("stop", _stop, "stop the daemon and the one-machine SLURM")
    add("clean", _clean, "remove what builds, tests and demonstrations left")
    add(
        "distclean",
        _distclean,
        "stop everything, and remove the environments, the AiiDA profile and all its data",
    )
    return parser


@contextlib.contextmanager
def _one_at_a_time(checkout: Checkout) -> Iterator[None]:
    """Two bootstraps of one checkout must not write the same environments."""
    checkout.cache.mkdir(parents=True, exist_ok=True)
    with (checkout.cache / "bootstrap.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StepError(
                "Another bootstrap of this checkout is running.",
                "wait until it is done, then run the command again",
            ) from error
        yield


def _prepare_machine(checkout: Checkout, progress: Progress, pw: str | None) -> Programs:
    if any(character.isspace() for character in str(checkout.root)):
        raise StepError(
            f"This checkout's path, {checkout.root}, has a blank in it, where AiiDA's daemon cannot start.",
            "move the checkout to a path without blanks",
        )
    programs = find_programs(checkout, pw)
    progress.step("Python environment with AiiDA, MACE and torch", lambda: ensure_python_packages(checkout))
    progress.step("Quantum ESPRESSO 7.2", lambda: ensure_quantum_espresso(checkout, programs))
    progress.step("pseudopotentials for demonstrations", lambda: ensure_pseudopotentials(checkout, programs.ld1))
    return programs


def _prepare_profile(
    checkout: Checkout, progress: Progress, total: int, programs: Programs, *, mpi: bool, slurm: bool
) -> None:
    """Hand over to the program that may import AiiDA; it reports its steps itself."""
    command = [checkout.venv / "bin" / "python", checkout.setup_profiles / "aiida_profile.py", "setup"]
    options = [f"--first={progress.number}", f"--total={total}", f"--pw={programs.pw}"]
    options += [f"--hp={programs.hp}"] if programs.hp else []
    options += ["--mpi"] if mpi else []
    options += ["--slurm"] if slurm else []
    checkout.aiida.mkdir(mode=0o700, exist_ok=True)
    status = subprocess.run(
        [*command, *options], env=checkout.environment(), stdin=subprocess.DEVNULL, check=False
    ).returncode
    if status != 0:
        raise StepError("The AiiDA profile is not ready.", "do what the message above says, then run this again")


def _setup(checkout: Checkout, options: argparse.Namespace) -> int:
    with _one_at_a_time(checkout):
        total = _MACHINE_STEPS + _PROFILE_STEPS
        progress = Progress(total)
        programs = _prepare_machine(checkout, progress, options.pw)
        _prepare_profile(checkout, progress, total, programs, mpi=options.mpi, slurm=False)
    return 0


def _setup_with_slurm(checkout: Checkout, options: argparse.Namespace) -> int:
    with _one_at_a_time(checkout):
        total = _MACHINE_STEPS + _SLURM_STEPS + _PROFILE_STEPS + 1
        progress = Progress(total)
        programs = _prepare_machine(checkout, progress, options.pw)
        cluster = SlurmCluster(checkout.slurm)
        progress.step("SLURM's programs", cluster.install)
        progress.step("one-machine SLURM: two CPU nodes, one GPU node", cluster.up)
        _prepare_profile(checkout, progress, total, programs, mpi=options.mpi, slurm=True)
    return 0


def _setup_for_tests(checkout: Checkout, options: argparse.Namespace) -> int:
    with _one_at_a_time(checkout):
        progress = Progress(_MACHINE_STEPS + 1)
        _prepare_machine(checkout, progress, options.pw)
        cluster = SlurmCluster(checkout.slurm)

        def install_if_possible() -> str:
            try:
                return cluster.install()
            except StepError as failure:
                return f"not there, its tests are skipped ({failure.remedy})"

        progress.step("SLURM's programs", install_if_possible)
    return 0


def _status(checkout: Checkout, _options: argparse.Namespace) -> int:
    for name, folder in (
        ("Python environment", checkout.venv),
        ("Quantum ESPRESSO", checkout.quantum_espresso / "bin" / "pw.x"),
        ("pseudopotentials", checkout.pseudopotentials),
        ("AiiDA profile", checkout.aiida / "config.json"),
    ):
        sys.stdout.write(f"{name:20} {folder if folder.exists() else 'not there'}\n")
    sys.stdout.write(f"{'one-machine SLURM':20} {SlurmCluster(checkout.slurm).describe()}\n")
    sys.stdout.write(f"{'daemon':20} ")
    sys.stdout.flush()
    if not (checkout.aiida / "config.json").is_file():
        sys.stdout.write("not there\n")
        return 0
    return _run_profile_program(checkout, "status")


def _print_environment(checkout: Checkout, _options: argparse.Namespace) -> int:
    for name, value in checkout.exports().items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


def _stop(checkout: Checkout, _options: argparse.Namespace) -> int:
    progress = Progress(2)
    has_profile = (checkout.aiida / "config.json").is_file() and (checkout.venv / "bin" / "python").exists()

    def stop_daemon() -> str:
        if not has_profile:
            return "there is none"
        if _run_profile_program(checkout, "stop", quiet=True) != 0:
            raise StepError(
                "The daemon could not be stopped.",
                f"see {checkout.aiida / 'daemon' / 'log'}, or stop it with verdi",
            )
        return "stopped"

    progress.step("AiiDA daemon", stop_daemon)
    progress.step("one-machine SLURM", SlurmCluster(checkout.slurm).down)
    return 0


def _run_profile_program(checkout: Checkout, command: str, *, quiet: bool = False) -> int:
    return subprocess.run(
        [checkout.venv / "bin" / "python", checkout.setup_profiles / "aiida_profile.py", command],
        env=checkout.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        check=False,
    ).returncode


def _clean(checkout: Checkout, _options: argparse.Namespace) -> int:
    for name in _REMOVED_BY_CLEAN:
        shutil.rmtree(checkout.root / name, ignore_errors=True)
    for coverage in (checkout.root / ".coverage", *checkout.root.glob(".coverage.*")):
        coverage.unlink(missing_ok=True)
    return 0


def _distclean(checkout: Checkout, options: argparse.Namespace) -> int:
    _stop(checkout, options)
    _clean(checkout, options)
    for name in _REMOVED_BY_DISTCLEAN:
        shutil.rmtree(checkout.root / name, ignore_errors=True)
    return 0
