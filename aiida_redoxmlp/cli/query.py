"""``aiida-redoxmlp query``: ready-made questions to the provenance graph."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from aiida_redoxmlp.cli.profile import load_node
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.provenance.lineage import teachers

__all__ = ("query",)


@click.group()
def query() -> None:
    """Ask the provenance graph."""


@query.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lineage(model: str, as_json: bool) -> None:
    """Print every pw.x calculation that taught MODEL (PK or UUID)."""
    node = load_node(model)
    if not isinstance(node, ModelData):
        raise InputError(
            f"<{model}> is a {node.__class__.__name__}, not a model; give the PK of a `redoxmlp.model` node."
        )
    rows: list[dict[str, Any]] = []
    for calculation in teachers(node):
        frames = calculation.outputs.frames
        parameters = calculation.inputs.parameters.get_dict()
        rows.append(
            {
                "pk": calculation.pk,
                "uuid": calculation.uuid,
                "calculation": parameters["CONTROL"]["calculation"],
                "patterns": frames.summary()["patterns"],
                "frames": frames.n_frames,
                "ambiguous": frames.n_ambiguous,
                "computer": calculation.computer.label if calculation.computer else None,
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(title=f"pw.x calculations behind ModelData<{node.pk}>", title_justify="left")
    for heading in ("pk", "uuid", "calculation", "patterns", "frames", "ambiguous", "computer"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(
            *(", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in row.values())
        )
    Console().print(table)
