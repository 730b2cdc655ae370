"""``aiida-redoxmlp patterns enumerate``: the configurations that symmetry tells apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aiida_redoxmlp.cli.occupations_files import check_outputs
from aiida_redoxmlp.cli.patterns_count import facts, summary_lines
from aiida_redoxmlp.cli.patterns_files import FILES, PatternJson
from aiida_redoxmlp.cli.patterns_space import SpaceOptions, space_options
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.search.enumeration import distinct_configurations
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("command",)


@click.command("enumerate")
@space_options
@click.option(
    "--max-patterns", type=click.IntRange(min=1), default=10_000, show_default=True, help="Refuse to list more."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write arrays (.npz), structures (.extxyz) or .json instead of the table.",
)
def command(max_patterns: int, as_json: bool, output: Path | None, **options: Any) -> None:
    """List one of each class of configurations of STRUCTURE that symmetry makes equivalent.

    The multiplicity says how many configurations each stands for.
    """
    given = SpaceOptions(**options)
    if output is not None:
        check_outputs([output], given.structure, tuple(FILES))
    space = given.space()
    found = facts(given, space)
    if found["distinct"] > max_patterns:
        raise InputError(
            f"{found['distinct']} distinct configurations ({found['configurations']} in all) are more than the "
            f"{max_patterns} to be listed; take a smaller supercell, fewer states or a fixed number of vacancies, or "
            f"ask for them with --max-patterns {found['distinct']} -o FILE."
        )
    if output is not None:
        FILES[output.suffix.lower()](output, space, found)
    if as_json:
        PatternJson(click.get_text_stream("stdout"), found).write(space)
    elif output is None:
        click.echo("\n".join(summary_lines(found)))
        _print_table(space)
    else:
        click.echo("\n".join([*summary_lines(found), f"Written: {output}"]))


def _print_table(space: ConfigurationSpace) -> None:
    """Print a line for each distinct configuration, block by block."""
    # Where every site keeps its element, its states say all.
    by_states = all(len({species.element for species in some}) == 1 for some in space.allowed)
    labels = [[species.label for species in some] for some in space.allowed]
    number = 0
    click.echo(f"\n{'no.':>8}  {'multiplicity':>12}  {'states of the active sites' if by_states else 'species'}")
    for block in distinct_configurations(space):
        lines = []
        for row, multiplicity in zip(block.rows, block.multiplicities.tolist(), strict=True):
            number += 1
            species = " ".join(some[choice] for some, choice in zip(labels, row.tolist(), strict=True))
            lines.append(f"{number:>8}  {multiplicity:>12}  {space.pattern(row).label if by_states else species}")
        click.echo("\n".join(lines))
