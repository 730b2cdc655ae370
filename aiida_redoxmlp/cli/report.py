"""``aiida-redoxmlp report``: summary, HTML page and figures of a campaign."""

from __future__ import annotations

from pathlib import Path

import click

from aiida_redoxmlp.cli.profile import load_process
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.report.campaign import write_report

__all__ = ("report",)


@click.command()
@click.argument("campaign", required=False)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; by default report-<PK>.")
def report(campaign: str | None, output: Path | None) -> None:
    """Write summary.json, report.html and figures of CAMPAIGN (PK or UUID), by default the latest.

    A campaign that failed or still runs gives a report of what there is.
    """
    node = load_process(campaign, "CampaignWorkChain")
    folder = output or Path(f"report-{node.pk}")
    try:
        written = write_report(node, folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}); give another folder with --output."
        ) from error
    for path in written:
        click.echo(path)
