"""``aiida-redoxmlp launch``: from a YAML file to a running workflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import click
from aiida import orm
from aiida.engine import ProcessBuilder, submit
from rich.console import Console

from aiida_redoxmlp.cli.active_learning_config import ActiveLearningRunConfig
from aiida_redoxmlp.cli.active_learning_inputs import active_learning_builder
from aiida_redoxmlp.cli.active_learning_plan import plan_sentences, plan_table
from aiida_redoxmlp.cli.campaign_config import CampaignConfig
from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.dynamics_config import DynamicsRunConfig
from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig
from aiida_redoxmlp.cli.hubbard_table import hubbard_table
from aiida_redoxmlp.cli.inputs import campaign_builder, dynamics_builder, hubbard_builder
from aiida_redoxmlp.cli.profile import ensure_daemon, ensure_profile
from aiida_redoxmlp.cli.reports import write_report_of
from aiida_redoxmlp.cli.search_config import SearchRunConfig
from aiida_redoxmlp.cli.search_inputs import search_builder
from aiida_redoxmlp.cli.train_config import TrainRunConfig
from aiida_redoxmlp.cli.train_inputs import train_builder
from aiida_redoxmlp.cli.watch import watch
from aiida_redoxmlp.dataset.label_checks import warn_of_labels

__all__ = ("launch",)


@click.group()
def launch() -> None:
    """Launch a workflow from a YAML file."""


class _Config(Protocol):
    """What the configuration of every launch has."""

    @property
    def material(self) -> str: ...

    @property
    def protocol(self) -> str: ...


_output = click.option("--output", type=click.Path(path_type=Path), help="Folder for the report; needs waiting.")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every launch has."""
    for option in (
        click.option("--no-wait", is_flag=True, help="Submit and return."),
        click.option("--dry-run", is_flag=True, help="Check everything, submit nothing."),
        click.option("--config", type=click.Path(path_type=Path), required=True, help="YAML file."),
    ):
        command = option(command)
    return command


@launch.command()
@_output
@_options
def campaign(config: Path, **options: Any) -> None:
    """Label, train, search and check: the main job."""
    settings = load_config(config, CampaignConfig)
    ensure_profile()
    node = _run(campaign_builder(settings), settings, config, **options)
    if node is not None:
        click.echo(f"Ground state of {settings.material}: {node.outputs.conclusion.get_dict()['ground_state']}")


@launch.command()
@_output
@_options
def hubbard(config: Path, **options: Any) -> None:
    """Compute U and V by linear response until they agree with themselves, keeping the redox pattern."""
    settings = load_config(config, HubbardRunConfig)
    ensure_profile()
    node = _run(hubbard_builder(settings), settings, config, **options)
    if node is not None:
        content = node.outputs.cycles.get_dict()
        outcome = "agree with themselves" if content["converged"] else f"have not settled ({content['reason']})"
        click.echo(f"U and V of {settings.material} {outcome} after {len(content['cycles'])} cycles.")


@launch.command()
@_output
@_options
def dynamics(config: Path, **options: Any) -> None:
    """Run DFT+U+V molecular dynamics and read the oxidation states of every step."""
    settings = load_config(config, DynamicsRunConfig)
    ensure_profile()
    node = _run(dynamics_builder(settings), settings, config, **options)
    if node is not None:
        described = [events.get_dict() for events in node.outputs.events.values()]
        switches = sum(len(one["events"]) for one in described)
        steps = sum(one["n_steps"] for one in described)
        click.echo(
            f"{settings.material}: {switches} switches of oxidation states in {steps} steps; "
            f"{node.outputs.dataset.n_frames} of {node.outputs.frames.n_frames} labelled steps are independent."
        )


@launch.command()
@_options
def train(config: Path, **options: Any) -> None:
    """Train a committee on a dataset that is there already."""
    settings = load_config(config, TrainRunConfig)
    ensure_profile()
    builder: Any = train_builder(settings)
    for warning in warn_of_labels(builder.job.dataset.frames):
        click.echo(f"Warning: {warning}", err=True)
    node = _run(builder, settings, config, **options)
    if node is not None:
        report = node.outputs.report.get_dict()
        energy, force = report["energy_mae_ev_per_atom"], report["force_mae_ev_per_angstrom"]
        click.echo(
            f"{settings.material}: a committee of {len(report['seeds'])}, ModelData<{node.outputs.model.pk}>; on the "
            f"frames held out for early stopping, mean absolute errors are {1000 * energy:.3g} meV per atom and "
            f"{1000 * force:.3g} meV/Å."
        )


@launch.command()
@_options
def search(config: Path, **options: Any) -> None:
    """Search the ground state with a model that is there already, and check it with DFT."""
    settings = load_config(config, SearchRunConfig)
    ensure_profile()
    node = _run(search_builder(settings), settings, config, **options)
    if node is not None:
        conclusion = node.outputs.conclusion.get_dict()
        click.echo(
            f"Ground state of {settings.material}, decided by {conclusion['decided_by']}: "
            f"{' '.join(conclusion['ground_state_species'])}. {conclusion['certainty']['sentence']}"
        )


@launch.command("active-learning")
@_output
@_options
def active_learning(config: Path, **options: Any) -> None:
    """Explore, select, label and train until the stopping rules hold or the budget is spent.

    With --dry-run the plan is shown: the jobs of an iteration, what they ask for, and core-hours at most.
    """
    settings = load_config(config, ActiveLearningRunConfig)
    ensure_profile()
    builder = active_learning_builder(settings)
    Console().print(plan_table(builder))
    for sentence in plan_sentences(builder):
        click.echo(sentence)
    node = _run(builder, settings, config, **options)
    if node is not None:
        click.echo(f"{settings.material}: {node.outputs.conclusion.get_dict()['sentence']}")


def _run(
    builder: ProcessBuilder,
    settings: _Config,
    config: Path,
    *,
    dry_run: bool,
    no_wait: bool,
    output: Path | None = None,
) -> orm.ProcessNode | None:
    """Submit a builder and watch it; the process when it succeeded, None when it was not waited for.

    Raises:
        click.exceptions.Exit: if the process failed.
    """
    if dry_run:
        click.echo(f"{config} is valid: {settings.material}, protocol {settings.protocol}; nothing was submitted.")
        return None
    ensure_daemon()
    node: orm.ProcessNode = submit(builder)
    click.echo(f"Submitted {node.process_label}<{node.pk}> ({node.uuid}) for {settings.material}.")
    if no_wait:
        click.echo(f"Follow it with `aiida-redoxmlp status {node.pk}`.")
        return None
    console = Console()
    watch(node, console)
    if "cycles" in node.outputs:
        console.print(
            hubbard_table(node.outputs.cycles.get_dict(), node.inputs.structure.get_ase().get_chemical_symbols())
        )
    if output is not None:
        click.echo(f"Wrote {', '.join(str(path) for path in write_report_of(node, output))}.")
    if not node.is_finished_ok:
        raise click.exceptions.Exit(1)
    return node
