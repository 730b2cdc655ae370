"""``aiida-redoxmlp report``: summary, HTML page and figures of a workflow."""

from __future__ import annotations

from pathlib import Path

import click

from aiida_redoxmlp.cli.profile import load_process
from aiida_redoxmlp.cli.reports import REPORTED, write_report_of

__all__ = ("report",)


@click.command()
@click.argument("process", required=False)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; by default report-<PK>.")
def report(process: str | None, output: Path | None) -> None:
    """Write summary, page and figures of PROCESS (PK or UUID), by default the latest.

    PROCESS is a campaign, a self-consistent calculation of Hubbard parameters, molecular dynamics or an active-learning
    loop. One that failed or still runs gives a report of what there is.
    """
    node = load_process(process, REPORTED)
    for path in write_report_of(node, output or Path(f"report-{node.pk}")):
        click.echo(path)
