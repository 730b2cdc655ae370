"""``aiida-redoxmlp model export``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aiida_redoxmlp.cli.model_source import opened_model
from aiida_redoxmlp.engines.export import FOLDER_FORMAT, export_model

__all__ = ("command",)

_FORMATS = (FOLDER_FORMAT, "mace", "lammps", "torch-sim")


@click.command("export")
@click.argument("model")
@click.option("--format", "format_name", type=click.Choice(_FORMATS), required=True, help="What to write.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--member", type=click.IntRange(min=0), help="Only this member of the committee, from 0.")
def command(model: str, format_name: str, output: Path, member: int | None) -> None:
    """Write MODEL for another program, one file a member.

    \b
    folder     safetensors and model.json, what this package reads anywhere
    mace       .model files for mace-torch (MACECalculator)
    lammps     TorchScript files for LAMMPS's pair style mace
    torch-sim  .model files for torch-sim (MaceModel)

    Formats of other programs know atomic numbers only, so every species has a number there, which may be another
    element's. species.json beside the files says which, README.md and an example how to use them.
    """  # noqa: D301 - click's mark for lines to keep as they are
    with opened_model(model) as (folder, _):
        written = export_model(folder, output, format_name, member)
    click.echo(f"Written to {output}: {', '.join(written)}.")
    if format_name != FOLDER_FORMAT:
        rows = json.loads((output / "species.json").read_text(encoding="utf-8"))["species"]
        numbers = ", ".join(f"{row['name']} = {row['atomic_number']} ({row['symbol']})" for row in rows)
        click.echo(f"The atomic numbers of the species are {numbers}; keep the real elements' masses.")
