"""``aiida-redoxmlp model show``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiida_redoxmlp.cli.model_source import opened_model
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.registry import summarise
from aiida_redoxmlp.errors import ModelIntegrityError

__all__ = ("command",)


@click.command("show")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; energies in eV, masses in u, sizes in bytes.")
def command(model: str, as_json: bool) -> None:
    """Say what MODEL is, and check its files against their hashes.

    Exits with 2 if a file is missing or is not what was saved.
    """
    with opened_model(model) as (folder, node):
        summary = summarise(folder)
    content = {**summary.to_dict(), "node": None if node is None else _origin(node)}
    if as_json:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        _print(content)
    if summary.broken:
        raise ModelIntegrityError(
            f"{', '.join(summary.broken)} of {model} {'is' if len(summary.broken) == 1 else 'are'} missing or not what "
            "was saved; take the model from its source again."
        )


def _origin(node: ModelData) -> dict[str, Any]:
    creator = node.creator
    return {
        "pk": node.pk,
        "uuid": node.uuid,
        "label": node.label,
        "ctime": node.ctime.isoformat(),
        "creator": None
        if creator is None
        else {"pk": creator.pk, "uuid": creator.uuid, "process": creator.process_label},
    }


def _print(content: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    training = dict(content["training"])
    settings = training.pop("settings", {})
    facts: dict[str, str] = {
        "engine": f"{content['engine']} ({_pairs(content['versions'])})",
        "encoding": content["encoding"],
        "embeddings": ", ".join(f"{one['name']} {one['lowest']}…{one['highest']}" for one in content["embeddings"]),
        "weights": content["dtype"],
        "architecture": _pairs(content["architecture"]),
        "training": _pairs(training),
        "settings": _pairs({key: value for key, value in settings.items() if key != "architecture"}),
        **_node_facts(content["node"]),
    }
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        if fact:
            grid.add_row(Text(name, style="bold"), Text(fact))
    console.print(grid)
    console.print(_species_table(content["species"]))
    console.print(_member_table(content["members"]))


def _node_facts(node: Mapping[str, Any] | None) -> dict[str, str]:
    if node is None:
        return {}
    creator = node["creator"]
    return {
        "node": f"<{node['pk']}> {node['uuid']} {node['label']}".rstrip(),
        "creator": "none: it was imported" if creator is None else f"{creator['process']}<{creator['pk']}>",
    }


def _species_table(species: list[dict[str, Any]]) -> Table:
    table = Table(title="Species", title_justify="left")
    for heading in ("species", "number", "stands as", "mass (u)", "reference energy (eV)"):
        table.add_column(heading, justify="left" if heading in {"species", "stands as"} else "right")
    for row in species:
        table.add_row(
            row["name"],
            str(row["atomic_number"]),
            row["symbol"],
            f"{row['mass']:.3f}",
            f"{row['reference_energy']:.6f}",
        )
    return table


def _member_table(members: list[dict[str, Any]]) -> Table:
    table = Table(title="Members", title_justify="left")
    table.add_column("file", no_wrap=True)
    for heading in ("seed", "epoch", "numbers", "bytes"):
        table.add_column(heading, justify="right")
    table.add_column("sha256", no_wrap=True)
    for member in members:
        numbers = (member["seed"], member["best_epoch"], member["numbers"], member["size"])
        table.add_row(
            member["file"],
            *("–" if number is None else f"{number:,}" for number in numbers),
            f"{member['sha256'][:8]} {'as saved' if member['matches'] else 'DIFFERS'}",
        )
    return table


def _pairs(values: Mapping[str, Any]) -> str:
    """Return names with their values."""
    return ", ".join(
        f"{name} {json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value}"
        for name, value in values.items()
    )
