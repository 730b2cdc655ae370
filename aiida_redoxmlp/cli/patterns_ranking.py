"""The ranking of a search as a table and as files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase.io import write
from rich.console import Console
from rich.table import Table

from aiida_redoxmlp.cli.occupations_files import unfinished
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.redox.species import Species
from aiida_redoxmlp.runners.search_job import PatternResult, SearchOutput
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("RANKING_FILES", "print_ranking", "ranking_json")

_SHOWN = 20


def print_ranking(found: SearchOutput) -> None:
    """Print the lowest configurations and how sure the lowest is."""
    relaxed = found.n_relaxed > 0
    console = Console(highlight=False)
    table = Table(title=_title(found), title_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("ΔE / meV", justify="right", no_wrap=True)
    if relaxed:
        table.add_column("fixed ions / meV", justify="right", no_wrap=True)
    table.add_column("×", justify="right")
    table.add_column("sites", overflow="fold")
    lowest_fixed = min(one.energy_fixed_ions_ev for one in found.patterns)
    for rank, one in enumerate(found.patterns[:_SHOWN], 1):
        unsure = "?" if rank - 1 in found.certainty.undecided else ""
        fixed = [f"{1000 * (one.energy_fixed_ions_ev - lowest_fixed):.1f}"] if relaxed else []
        table.add_row(f"{unsure}{rank}", _difference(one), *fixed, str(one.multiplicity), _sites(one))
    console.print(table)
    if len(found.patterns) > _SHOWN:
        console.print(f"{len(found.patterns) - _SHOWN} more are in the files that -o writes.")
    click.echo(f"Lowest energy: {found.patterns[0].energy_ev:.6f} eV")
    click.echo(found.certainty.sentence)
    if found.certainty.undecided:
        click.echo("Those with a ? may be lower than the first.")


def _title(found: SearchOutput) -> str:
    evaluated = f"{found.strategy}: {found.n_evaluated} evaluations"
    return f"{evaluated}, {found.n_relaxed} relaxed" if found.n_relaxed else evaluated


def _difference(one: PatternResult) -> str:
    spread = "" if one.difference_std_ev is None else f" ± {1000 * one.difference_std_ev:.1f}"
    return f"{1000 * one.difference_ev:.1f}{spread}"


def _sites(one: PatternResult) -> str:
    """Return the states of the sites where each element has its own sublattice, else the species with their runs."""
    elements = {Species.parse(label).element for label in one.species}
    if len(elements) == 1:
        return f"({','.join(map(str, one.states))})"
    runs = [(label, len(list(same))) for label, same in groupby(one.species)]
    return " ".join(label if number == 1 else f"{number}·{label}" for label, number in runs)


def ranking_json(content: Mapping[str, Any]) -> str:
    """Return everything as one JSON document."""
    return json.dumps(content, indent=2)


def _write_json(path: Path, space: ConfigurationSpace, found: SearchOutput, content: Mapping[str, Any]) -> None:
    del space, found
    path.write_text(ranking_json(content) + "\n", encoding="utf-8")


def _write_extxyz(path: Path, space: ConfigurationSpace, found: SearchOutput, content: Mapping[str, Any]) -> None:
    """Write the structure of each configuration in ascending energy, with its oxidation states."""
    del content
    with path.open("w", encoding="utf-8") as stream:
        for rank, one in enumerate(found.patterns):
            atoms = _structure(space, one).to_ase()
            atoms.info.update(
                rank=rank,
                energy_ev=one.energy_ev,
                difference_ev=one.difference_ev,
                multiplicity=one.multiplicity,
                orbit=one.orbit,
            )
            write(stream, atoms, format="extxyz")


def _structure(space: ConfigurationSpace, one: PatternResult) -> Configuration:
    row = np.array(
        [some.index(Species.parse(label)) for some, label in zip(space.allowed, one.species, strict=True)],
        dtype=np.int8,
    )
    return space.configuration(row).moved_to(np.array(one.positions))


_Writer = Callable[[Path, ConfigurationSpace, SearchOutput, Mapping[str, Any]], None]


def _whole(writer: _Writer) -> _Writer:
    """Let a file be there only once it is whole."""

    def written(path: Path, space: ConfigurationSpace, found: SearchOutput, content: Mapping[str, Any]) -> None:
        part = unfinished(path)
        try:
            writer(part, space, found, content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    return written


RANKING_FILES: dict[str, _Writer] = {".extxyz": _whole(_write_extxyz), ".json": _whole(_write_json)}
"""What writes a file, by its ending."""
