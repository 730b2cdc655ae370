"""``aiida-redoxmlp patterns search``: the configurations that a model puts lowest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from aiida_redoxmlp.cli.model_file import load_model
from aiida_redoxmlp.cli.occupations_files import check_outputs
from aiida_redoxmlp.cli.patterns_count import facts, summary_lines
from aiida_redoxmlp.cli.patterns_ranking import RANKING_FILES, print_ranking, ranking_json
from aiida_redoxmlp.cli.patterns_space import SpaceOptions, space_options
from aiida_redoxmlp.engines.interruption import watch_for_stop
from aiida_redoxmlp.errors import SearchInterruptedError
from aiida_redoxmlp.runners.search_output import search_output
from aiida_redoxmlp.search.settings import SearchSettings
from aiida_redoxmlp.search.strategies.registry import STRATEGIES, strategy_settings
from aiida_redoxmlp.search.two_energies import search_space

__all__ = ("command",)

_DEFAULT = SearchSettings()
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("search")
@space_options
@click.option(
    "--model", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of a model, or .model file."
)
@click.option("--trust-pickle", is_flag=True, help="Load a .model file, which runs the code in it.")
@click.option("--head", help="The head of a .model file with several.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--strategy",
    type=click.Choice(sorted(STRATEGIES)),
    help="By default exhaustive where the budget is enough for it, else surrogate.",
)
@click.option(
    "--budget", type=click.IntRange(min=1), default=_DEFAULT.budget, show_default=True, help="Most evaluations."
)
@click.option("--runs", type=click.IntRange(min=1), default=_DEFAULT.runs, show_default=True, help="Independent runs.")
@click.option("--seed", type=click.IntRange(min=0), default=_DEFAULT.seed, show_default=True, help="Of random numbers.")
@click.option("--relax/--no-relax", default=True, show_default=True, help="Relax the lowest, and rank them again.")
@click.option(
    "--n-relaxed",
    type=click.IntRange(min=1),
    default=_DEFAULT.n_relaxed,
    show_default=True,
    help="How many of the lowest at fixed ions are relaxed.",
)
@click.option(
    "--fmax",
    "force_tolerance",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT.force_tolerance,
    show_default=True,
    help="Largest force after relaxing, in eV/Å.",
)
@click.option(
    "--steps",
    "max_steps",
    type=click.IntRange(min=1),
    default=_DEFAULT.max_steps,
    show_default=True,
    help="Most steps of a relaxation.",
)
@click.option("--checkpoint", type=_FOLDER, help="Folder to store the search in, and to go on from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write structures (.extxyz) or everything (.json)."
)
def command(
    model: Path,
    trust_pickle: bool,
    head: str | None,
    checkpoint: Path | None,
    as_json: bool,
    output: Path | None,
    **options: Any,
) -> None:
    """Search the configurations of STRUCTURE that a model puts lowest, and say how sure that is.

    Energies are first compared at the positions of STRUCTURE; the lowest configurations are then relaxed.
    """
    started = time.perf_counter()
    given = SpaceOptions(**{name: options.pop(name) for name in SpaceOptions.__dataclass_fields__})
    settings = _settings(options)
    if output is not None:
        check_outputs([output], given.structure, tuple(RANKING_FILES))
    space = given.space()
    potential = load_model(model, settings.device, trusted=trust_pickle, head=head)
    console = Console(stderr=True)
    with watch_for_stop() as stop, console.status("Searching") as status:
        result = search_space(
            space,
            potential,
            settings,
            checkpoints=checkpoint,
            on_progress=lambda entry: status.update(_where(entry)),
            should_stop=lambda: bool(stop.name),
        )
    if not result.complete:
        kept = f"run it again with --checkpoint {checkpoint} and it goes on" if checkpoint else "nothing was stored"
        raise SearchInterruptedError(
            f"{stop.name} stopped the search after {result.fixed.n_evaluated} evaluations; {kept}."
        )
    found = search_output(result, wall_time=time.perf_counter() - started, device=potential.device)
    content = {**facts(given, space), **found.model_dump(mode="json")}
    if output is not None:
        RANKING_FILES[output.suffix.lower()](output, result.space, found, content)
    if as_json:
        click.echo(ranking_json(content))
        return
    click.echo("\n".join(summary_lines(content)))
    print_ranking(found)
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if output is not None:
        click.echo(f"Written: {output}")


def _settings(options: dict[str, Any]) -> SearchSettings:
    strategy = options.pop("strategy")
    return SearchSettings(**options, strategy=None if strategy is None else strategy_settings(strategy))


def _where(entry: dict[str, Any]) -> str:
    """Return where a search is, in words."""
    if entry["event"] == "searching":
        most = "" if entry["budget"] is None else f" of at most {entry['budget']}"
        return f"Run {entry['run']} of {entry['of']}: {entry['evaluations']} evaluations{most}"
    if entry["event"] == "relaxing":
        return f"Relaxing {entry['active']}: step {entry['step']}, {entry['max_force_ev_per_angstrom']:.3f} eV/Å"
    if entry["event"] == "relaxed":
        return f"Relaxed {entry['done']} of {entry['of']}"
    return f"Searching {entry['distinct']} distinct configurations"
