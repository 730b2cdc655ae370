"""``aiida-redoxmlp launch``: from a YAML file to a running workflow."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.engine import submit
from rich.console import Console

from aiida_redoxmlp.cli.campaign_config import load_config
from aiida_redoxmlp.cli.inputs import campaign_builder
from aiida_redoxmlp.cli.profile import ensure_daemon, ensure_profile
from aiida_redoxmlp.cli.watch import watch
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.report.campaign import write_report

__all__ = ("launch",)


@click.group()
def launch() -> None:
    """Launch a workflow from a YAML file."""


@launch.command()
@click.option("--config", type=click.Path(path_type=Path), required=True, help="YAML file of the campaign.")
@click.option("--dry-run", is_flag=True, help="Check everything, submit nothing.")
@click.option("--no-wait", is_flag=True, help="Submit and return.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for summary.json, report and figures; needs waiting.",
)
def campaign(config: Path, dry_run: bool, no_wait: bool, output: Path | None) -> None:
    """Label, train, search and check: the main job."""
    settings = load_config(config)
    ensure_profile()
    builder = campaign_builder(settings)
    if dry_run:
        click.echo(f"{config} is valid: {settings.material}, protocol {settings.protocol}; nothing was submitted.")
        return
    ensure_daemon()
    node = submit(builder)
    click.echo(f"Submitted CampaignWorkChain<{node.pk}> ({node.uuid}) for {settings.material}.")
    if no_wait:
        click.echo(f"Follow it with `aiida-redoxmlp status {node.pk}`.")
        return
    watch(node, Console())
    if output is not None:
        try:
            written = write_report(node, output)
        except OSError as error:
            raise InputError(
                f"The report cannot be written to {output} ({error}); give a folder you may write to."
            ) from error
        click.echo(f"Wrote {', '.join(str(path) for path in written)}.")
    if not node.is_finished_ok:
        raise click.exceptions.Exit(1)
    click.echo(f"Ground state of {settings.material}: {node.outputs.conclusion.get_dict()['ground_state']}")
