"""``aiida-redoxmlp patterns count``: how many configurations there are, and how many symmetry tells apart."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import click

from aiida_redoxmlp.cli.patterns_space import SpaceOptions, space_options
from aiida_redoxmlp.search.counting import count_configurations, count_distinct
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("command", "facts", "summary_lines")


@click.command("count")
@space_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool, **options: Any) -> None:
    """Count the configurations of STRUCTURE and those that its symmetry tells apart.

    Both numbers are exact and take no enumeration, so cells of any size are counted at once.
    """
    given = SpaceOptions(**options)
    found = facts(given, given.space())
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(summary_lines(found)))


def facts(options: SpaceOptions, space: ConfigurationSpace) -> dict[str, Any]:
    """Return what is known of a space before its configurations are listed, as the keys of the JSON document.

    Args:
        options: what the user said.
        space: the space it describes.
    """
    return {
        "structure": str(options.structure),
        "supercell": options.supercell,
        "n_atoms": len(space.parent),
        "total_charge": options.charge,
        "composition": dict(space.composition),
        "sites": list(space.sites),
        "allowed": [[species.label for species in some] for some in space.allowed],
        "configurations": count_configurations(space),
        "distinct": count_distinct(space),
        "symmetry_operations": len(space.permutations),
    }


def summary_lines(found: dict[str, Any]) -> list[str]:
    """Return the facts as lines of text."""
    sites = Counter(", ".join(labels) for labels in found["allowed"])
    told = [
        ("Structure", f"{found['structure']}, {found['supercell']}, {found['n_atoms']} atoms"),
        *(("Active sites", f"{number} with {labels}") for labels, number in sites.items()),
        ("Composition", ", ".join(f"{number} {key}" for key, number in found["composition"].items()) or "free"),
        ("Total charge", f"{found['total_charge']:+d}"),
        ("Symmetry operations", str(found["symmetry_operations"])),
        ("Configurations", str(found["configurations"])),
        ("Distinct by symmetry", str(found["distinct"])),
    ]
    return [f"{f'{name}:':22}{text}" for name, text in told]
