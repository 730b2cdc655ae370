"""``aiida-redoxmlp setup``: pointing at codes that are already there."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from aiida import orm
from aiida.common.exceptions import NotExistent

from aiida_redoxmlp.cli.profile import ensure_profile
from aiida_redoxmlp.errors import InputError

__all__ = ("setup",)

_PLUGINS = {"pw": "quantumespresso.pw", "hp": "redoxmlp.hp", "redoxmlp": None}


@click.group()
def setup() -> None:
    """Point at codes on this machine or on a cluster."""


@setup.command()
@click.argument("name", type=click.Choice(sorted(_PLUGINS)))
@click.argument("executable")
@click.option("--computer", default="localhost", show_default=True, help="Label of a configured AiiDA computer.")
@click.option("--label", help="Label of the code; NAME when not given.")
@click.option("--mpi/--no-mpi", default=False, show_default=True, help="Whether the executable runs under MPI.")
@click.option("--prepend", default="", help="Shell lines before every run, such as `module load qe`.")
def code(name: str, executable: str, computer: str, label: str | None, mpi: bool, prepend: str) -> None:
    """Register EXECUTABLE (a path on COMPUTER) as the code NAME: pw, hp or redoxmlp (`redoxmlp-run`)."""
    ensure_profile()
    try:
        machine = orm.load_computer(computer)
    except NotExistent as error:
        raise InputError(
            f"There is no computer {computer!r} in this profile; make it with `verdi computer setup`."
        ) from error
    path = shutil.which(executable) if machine.hostname == "localhost" else executable
    if path is None or not Path(path).is_absolute():
        raise InputError(f"{executable!r} is not an executable on {computer}; give its absolute path.")
    if machine.hostname == "localhost":
        path = str(Path(path).absolute())
    full_label = f"{label or name}@{computer}"
    if (
        orm.QueryBuilder()
        .append(orm.Computer, filters={"id": machine.pk}, tag="computer")
        .append(orm.InstalledCode, with_computer="computer", filters={"label": label or name})
        .count()
    ):
        raise InputError(f"The code {full_label} is there already; choose another --label.")
    made = orm.InstalledCode(
        label=label or name,
        computer=machine,
        filepath_executable=path,
        default_calc_job_plugin=_PLUGINS[name],
        with_mpi=mpi,
        prepend_text=prepend,
    ).store()
    click.echo(f"Registered {full_label} <{made.pk}>: {path}")
